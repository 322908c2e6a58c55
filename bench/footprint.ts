import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BenchDatabase } from './database.ts';
import { usageOf } from './measure.ts';
import { sourceEnvironment } from './stages/source-process.ts';

const ROOT = new URL('../', import.meta.url);
const SETTLE_SECONDS = 15;
const WATCH_SECONDS = 30;

export interface FootprintResult {
  readonly process: string;
  readonly residentBytes: number;
  /** Share of one core while nothing happens. */
  readonly cpuShare: number;
}

interface Urls {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
}

/** Memory and CPU of a source and a sink while nothing changes in the database. */
export async function measureFootprint(urls: Urls, say: (line: string) => void): Promise<readonly FootprintResult[]> {
  const workload = { name: 'idle', about: '', tables: ['public.t'], changes: 0, deletes: 0, schema: 'CREATE TABLE t (id int PRIMARY KEY)', load: 'SELECT 1' };
  const database = new BenchDatabase(urls.postgresUrl, workload);
  await database.create(workload);
  const slot = await database.newSlot();
  const name = `bench-idle-${process.pid}`;
  const input = {
    postgresUrl: database.url,
    kafkaBrokers: urls.kafkaBrokers,
    registryUrl: urls.registryUrl,
    slot,
    publication: database.publication,
    endOfLog: '',
    tables: workload.tables,
    changes: 0,
    deletes: 0,
    runName: name,
  };
  const sink = {
    SINK_TYPE: 'postgres',
    SINK_NAME: name,
    SINK_TOPICS: `${name}.*`,
    SINK_URL: database.url,
    SINK_SCHEMA: 'copy',
    KAFKA_BROKERS: urls.kafkaBrokers,
    SCHEMA_REGISTRY_URL: urls.registryUrl,
    LOG_LEVEL: 'warn',
  };
  const children = [
    {
      name: 'source',
      child: spawn(process.execPath, ['sources/main.ts'], { cwd: ROOT, env: { ...process.env, ...sourceEnvironment(input) }, stdio: 'inherit' }),
    },
    { name: 'sink', child: spawn(process.execPath, ['sinks/main.ts'], { cwd: ROOT, env: { ...process.env, ...sink }, stdio: 'inherit' }) },
  ];
  try {
    say(`footprint: letting both settle for ${SETTLE_SECONDS} s, then watching for ${WATCH_SECONDS} s …`);
    await seconds(SETTLE_SECONDS);
    const before = children.map(({ child }) => usageOf(child.pid ?? 0));
    await seconds(WATCH_SECONDS);
    const results = children.map(({ name: kind, child }, index) => {
      const after = usageOf(child.pid ?? 0);
      return { process: kind, residentBytes: after.residentBytes, cpuShare: (after.cpuSeconds - (before[index]?.cpuSeconds ?? 0)) / WATCH_SECONDS };
    });
    process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
    return results;
  } finally {
    for (const { child } of children) child.kill('SIGTERM');
    await Promise.all(children.map(({ child }) => once(child, 'exit')));
    await database.dropSlot(slot);
    await database.drop();
  }
}

async function seconds(count: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, count * 1000));
}
