import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastLines, startChild, untilReady, type StartedChild } from '../child.ts';
import { makeServiceFolder, makeStackFolder, newStackId } from '../folders.ts';
import { freePort } from '../ports.ts';
import { endProcess, isAlive } from '../process.ts';
import { StackError } from '../stack-error.ts';
import { endRecorded, endRecordedNow, newState, saveState, type StackState } from '../state.ts';
import { parseStatus } from './status.ts';
import type { InstalledConnect } from './download.ts';
import { type Settings, toProperties, workerSettings } from './settings.ts';

const READY_WITHIN_MS = 120_000;
const STOP_GRACE_MS = 20_000;

/** The worker's log, to standard output, as Kafka's own start script sets it. */
const LOGGING = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c:%L)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
`;

export interface ConnectJob {
  /** As errors name it. */
  readonly title: string;
  readonly kafkaBrokers: string;
  readonly jvmFlags: readonly string[];
  /** Its `name` among them. */
  readonly connector: Settings;
}

/**
 * A standalone Connect worker with one connector, in a process and a temporary folder of its own. Both are
 * gone after `stop`, when this process ends, and, if it is killed, as soon as any stack is started again.
 */
export class ConnectWorker implements AsyncDisposable {
  readonly #job: ConnectJob;
  readonly #state: StackState;
  readonly #atExit = (): void => endRecordedNow(this.#state);
  readonly #folder: string;
  readonly #logFile: string;
  #config: Settings = {};
  #restUrl = '';
  #child: StartedChild | undefined;
  #failure: string | undefined;

  private constructor(job: ConnectJob) {
    const id = newStackId();
    this.#job = job;
    this.#state = newState(id, makeStackFolder(id));
    this.#folder = makeServiceFolder(this.#state.folder, 'connect');
    this.#logFile = join(this.#folder, 'connect.log');
    saveState(this.#state);
    process.once('exit', this.#atExit);
    process.on('SIGINT', endOnSignal).on('SIGTERM', endOnSignal);
  }

  /** Resolves as soon as the process runs: nobody answers yet. */
  static async start(job: ConnectJob, installed: InstalledConnect): Promise<ConnectWorker> {
    const worker = new ConnectWorker(job);
    try {
      await worker.#launch(installed);
      return worker;
    } catch (error) {
      await worker.stop();
      throw error;
    }
  }

  /** Settings of the worker. */
  get config(): Settings {
    return this.#config;
  }

  /** Resolves when the connector has a task and `isReady`. */
  async untilReady(isReady: () => Promise<boolean> = async () => true): Promise<void> {
    await untilReady({
      title: this.#job.title,
      ready: async () => {
        await this.#readStatus();
        if (!(await isReady())) throw new Error('it is not at work yet');
      },
      withinMs: READY_WITHIN_MS,
      ending: () => this.#ending(),
      lastWords: () => lastLines(this.#logFile),
    });
  }

  /** Asks the worker in the background whether its connector has failed; `throwIfEnded` tells. */
  askStatus(): void {
    this.#readStatus().catch(() => undefined);
  }

  /** Throws, with the reason, if the process or, by the last answer, its connector has ended. */
  throwIfEnded(): void {
    const ending = this.#ending();
    if (ending !== undefined) throw this.failed(`ended (${ending})`);
  }

  /** An error with the end of the worker's log. */
  failed(reason: string): Error {
    return new StackError(`${this.#job.title} ${reason}. ${lastLines(this.#logFile)}`);
  }

  /** Throws if the process has ended. */
  get pid(): number {
    if (this.#child === undefined || !isAlive(this.#child.mark)) throw this.failed('ended');
    return this.#child.mark.pid;
  }

  /** Ends the process well, so that it stores its positions, and removes its folder. May be called again. */
  async stop(): Promise<void> {
    if (this.#child !== undefined) await endProcess(this.#child.mark, 'SIGTERM', STOP_GRACE_MS);
    await endRecorded(this.#state);
    process.off('exit', this.#atExit);
    process.off('SIGINT', endOnSignal).off('SIGTERM', endOnSignal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #launch({ javaFile, classPath }: InstalledConnect): Promise<void> {
    const restPort = await freePort();
    this.#restUrl = `http://127.0.0.1:${restPort}`;
    const worker = workerSettings(this.#job.kafkaBrokers, { restPort, offsetsFile: join(this.#folder, 'offsets') });
    this.#config = worker;
    const args = await writeFiles(this.#folder, { job: this.#job, worker, classPath });
    this.#child = startChild({ file: javaFile, args, cwd: this.#folder }, this.#logFile, (mark) => {
      this.#state.helpers.push(mark);
      saveState(this.#state);
    });
  }

  #ending(): string | undefined {
    return this.#child?.ending() ?? this.#failure;
  }

  /** Rejects until the worker answers and its connector runs; keeps why it failed. */
  async #readStatus(): Promise<void> {
    const response = await fetch(`${this.#restUrl}/connectors/${this.#job.connector['name']}/status`, { signal: AbortSignal.timeout(3000) });
    const text = await response.text();
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const { hasTask, failure } = parseStatus(text);
    this.#failure ??= failure;
    if (!hasTask) throw new Error('its connector has no task yet');
  }
}

async function writeFiles(
  folder: string,
  options: { readonly job: ConnectJob; readonly worker: Settings; readonly classPath: string },
): Promise<readonly string[]> {
  const { job, worker, classPath } = options;
  const [logging, workerFile, connectorFile] = ['log4j2.properties', 'worker.properties', 'connector.properties'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(logging, LOGGING);
  await writeFile(workerFile, toProperties(worker));
  await writeFile(connectorFile, toProperties(job.connector), { mode: 0o600 });
  return [
    ...job.jvmFlags,
    `-Dlog4j2.configurationFile=${logging}`,
    '-cp',
    classPath,
    'org.apache.kafka.connect.cli.ConnectStandalone',
    workerFile,
    connectorFile,
  ];
}

/** Without a listener of somebody else's the signal would end this process before any clean-up; with one, that one decides. */
function endOnSignal(signal: NodeJS.Signals): void {
  if (process.listeners(signal).some((listener) => listener !== endOnSignal)) return;
  process.exit(signal === 'SIGINT' ? 130 : 143);
}
