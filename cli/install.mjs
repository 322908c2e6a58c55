// Runs under the Node that the machine has, before anything is installed: it may import only what Node brings.
// Every npm script starts with it, so that each command works from a fresh clone.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const localNode = join(modules, '.bin', 'node');
/** Holds the digest of the lock file that was installed last. */
const stamp = join(modules, '.dbmazz-installed');
const installerFile = join(modules, '.dbmazz-installer');

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  fail(
    `Node ${process.versions.node} is too old: install Node ${OLDEST_NODE} or later with npm. The newer Node that dbmazz runs on comes with its dependencies.`,
  );
} else if (!isInstalled()) {
  await alone(install);
}

function digest() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

function isInstalled() {
  return existsSync(stamp) && existsSync(localNode) && readFileSync(stamp, 'utf8') === digest();
}

async function install() {
  if (isInstalled()) return;
  const started = performance.now();
  const wanted = digest();
  process.stderr.write('Installing the dependencies (needed once) …\n');
  const { ending, output } = await runNpm();
  if (ending !== 0) return fail(`The dependencies could not be installed: npm ended with ${ending}.\n${headOf(output)}`);
  if (!existsSync(localNode)) return fail('The dependencies were installed without the Node that dbmazz runs on: remove node_modules and try again.');
  writeFileSync(stamp, wanted);
  process.stderr.write(`Dependencies installed in ${((performance.now() - started) / 1000).toFixed(0)} s.\n`);
}

/**
 * What npm says is shown only if it fails. Not `npm ci`: it refuses a lock file that lacks the builds of some tools for
 * other platforms; `npm install` takes what is locked and adds the build for this platform.
 */
function runNpm() {
  const args = ['install', '--no-save', '--include=dev', '--no-fund', '--no-audit', '--loglevel=error'];
  const { npm_execpath: npm } = process.env;
  const command = npm?.endsWith('.js') ? [process.execPath, npm, ...args] : ['npm', ...args];
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk) => (output += chunk);
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => resolve({ ending: error.message, output }));
    child.once('close', (code, signal) => resolve({ ending: code ?? signal, output }));
  });
}

/** Two commands that are started at once in a fresh clone install one after the other. */
async function alone(work) {
  mkdirSync(modules, { recursive: true });
  while (!tryLock()) await delay(200);
  try {
    await work();
  } finally {
    rmSync(installerFile, { force: true });
  }
}

function tryLock() {
  try {
    writeFileSync(installerFile, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (!isAlive(Number(readFileSync(installerFile, 'utf8')))) rmSync(installerFile, { force: true });
  return false;
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** npm says the reason first and its manual after it. */
function headOf(output) {
  return output.trimStart().split('\n').slice(0, 12).join('\n');
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
