import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder, provide } from './cache.ts';
import { findJava, runMaven, type Java } from './download.ts';
import { freePort } from './ports.ts';
import { quickStartFlags } from './quick-start.ts';
import type { LocalService, LocalServiceContext, Progress } from './service.ts';

export const REGISTRY_VERSION = '3.0.9';
const FOLDER_NAME = `apicurio-registry-${REGISTRY_VERSION}`;
const TITLE = `Schema registry (Apicurio ${REGISTRY_VERSION})`;

/** Apicurio's Confluent-compatible API; clients take it for the registry's own address. */
export const REGISTRY_API_PATH = '/apis/ccompat/v7';

export async function localRegistry(context: LocalServiceContext): Promise<LocalService> {
  const isNew = !isDownloaded();
  const java = await registryJava();
  const home = await provideRegistry(context.onProgress);
  const make = async (folder: string, flags: readonly string[]): Promise<LocalService> => registryProcess({ java, home, folder, flags });
  return make(context.folder, await quickStartFlags({ name: FOLDER_NAME, title: TITLE, mayTrain: !isNew, java, context, make }));
}

/** Its schemas lie in a file rather than in memory, so that they keep their ids when the process is killed and started again. */
async function registryProcess(options: {
  readonly java: Java;
  readonly home: string;
  readonly folder: string;
  readonly flags: readonly string[];
}): Promise<LocalService> {
  const { java, home, folder, flags } = options;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}${REGISTRY_API_PATH}`;
  return {
    name: 'registry',
    title: TITLE,
    url,
    command: {
      file: java.file,
      args: [
        '-Xmx256m',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        ...flags,
        '-Dquarkus.http.host=127.0.0.1',
        `-Dquarkus.http.port=${port}`,
        `-Dapicurio.datasource.url=jdbc:h2:file:${join(folder, 'registry')};WRITE_DELAY=0`,
        '-jar',
        join(home, `apicurio-registry-app-${REGISTRY_VERSION}-runner.jar`),
      ],
      cwd: folder,
    },
    logFile: join(folder, 'registry.log'),
    ready: async () => registryAnswers(url),
  };
}

/** Rejects if what it takes to run it here is missing; asks before anything is downloaded. */
export async function registryJava(): Promise<Java> {
  return findJava({ maven: !isDownloaded() });
}

function isDownloaded(): boolean {
  return existsSync(join(cacheFolder(), FOLDER_NAME));
}

async function provideRegistry(onProgress: Progress): Promise<string> {
  return provide(FOLDER_NAME, async (folder) => {
    const artifact = `io.apicurio:apicurio-registry-app:${REGISTRY_VERSION}:tar.gz:all`;
    const args = ['dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`];
    await runMaven(folder, args, { title: TITLE, size: '109 MB', onProgress });
    const archive = join(folder, `apicurio-registry-app-${REGISTRY_VERSION}-all.tar.gz`);
    await promisify(execFile)('tar', ['-xzf', archive, '-C', folder]);
    await rm(archive);
  });
}

export async function registryAnswers(url: string): Promise<void> {
  const response = await fetch(`${url.replace(/\/$/, '')}/subjects`, { signal: AbortSignal.timeout(3000) });
  await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
}
