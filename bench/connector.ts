import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../stack/ports.ts';
import { usageOf, type Usage } from './measure.ts';

const ROOT = new URL('../', import.meta.url);
const POLL_MS = 20;
const STOP_WITHIN_MS = 15_000;

/** Which program to run, with what in its environment. */
export interface ConnectorOptions {
  readonly program: 'source' | 'sink' | 'run';
  readonly settings?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Flags of Node beside those of the npm script. */
  readonly nodeFlags?: readonly string[];
}

/** What a connector says of itself, as far as it is looked at here. */
export interface ConnectorStatus {
  readonly state: string;
  readonly changes?: number;
  readonly records: number;
}

const PROGRAMS: Readonly<Record<ConnectorOptions['program'], { readonly script: string; readonly args: readonly string[] }>> = {
  source: { script: 'source', args: ['sources/main.ts'] },
  sink: { script: 'sink', args: ['sinks/main.ts'] },
  run: { script: 'dbmazz', args: ['cli/dbmazz.ts', 'run'] },
};

/** A source or sink as users run it: a process of its own, with the flags of its npm script. */
export class Connector implements AsyncDisposable {
  readonly startedAt = performance.now();
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #address: string;
  readonly #title: string;

  private constructor({ program, settings, args = [], nodeFlags = [] }: ConnectorOptions, port: number) {
    const { script, args: file } = PROGRAMS[program];
    const env = { ...process.env, LOG_LEVEL: 'warn', ...settings, HTTP_PORT: String(port) };
    this.#title = program;
    this.#address = `http://127.0.0.1:${port}`;
    this.#child = spawn(process.execPath, [...flagsOfScript(script), ...nodeFlags, ...file, ...args], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#exited = once(this.#child, 'exit');
    process.once('exit', this.#atExit);
  }

  static async start(options: ConnectorOptions): Promise<Connector> {
    return new Connector(options, await freePort());
  }

  /** Resolves once the process says that it streams, or has joined its group. */
  async untilReady(): Promise<void> {
    await this.#until(async () => (await fetch(`${this.#address}/readyz`)).ok);
  }

  /** Gives the status that has reached it. */
  async until(isReached: (status: ConnectorStatus) => boolean): Promise<ConnectorStatus> {
    const seen: ConnectorStatus[] = [];
    await this.#until(async () => {
      seen[0] = (await (await fetch(`${this.#address}/status`)).json()) as ConnectorStatus;
      return isReached(seen[0]);
    });
    return seen[0] as ConnectorStatus;
  }

  /** Resolves, with their number, once it has published or written that many. */
  async untilRecords(wanted: number): Promise<number> {
    return (await this.until(({ records }) => records >= wanted)).records;
  }

  /** Of the whole process, since its start. */
  usage(): Usage {
    return usageOf(this.#child.pid ?? 0);
  }

  /** SIGTERM, and SIGKILL for one that does not end by it. */
  async stop(): Promise<void> {
    process.off('exit', this.#atExit);
    if (this.#isRunning()) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  readonly #atExit = (): void => void this.#child.kill('SIGKILL');

  /** Until the process answers at all, the question fails. */
  async #until(isReached: () => Promise<boolean>): Promise<void> {
    while (!(await isReached().catch(() => false))) {
      if (!this.#isRunning()) throw new Error(`the ${this.#title} process ended (${this.#child.exitCode ?? this.#child.signalCode})`);
      await delay(POLL_MS);
    }
  }

  #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }
}

/** Node's flags in an npm script: what is measured is what users run. */
export function flagsOfScript(name: string): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { scripts: Readonly<Record<string, string>> };
  const command = scripts[name]?.split('&& exec node ')[1] ?? '';
  return command.split(' ').filter((word) => word.startsWith('--'));
}
