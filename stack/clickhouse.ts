import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { provide } from './cache.ts';
import { runNpm } from './download.ts';
import { freePort } from './ports.ts';
import type { LocalService, LocalServiceContext, Progress } from './service.ts';

const CHDB_VERSION = '3.4.0';
const TITLE = `ClickHouse 26.7 (chdb ${CHDB_VERSION})`;

/** The engine as a library in a process of its own, behind a front that speaks the server's HTTP interface. */
export async function localClickhouse(context: LocalServiceContext): Promise<LocalService> {
  const chdbFolder = await provideChdb(context.onProgress);
  const port = await freePort();
  const password = randomBytes(12).toString('hex');
  const url = `http://default:${password}@127.0.0.1:${port}`;
  return {
    name: 'clickhouse',
    title: TITLE,
    url,
    command: {
      file: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'clickhouse-front', 'main.ts'), context.folder],
      env: { FRONT_CHDB_FOLDER: chdbFolder, FRONT_PORT: String(port), FRONT_USER: 'default', FRONT_PASSWORD: password, TZ: 'UTC', NODE_OPTIONS: '' },
      cwd: context.folder,
    },
    logFile: join(context.folder, 'clickhouse.log'),
    ready: async () => clickhouseAnswers(url),
  };
}

async function provideChdb(onProgress: Progress): Promise<string> {
  const folder = await provide(`chdb-${CHDB_VERSION}`, async (temporary) => {
    await runNpm(temporary, [`chdb@${CHDB_VERSION}`], { title: TITLE, size: '150 MB, 543 MB unpacked', onProgress });
  });
  return join(folder, 'node_modules', 'chdb');
}

/** Resolves when the server answers /ping and a query with these credentials. */
export async function clickhouseAnswers(url: string): Promise<void> {
  const client = createClient({ url, request_timeout: 5000, keep_alive: { enabled: false }, log: { level: ClickHouseLogLevel.OFF } });
  try {
    const alive = await client.ping();
    if (!alive.success) throw alive.error;
    await (await client.query({ query: 'SELECT 1', format: 'JSONEachRow' })).json();
  } finally {
    await client.close();
  }
}
