import { lastLines, startChild, untilReady, type StartedChild } from './child.ts';
import { localClickhouse } from './clickhouse.ts';
import { makeServiceFolder } from './folders.ts';
import { kafkaJava, localKafka } from './kafka.ts';
import { localPostgres } from './postgres.ts';
import { isAlive, killProcess } from './process.ts';
import { localRegistry, registryJava } from './registry.ts';
import type { LocalService, LocalServiceContext, Progress, ServiceName } from './service.ts';
import { helperBook, saveState, type StackState } from './state.ts';
import { StackError } from './stack-error.ts';

const READY_WITHIN_MS = 60_000;

const MAKERS: Readonly<Record<ServiceName, (context: LocalServiceContext) => Promise<LocalService>>> = {
  kafka: localKafka,
  registry: localRegistry,
  postgres: localPostgres,
  clickhouse: localClickhouse,
};

/** One service as a process of this machine: made once, then started and killed as often as its user likes. */
export class LocalProcess {
  readonly service: LocalService;
  readonly #state: StackState;
  #child: StartedChild | undefined;

  constructor(service: LocalService, state: StackState) {
    this.service = service;
    this.#state = state;
  }

  /** Resolves when the service answers. Does nothing if it runs. */
  async start(): Promise<void> {
    if (this.#child !== undefined && isAlive(this.#child.mark)) return;
    const { name, title, url, command, logFile, ready } = this.service;
    const child = startChild(command, logFile, (mark) => {
      this.#state.services[name] = { origin: 'process', url, process: mark };
      saveState(this.#state);
    });
    this.#child = child;
    await untilReady({ title, ready, withinMs: READY_WITHIN_MS, ending: child.ending, lastWords: () => lastLines(logFile) });
  }

  /** SIGKILL, as a crash of the machine would be for it; resolves when the process and its children are gone. */
  async kill(): Promise<void> {
    if (this.#child === undefined) throw new StackError(`${this.service.title} was not started here.`);
    await killProcess(this.#child.mark);
    await this.#child.collected;
  }
}

export async function startLocally(name: ServiceName, state: StackState, onProgress: Progress): Promise<LocalProcess> {
  const started = performance.now();
  const folder = makeServiceFolder(state.folder, name);
  const service = await MAKERS[name]({ folder, onProgress, helpers: helperBook(state) });
  const running = new LocalProcess(service, state);
  await running.start();
  onProgress(`${service.title}: ready on ${addressOf(service.url)} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return running;
}

/** Rejects, before anything is started or downloaded, if this machine lacks what these services need as processes. */
export async function checkPrerequisites(names: readonly ServiceName[]): Promise<void> {
  if (names.includes('kafka')) await kafkaJava();
  if (names.includes('registry')) await registryJava();
}

/** Host and port of a service's URL, without the user and the password in it. */
export function addressOf(url: string): string {
  return url.includes('://') ? new URL(url).host : url;
}
