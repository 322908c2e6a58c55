import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '../../stack/ports.ts';
import { fetchStatus, type ProcessStatus } from '../process-status.ts';
import { CommandFailure } from '../terminal.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const LOG_LINES = 20;
/** Settings of ours in the caller's environment are not for the demo's processes. */
const OURS =
  /^(SOURCE_|SINK_|SNAPSHOT_|KAFKA_|SCHEMA_REGISTRY_|HTTP_|LOG_|FLUSH_|TOPIC_|PUBLISH_|TABLES$|EXCLUDE_COLUMNS$|DELETE_MODE$|ON_BAD_RECORD$|SCHEMA_CHANGES$|TOMBSTONES$|DECIMAL_HANDLING$|TIME_PRECISION$|HEARTBEAT_INTERVAL_MS$|UNKNOWN_TYPES$)/;

export interface ConnectorOptions {
  /** As the screen calls it. */
  readonly title: string;
  readonly kind: 'source' | 'sink';
  readonly settings: Readonly<Record<string, string>>;
  /** Called once if the process ends without having been asked to. */
  readonly onDeath: (error: CommandFailure) => void;
}

/** A source or sink as a user would start it: a process with its settings in the environment. */
export class ConnectorProcess {
  readonly title: string;
  readonly #options: ConnectorOptions;
  readonly #child: ChildProcess;
  readonly #address: string;
  readonly #log: string[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #isStopping = false;
  status: ProcessStatus | undefined;

  private constructor(options: ConnectorOptions, port: number) {
    this.title = options.title;
    this.#options = options;
    this.#address = `127.0.0.1:${port}`;
    const env = { ...withoutOurs(process.env), ...options.settings, HTTP_PORT: String(port), LOG_FORMAT: 'pretty' };
    // A process group of its own, so that Ctrl-C reaches the demo alone, which then stops everything in order.
    this.#child = spawn(process.execPath, [join(ROOT, `${options.kind}s`, 'main.ts')], { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#keep(chunk));
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#keep(chunk));
    this.#child.once('error', (error) => this.#die(error.message));
    this.#child.once('close', (code, signal) => this.#die(signal ?? `exit code ${code}`));
    process.once('exit', this.#atExit);
  }

  static async start(options: ConnectorOptions): Promise<ConnectorProcess> {
    return new ConnectorProcess(options, await freePort());
  }

  /** Asks the process how it is; keeps the last answer where it does not say. */
  async refresh(): Promise<void> {
    this.status = await fetchStatus(this.#address).catch(() => this.status);
  }

  /** SIGTERM, and SIGKILL for one that takes longer than that. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  readonly lastLines = (): string => this.#log.map((line) => `  ${line}`).join('\n');

  readonly #atExit = (): void => void this.#child.kill('SIGKILL');

  #keep(chunk: Buffer): void {
    this.#log.push(
      ...chunk
        .toString('utf8')
        .split('\n')
        .filter((line) => line.trim() !== ''),
    );
    this.#log.splice(0, this.#log.length - LOG_LINES);
  }

  #die(how: string): void {
    process.off('exit', this.#atExit);
    this.#ended.resolve();
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#options.onDeath(new CommandFailure(`The ${this.title} process ended (${how}). The last lines of its log:\n${this.lastLines()}`));
  }
}

function withoutOurs(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !OURS.test(name)));
}
