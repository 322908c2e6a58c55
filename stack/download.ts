import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { withLock } from './cache.ts';
import type { Progress } from './service.ts';
import { EXIT_PREREQUISITE, StackError } from './stack-error.ts';

const REPORT_EVERY_MS = 2000;
const LAST_LINES = 15;
const NEEDED_JAVA = 17;

export const PREREQUISITE_SENTENCE = `Neither a container engine nor Java ${NEEDED_JAVA} with Maven was found: install Docker and start it, or install a Java ${NEEDED_JAVA} runtime (or newer) and Maven (Debian: apt-get install openjdk-17-jre-headless maven), and try again.`;

export interface Download {
  /** Shown to the user: "Kafka 4.4.0". */
  readonly title: string;
  readonly size: string;
  readonly onProgress: Progress;
}

/** Runs Maven with the user's own configuration, one at a time: two at once disturb each other's local repository. */
export async function runMaven(folder: string, args: readonly string[], download: Download): Promise<void> {
  const run: ToolRun = { tool: 'Maven', file: 'mvn', args: ['-Dstyle.color=never', ...args], folder };
  await withLock('maven', async () => runWithProgress(run, download));
}

/** Installs packages of exactly these versions below `folder`, with the user's own configuration of npm. */
export async function runNpm(folder: string, packages: readonly string[], download: Download): Promise<void> {
  const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', '--save-exact', ...packages];
  await runWithProgress({ tool: 'npm', file: 'npm', args, folder }, download);
}

/** A virtual environment of Python with packages of exactly these versions, in `folder`. */
export async function runPip(folder: string, packages: readonly string[], download: Download): Promise<void> {
  const python = { tool: 'Python', file: 'python3', args: ['-m', 'venv', '.'], folder };
  await runWithProgress(python, download).catch((error: unknown) => {
    throw new StackError('Python 3 with its venv module was not found: install it (Debian: apt-get install python3-venv), and try again.', {
      exitCode: EXIT_PREREQUISITE,
      cause: error,
    });
  });
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...packages];
  await runWithProgress({ tool: 'pip', file: join(folder, 'bin', 'python'), args, folder }, download);
}

interface ToolRun {
  readonly tool: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly folder: string;
}

async function runWithProgress({ tool, file, args, folder }: ToolRun, download: Download): Promise<void> {
  const head = `${download.title}: downloading with ${tool} (${download.size}) …`;
  download.onProgress(head);
  const started = performance.now();
  const child = spawn(file, args, { cwd: folder, env: toolEnvironment(process.env), stdio: ['ignore', 'pipe', 'pipe'] });
  const output = watchOutput(child);
  const ticker = setInterval(() => {
    const seconds = Math.round((performance.now() - started) / 1000);
    download.onProgress(`${head} ${output.position() === '' ? '' : `${output.position()}, `}${seconds} s`);
  }, REPORT_EVERY_MS);
  try {
    const problem = await endOf(child);
    if (problem !== undefined) throw new StackError(`${download.title} could not be downloaded with ${tool} (${problem}).\n${output.tail()}`);
  } finally {
    clearInterval(ticker);
  }
  download.onProgress(`${download.title}: downloaded in ${Math.round((performance.now() - started) / 1000)} s`);
}

async function endOf(child: ChildProcess): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  child.once('error', (error) => resolve(error.message));
  child.once('close', (code, signal) => resolve(code === 0 ? undefined : `${signal ?? `exit code ${code}`}`));
  return promise;
}

function watchOutput(child: ChildProcess): { readonly position: () => string; readonly tail: () => string } {
  let done = 0;
  let underWay = 0;
  let tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    // Maven ends its progress lines with a carriage return; readline takes that for the end of a line too.
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      done += bytesDone(line);
      underWay = bytesUnderWay(line) ?? underWay;
      if (!line.startsWith('Progress')) tail = [...tail, line].slice(-LAST_LINES);
    });
  }
  return { position: () => (done + underWay === 0 ? '' : `${((done + underWay) / 1e6).toFixed(1)} MB`), tail: () => tail.join('\n') };
}

/** Of Maven's "Downloaded from …: … (109 MB at 23 MB/s)". */
export function bytesDone(line: string): number {
  const [, amount, unit] = /Downloaded from .* \(([\d.]+) ([kM]?B) at /.exec(line) ?? [];
  return amount === undefined ? 0 : inBytes(amount, unit);
}

/** Of Maven's "Progress (2): 0.1/1.3 MB | 33/82 kB", the sum; undefined for any other line. */
export function bytesUnderWay(line: string): number | undefined {
  const list = /^\s*Progress \(\d+\): (.*)$/.exec(line)?.[1];
  if (list === undefined) return undefined;
  const amounts = [...list.matchAll(/([\d.]+)(?:\/[\d.]+)? ([kM]?B)/g)];
  return amounts.reduce((sum, [, amount, unit]) => sum + inBytes(amount ?? '0', unit), 0);
}

function inBytes(amount: string, unit: string | undefined): number {
  return Math.round(Number(amount) * (unit === 'MB' ? 1e6 : unit === 'kB' ? 1e3 : 1));
}

/** npm tells scripts about its own project by environment; an npm that is started for another folder must not see that. */
export function toolEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours = /^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|npm_config_prefix$|npm_command$|INIT_CWD$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}

const runFile = promisify(execFile);

export interface Java {
  readonly file: string;
  /** All that `java -version` says. */
  readonly version: string;
}

/** The Java to run. Throws the one sentence about prerequisites if it, or Maven where `maven` asks for it, is missing. */
export async function findJava(options: { readonly maven: boolean }): Promise<Java> {
  const home = process.env['JAVA_HOME'];
  const file = home === undefined || home === '' ? 'java' : `${home}/bin/java`;
  const version = await outputOf(file, ['-version']);
  const mavenThere = !options.maven || (await outputOf('mvn', ['-v'])).includes('Apache Maven');
  if (javaMajor(version) < NEEDED_JAVA || !mavenThere) throw new StackError(PREREQUISITE_SENTENCE, { exitCode: EXIT_PREREQUISITE });
  return { file, version };
}

async function outputOf(file: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await runFile(file, args, { timeout: 30_000 });
    return stdout + stderr;
  } catch {
    return '';
  }
}

/** The first number of `java -version`; 0 if that is not its output. */
export function javaMajor(output: string): number {
  return Number(/version "(\d+)/.exec(output)?.[1] ?? 0);
}
