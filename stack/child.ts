import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { markOf, type ProcessMark } from './process.ts';
import type { Command, HelperBook } from './service.ts';
import { messageOf, StackError } from './stack-error.ts';

const LOG_TAIL_LINES = 20;
const READY_POLL_MS = 50;

export interface StartedChild {
  readonly mark: ProcessMark;
  /** How it ended, or undefined while it runs. */
  readonly ending: () => string | undefined;
  /** Resolves once it has ended and was collected: until then its number is taken, and PostgreSQL thinks that it runs. */
  readonly collected: Promise<void>;
}

/**
 * Starts a process of its own process group, so that Ctrl-C in the terminal reaches only its parent, with both
 * outputs appended to a file. `record` is called before anything else can happen.
 */
export function startChild(command: Command, logFile: string, record: (mark: ProcessMark) => void): StartedChild {
  const child = spawnLogged(command, logFile);
  const collected = Promise.withResolvers<void>();
  let ending: string | undefined;
  child.once('error', (error) => (ending = error.message));
  child.once('exit', (code, signal) => {
    ending ??= signal === null ? `exit code ${code}` : `signal ${signal}`;
    collected.resolve();
  });
  child.unref();
  const mark = child.pid === undefined ? undefined : markOf(child.pid);
  if (mark === undefined) throw new StackError(`${command.file} cannot be started.`);
  record(mark);
  return { mark, ending: () => ending, collected: collected.promise };
}

function spawnLogged(command: Command, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    return spawn(command.file, command.args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ...command.env },
      ...(command.cwd !== undefined && { cwd: command.cwd }),
      ...(command.uid !== undefined && { uid: command.uid }),
      ...(command.gid !== undefined && { gid: command.gid }),
    });
  } finally {
    closeSync(log);
  }
}

/** Runs a helper to its end; what it said is in the error if it fails. */
export async function runChild(command: Command, options: { readonly title: string; readonly logFile: string; readonly helpers: HelperBook }): Promise<void> {
  const child = startChild(command, options.logFile, options.helpers.record);
  while (child.ending() === undefined) await delay(10);
  options.helpers.gone(child.mark);
  if (child.ending() === 'exit code 0') return;
  throw new StackError(`${options.title} failed (${child.ending()}). ${lastLines(options.logFile)}`);
}

/** Asks again and again until the service answers; its last words are in the error if it ends or takes too long. */
export async function untilReady(options: {
  readonly title: string;
  readonly ready: () => Promise<void>;
  readonly withinMs: number;
  readonly ending?: () => string | undefined;
  readonly lastWords?: () => string;
}): Promise<void> {
  const deadline = performance.now() + options.withinMs;
  for (;;) {
    const problem = await problemOf(options.ready);
    if (problem === undefined) return;
    const words = options.lastWords?.() ?? '';
    const ending = options.ending?.();
    if (ending !== undefined) throw new StackError(`${options.title} ended before it was ready (${ending}). ${words}`.trim());
    if (performance.now() > deadline) {
      throw new StackError(`${options.title} did not answer within ${options.withinMs / 1000} s (${problem}). ${words}`.trim());
    }
    await delay(READY_POLL_MS);
  }
}

async function problemOf(ready: () => Promise<void>): Promise<string | undefined> {
  try {
    await ready();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

export function lastLines(file: string): string {
  try {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES);
    return `The last lines of its log:\n${lines.map((line) => `  ${line}`).join('\n')}`;
  } catch {
    return 'It left no log.';
  }
}
