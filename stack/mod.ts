import { untilReady } from './child.ts';
import { clickhouseAnswers } from './clickhouse.ts';
import { dockerAnswers, removeContainer, startContainer } from './docker.ts';
import { makeStackFolder, newStackId } from './folders.ts';
import { kafkaAnswers } from './kafka.ts';
import { addressOf, checkPrerequisites, startLocally, type LocalProcess } from './local.ts';
import { postgresAnswers } from './postgres.ts';
import { registryAnswers } from './registry.ts';
import { environmentOf, SERVICE_NAMES, SERVICE_VARIABLES, urlsOf, type Progress, type ServiceName, type StackUrls } from './service.ts';
import { EXIT_PREREQUISITE, messageOf, StackError } from './stack-error.ts';
import { endRecorded, endRecordedNow, isAbandoned, newState, readStates, saveState, type StackState } from './state.ts';

export type { ServiceName, StackUrls } from './service.ts';

export interface RunningStack extends AsyncDisposable {
  readonly urls: StackUrls;
  /** KAFKA_BROKERS, SCHEMA_REGISTRY_URL, POSTGRES_URL, CLICKHOUSE_URL of the services asked for. */
  readonly env: Record<string, string>;
  /** SIGKILL; resolves when it is gone. For a local process only, otherwise an error. */
  kill(service: ServiceName): Promise<void>;
  /** Starts a killed service again on the same port with the same data; resolves when it answers. */
  start(service: ServiceName): Promise<void>;
  /** Stops all that was started and removes its data. May be called again. */
  stop(): Promise<void>;
}

export interface StackOptions {
  readonly services: readonly ServiceName[];
  readonly onProgress?: Progress;
}

const GIVEN_WITHIN_MS = 15_000;

const PROBES: Readonly<Record<ServiceName, (url: string) => Promise<void>>> = {
  kafka: kafkaAnswers,
  registry: registryAnswers,
  postgres: postgresAnswers,
  clickhouse: clickhouseAnswers,
};

/**
 * Brings up the services and resolves when each of them answers: by the URL in the environment if there is one, else
 * as a container, else as a process of this machine. If one fails, what was started is stopped again.
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  return bringUp(options, false);
}

/** The same for services that outlive this process, until they are taken down. */
export async function startDetached(options: StackOptions): Promise<RunningStack> {
  const stack = await bringUp(options, true);
  stack.detach();
  return stack;
}

async function bringUp(options: StackOptions, detached: boolean): Promise<Stack> {
  const onProgress = options.onProgress ?? (() => undefined);
  await cleanUpAbandoned(onProgress);
  const missing = options.services.filter((name) => givenUrl(name) === '');
  const useDocker = missing.length > 0 && (await dockerAnswers());
  if (!useDocker) await checkPrerequisites(missing);
  const id = newStackId();
  const stack = new Stack(newState(id, makeStackFolder(id)), { detached, onProgress });
  await stack.bringUp(options.services, useDocker);
  return stack;
}

/** Ends and removes every stack whose maker is gone without having stopped it. */
export async function cleanUpAbandoned(onProgress: Progress): Promise<void> {
  for (const state of readStates().filter((found) => isAbandoned(found))) {
    onProgress(`Cleaning up what a stack left behind (${state.id}) …`);
    await takeDown(state, 0);
  }
}

/** Ends what the state names, containers included, and removes its data. */
export async function takeDown(state: StackState, graceMs?: number): Promise<void> {
  const containers = Object.values(state.services).flatMap((service) => service.container ?? []);
  await Promise.all([...containers.map(async (id) => removeContainer(id)), endRecorded(state, graceMs)]);
}

class Stack implements RunningStack {
  readonly #state: StackState;
  readonly #detached: boolean;
  readonly #onProgress: Progress;
  readonly #processes = new Map<ServiceName, LocalProcess>();
  readonly #atExit = (): void => endRecordedNow(this.#state);

  constructor(state: StackState, options: { readonly detached: boolean; readonly onProgress: Progress }) {
    this.#state = state;
    this.#detached = options.detached;
    this.#onProgress = options.onProgress;
    saveState(state);
    process.once('exit', this.#atExit);
  }

  get urls(): StackUrls {
    return urlsOf(this.#found());
  }

  get env(): Record<string, string> {
    return environmentOf(this.#found());
  }

  /** Those that are given are asked first, then the others start side by side. If one fails, all are stopped. */
  async bringUp(services: readonly ServiceName[], useDocker: boolean): Promise<void> {
    const wanted = SERVICE_NAMES.filter((name) => services.includes(name));
    try {
      await all(wanted.filter((name) => givenUrl(name) !== '').map(async (name) => this.#takeGiven(name, givenUrl(name))));
      await all(wanted.filter((name) => givenUrl(name) === '').map(async (name) => this.#startOne(name, useDocker)));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** From now on the services outlive this process. */
  detach(): void {
    this.#state.owner = null;
    saveState(this.#state);
    process.off('exit', this.#atExit);
  }

  async kill(service: ServiceName): Promise<void> {
    await this.#processOf(service, 'killed').kill();
  }

  async start(service: ServiceName): Promise<void> {
    await this.#processOf(service, 'started again').start();
  }

  async stop(): Promise<void> {
    await takeDown(this.#state);
    process.off('exit', this.#atExit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #startOne(name: ServiceName, useDocker: boolean): Promise<void> {
    if (useDocker && (await this.#startedInContainer(name))) return;
    this.#processes.set(name, await startLocally(name, this.#state, this.#onProgress));
  }

  /** False if the container did not come up, for instance because its image cannot be had; then a process may. */
  async #startedInContainer(name: ServiceName): Promise<boolean> {
    try {
      await startContainer({
        name,
        detached: this.#detached,
        onProgress: this.#onProgress,
        record: ({ id, url }) => {
          this.#state.services[name] = { origin: 'container', url, container: id };
          saveState(this.#state);
        },
      });
      return true;
    } catch (error) {
      this.#onProgress(`${name}: no container (${messageOf(error)}); trying a local process …`);
      const container = this.#state.services[name]?.container;
      if (container !== undefined) await removeContainer(container);
      return false;
    }
  }

  async #takeGiven(name: ServiceName, url: string): Promise<void> {
    const title = `${name} at ${addressOf(url)}, named by ${SERVICE_VARIABLES[name]},`;
    await untilReady({ title, ready: async () => PROBES[name](url), withinMs: GIVEN_WITHIN_MS }).catch((error: unknown) => {
      throw new StackError(messageOf(error), { exitCode: EXIT_PREREQUISITE, cause: error });
    });
    this.#state.services[name] = { origin: 'url', url };
    saveState(this.#state);
  }

  #processOf(service: ServiceName, action: string): LocalProcess {
    const found = this.#processes.get(service);
    if (found !== undefined) return found;
    const origin = this.#state.services[service]?.origin;
    const reason = origin === undefined ? 'it is not part of this stack' : `it was not started as a local process (${origin})`;
    throw new StackError(`${service} cannot be ${action}: ${reason}.`);
  }

  #found(): Partial<Record<ServiceName, string>> {
    return Object.fromEntries(Object.entries(this.#state.services).map(([name, service]) => [name, service.url]));
  }
}

/** What the environment says of a service, or nothing. */
export function givenUrl(name: ServiceName): string {
  return process.env[SERVICE_VARIABLES[name]] ?? '';
}

/** Waits for all of them, also when some fail: what still starts could not be stopped. The same failure is told once. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work);
  const reasons = outcomes.flatMap((outcome): unknown[] => (outcome.status === 'rejected' ? [outcome.reason] : []));
  const problems = [...new Map(reasons.map((reason) => [messageOf(reason), reason])).values()];
  if (problems.length === 1) throw problems[0];
  if (problems.length > 1) throw new AggregateError(problems, 'Several services could not be started.');
}
