import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const ROOT = new URL('../../', import.meta.url);
const POLL_MS = 50;

/** A source or sink process, started as a user would start it, and watched from outside. */
export class ConnectorProcess implements AsyncDisposable {
  readonly #entry: string;
  readonly #environment: Record<string, string>;
  #child: ChildProcess | undefined;
  #port = 0;
  log = '';

  constructor(kind: 'source' | 'sink', environment: Record<string, string>) {
    this.#entry = kind === 'source' ? 'sources/main.ts' : 'sinks/main.ts';
    this.#environment = environment;
  }

  /** It ended, by itself or because it was told to. */
  get hasEnded(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it said of what it could not carry on. */
  get errors(): readonly string[] {
    return this.log.split('\n').filter((line) => line.startsWith('{"level":50'));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Of its HTTP endpoints; another one after each start. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** With settings of this one start, where they are given. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<this> {
    this.#port = await freePort();
    const env = { ...process.env, ...this.#environment, ...settings, HTTP_PORT: String(this.#port), LOG_FORMAT: 'json' };
    const child = spawn(process.execPath, [this.#entry], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (text: Buffer) => void (this.log += text.toString());
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#child = child;
    return this;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; gives the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (!this.hasEnded) await once(child, 'exit');
    return child.exitCode ?? child.signalCode;
  }

  /** What `/status` says; undefined while nothing listens. */
  async status(): Promise<Record<string, unknown> | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#port}/status`);
      return (await response.json()) as Record<string, unknown>;
    } catch {
      return undefined;
    }
  }

  /** Waits until the status is as wanted. A process that ended meanwhile fails with its log. */
  async until(isWanted: (status: Record<string, unknown>) => boolean, what: string, limitMs = 120_000): Promise<Record<string, unknown>> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const status = await this.status();
      if (status !== undefined && isWanted(status)) return status;
      const end = this.#child?.exitCode ?? this.#child?.signalCode;
      if (end != null) throw new Error(`the process ended (${end}) before ${what}:\n${this.log.slice(-4000)}`);
      if (Date.now() > deadline) throw new Error(`${what} did not come within ${limitMs} ms; status ${JSON.stringify(status)}\n${this.log.slice(-4000)}`);
      await delay(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || this.hasEnded) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    return child.exitCode;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
