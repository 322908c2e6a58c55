import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const ROOT = new URL('../../', import.meta.url);
const PATIENCE_MS = 45_000;

/** Settings of a source of that database, with the broker and the registry of the test run; `more` goes before them. */
export function sourceSettings({ name, url }: { readonly name: string; readonly url: string }, more: Readonly<Record<string, string>> = {}) {
  const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
  return { SOURCE_TYPE: 'postgresql', SOURCE_NAME: name, SOURCE_URL: url, TABLES: 'public.*', KAFKA_BROKERS, SCHEMA_REGISTRY_URL, LOG_FORMAT: 'json', ...more };
}

/** `sources/main.ts` as a process of its own, with no other settings than those given. */
export class SourceProcess implements AsyncDisposable {
  /** What it has said so far. */
  log = '';
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #news = Promise.withResolvers<void>();

  constructor(environment: Readonly<Record<string, string>>) {
    const { PATH = '', HOME = '' } = process.env;
    this.#child = spawn(process.execPath, ['sources/main.ts'], { cwd: ROOT, env: { PATH, HOME, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exited = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.log += text.toString();
        this.#news.resolve();
        this.#news = Promise.withResolvers();
      });
    }
  }

  /** Waits until it has said this, `times` times. */
  async said(text: string, times = 1): Promise<void> {
    const timer = setTimeout(() => this.#news.reject(new Error(`it never said ${JSON.stringify(text)}, but:\n${this.log}`)), PATIENCE_MS);
    try {
      while (this.count(text) < times) {
        if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode} before it said ${JSON.stringify(text)}:\n${this.log}`);
        await Promise.race([this.#news.promise, this.#exited]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  count(text: string): number {
    return this.log.split(text).length - 1;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<number | string | null> {
    await this.#exited;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  /** Asks it to stop; the exit code, and what it took. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ readonly code: number | string | null; readonly ms: number }> {
    const started = performance.now();
    this.signal(signal);
    return { code: await this.ended(), ms: performance.now() - started };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL');
    await this.#exited;
  }
}
