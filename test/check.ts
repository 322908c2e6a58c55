import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** `npm run check`: what every commit must pass, in seconds. What a step says is shown only if it fails. */
const STEPS: readonly (readonly [name: string, program: string, ...args: string[]])[] = [
  ['format', 'oxfmt', '--check', '.'],
  ['types', 'tsc'],
  ['lint', 'oxlint', '--quiet'],
  ['dead code', 'knip', '--no-progress'],
  ['unit tests', 'vitest', 'run', '--project', 'unit'],
];

const ROOT = join(import.meta.dirname, '..');

async function main(): Promise<number> {
  const started = performance.now();
  let failures = 0;
  for (const [name, program, ...args] of STEPS) {
    if (!(await runStep(name, program, args))) failures++;
  }
  process.stdout.write(`${failures === 0 ? 'all fine' : `${failures} of ${STEPS.length} steps failed`} after ${seconds(started)}\n`);
  return failures === 0 ? 0 : 1;
}

async function runStep(name: string, program: string, args: readonly string[]): Promise<boolean> {
  const started = performance.now();
  const { isFine, output } = await run(program, args);
  process.stdout.write(`${isFine ? '✓' : '✗'} ${name.padEnd(12)} ${seconds(started)}\n`);
  if (!isFine) process.stdout.write(`${output}\n`);
  return isFine;
}

async function run(program: string, args: readonly string[]): Promise<{ readonly isFine: boolean; readonly output: string }> {
  const child = spawn(join(ROOT, 'node_modules', '.bin', program), args, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { promise, resolve } = Promise.withResolvers<{ readonly isFine: boolean; readonly output: string }>();
  let output = '';
  const collect = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  child.once('error', (error) => resolve({ isFine: false, output: error.message }));
  child.once('close', (code) => resolve({ isFine: code === 0, output }));
  return promise;
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

process.exitCode = await main();
