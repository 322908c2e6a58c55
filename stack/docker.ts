import { request, type RequestOptions } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { untilReady } from './child.ts';
import { CONTAINERS, type ContainerPlan } from './container-plans.ts';
import { freePort } from './ports.ts';
import type { Progress, ServiceName } from './service.ts';

const PROBE_MS = 1000;
const READY_WITHIN_MS = 120_000;
const LAST_LINES = 20;

export interface RunningContainer {
  readonly id: string;
  readonly url: string;
}

/** Whether a container engine answers; quick and without a word, also where none is installed. */
export async function dockerAnswers(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const answers = await Promise.all(engineAddresses(env, homedir(), process.getuid?.()).map(async (address) => pingAnswers(address)));
  return answers.includes(true);
}

/** Where engines listen, as testcontainers looks for them: what DOCKER_HOST says and nothing else, or the usual sockets. */
export function engineAddresses(env: NodeJS.ProcessEnv, home: string, uid: number | undefined): RequestOptions[] {
  const host = env['DOCKER_HOST'] ?? '';
  if (host.startsWith('unix://')) return [{ socketPath: host.slice('unix://'.length) }];
  if (host !== '') {
    const url = new URL(host.replace(/^tcp:/, 'http:'));
    return [{ host: url.hostname, port: url.port === '' ? 2375 : Number(url.port) }];
  }
  const runtimes = [env['XDG_RUNTIME_DIR'], uid === undefined ? undefined : `/run/user/${uid}`].filter((folder) => folder !== undefined && folder !== '');
  const sockets = ['/var/run/docker.sock', join(home, '.docker', 'run', 'docker.sock'), join(home, '.docker', 'desktop', 'docker.sock')];
  return [...sockets, ...runtimes.map((folder) => join(String(folder), 'docker.sock'))].map((socketPath) => ({ socketPath }));
}

async function pingAnswers(address: RequestOptions): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const ping = request({ ...address, path: '/_ping', timeout: PROBE_MS, agent: false }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  ping.on('error', () => resolve(false));
  ping.on('timeout', () => ping.destroy());
  ping.end();
  return promise;
}

/**
 * Starts a service in a container and resolves when it answers. Unless it is detached, testcontainers' own watcher
 * removes the container as soon as this process is gone.
 */
export async function startContainer(options: {
  readonly name: ServiceName;
  readonly detached: boolean;
  readonly record: (container: RunningContainer) => void;
  readonly onProgress: Progress;
}): Promise<RunningContainer> {
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import('testcontainers');
  const started = performance.now();
  const { host } = (await getContainerRuntimeClient()).info.containerRuntime;
  const port = await freePort();
  const plan: ContainerPlan = CONTAINERS[options.name]({ host, port });
  const log = new LogTail();
  options.onProgress(`${plan.title}: starting a container of ${plan.image} (pulled first if it is not there) …`);
  const container = await new GenericContainer(plan.image)
    .withEnvironment(plan.env)
    .withCommand([...plan.command])
    .withExposedPorts({ container: plan.containerPort, host: port })
    .withAutoCleanup(!options.detached)
    .withLogConsumer((stream) => log.read(stream))
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(READY_WITHIN_MS)
    .start();
  const running = { id: container.getId(), url: plan.url };
  options.record(running);
  await untilReady({ title: plan.title, ready: async () => plan.ready(plan.url), withinMs: READY_WITHIN_MS, lastWords: () => log.text() });
  options.onProgress(`${plan.title}: ready in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return running;
}

/** Removes a container with its data; one that is gone already is no error. */
export async function removeContainer(id: string): Promise<void> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  const client = await getContainerRuntimeClient();
  try {
    await client.container.getById(id).remove({ force: true, v: true });
  } catch (error) {
    if (!(error instanceof Error && 'statusCode' in error && (error.statusCode === 404 || error.statusCode === 409))) throw error;
  }
}

class LogTail {
  #lines: string[] = [];

  read(stream: Readable): void {
    stream.on('data', (chunk) => {
      this.#lines = [...this.#lines, ...String(chunk).trimEnd().split('\n')].slice(-LAST_LINES);
    });
  }

  text(): string {
    return `The last lines of its log:\n${this.#lines.map((line) => `  ${line}`).join('\n')}`;
  }
}
