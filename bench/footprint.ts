import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, BenchContext } from './bench.ts';
import { Connector } from './connector.ts';
import { BenchDatabase } from './database.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { plainText, type ResultTable } from './table.ts';

const SETTLE_SECONDS = 15;
const WATCH_SECONDS = 30;
/** Pipelines beside the first in one process, from which the cost of one more is taken. */
const MORE_PIPELINES = 10;

export interface FootprintResult {
  readonly process: string;
  readonly residentBytes: number;
  /** Share of one core while nothing happens. */
  readonly cpuShare: number;
}

/** Memory and CPU while nothing changes in the database. */
export const footprintBench: Bench = {
  name: 'footprint',
  about: 'memory and CPU of idle processes, and of one more pipeline in a process',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const results = await withDatabases(context, async (idle) => [...(await measureSingle(idle)), ...(await measureShared(idle))]);
    context.print(plainText(footprintTable(results)));
    context.keep('footprint', results);
  },
};

export function footprintTable(results: readonly FootprintResult[]): ResultTable {
  return {
    head: ['idle', 'resident MB', 'of a core'],
    rows: results.map(({ process: name, residentBytes, cpuShare }) => [name, (residentBytes / 1e6).toFixed(1), `${(cpuShare * 100).toFixed(2)} %`]),
  };
}

/** A database with one table, an empty one for sinks, and how long to look. */
interface Idle {
  readonly context: BenchContext;
  readonly database: BenchDatabase;
  readonly copy: BenchDatabase;
}

async function withDatabases<T>(context: BenchContext, use: (idle: Idle) => Promise<T>): Promise<T> {
  const [database, copy] = ['idle', 'idle_copy'].map((name) => new BenchDatabase(context.urls.postgresUrl, name)) as [BenchDatabase, BenchDatabase];
  await database.create({ schema: 'CREATE TABLE t (id int PRIMARY KEY)' });
  await copy.createEmpty();
  try {
    return await use({ context, database, copy });
  } finally {
    await database.drop();
    await copy.drop();
  }
}

/** A source and a sink as processes of their own, and not for the first time: the first start of a version compiles it, and keeps the compiler in memory. */
async function measureSingle(idle: Idle): Promise<readonly FootprintResult[]> {
  await withSingle(idle, `bench-first-${process.pid}`, async () => undefined);
  return withSingle(idle, `bench-idle-${process.pid}`, async (source, sink) => watchIdle(idle.context, { 'a source process': source, 'a sink process': sink }));
}

async function withSingle<T>(idle: Idle, name: string, use: (source: Connector, sink: Connector) => Promise<T>): Promise<T> {
  await using source = await Connector.start({ program: 'source', settings: await sourceSettings(idle, name) });
  await source.untilReady();
  await using sink = await Connector.start({ program: 'sink', settings: sinkSettings(idle, name) });
  await sink.untilReady();
  return await use(source, sink);
}

/** `dbmazz run` with one pipeline (a source and a sink), and with more; what one more costs is the difference. */
async function measureShared(idle: Idle): Promise<readonly FootprintResult[]> {
  const [one] = await measureRun(idle, 1);
  const [many] = await measureRun(idle, 1 + MORE_PIPELINES);
  if (one === undefined || many === undefined) return [];
  const marginal = (of: 'residentBytes' | 'cpuShare') => (many[of] - one[of]) / MORE_PIPELINES;
  return [one, many, { process: 'one more pipeline in a process', residentBytes: marginal('residentBytes'), cpuShare: marginal('cpuShare') }];
}

async function measureRun(idle: Idle, pipelines: number): Promise<readonly FootprintResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'dbmazz-footprint-'));
  try {
    const file = join(folder, 'many.yaml');
    writeFileSync(file, await manyYaml(idle, pipelines));
    await using run = await Connector.start({ program: 'run', args: ['--config', file] });
    await run.untilReady();
    return await watchIdle(idle.context, { [`one process, ${pipelines} ${pipelines === 1 ? 'source and sink' : 'sources and as many sinks'}`]: run });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** JSON is YAML. */
async function manyYaml(idle: Idle, pipelines: number): Promise<string> {
  const names = Array.from({ length: pipelines }, (_, index) => `bench-idle-${process.pid}-${pipelines}-${index}`);
  const sources: Readonly<Record<string, string>>[] = [];
  for (const name of names) sources.push(await sourceSettings(idle, name));
  return JSON.stringify({ sources: sources.map(lowerCase), sinks: names.map((name) => lowerCase(sinkSettings(idle, name))) });
}

function lowerCase(settings: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name.toLowerCase(), value]));
}

async function sourceSettings({ context, database }: Idle, name: string): Promise<Readonly<Record<string, string>>> {
  return sourceEnvironment({ ...database.input(await database.newSlot(), context.urls), tables: ['public.t'], runName: name });
}

function sinkSettings({ context: { urls }, copy }: Idle, name: string): Readonly<Record<string, string>> {
  const kafka = { KAFKA_BROKERS: urls.kafkaBrokers, SCHEMA_REGISTRY_URL: urls.registryUrl, LOG_LEVEL: 'warn' };
  return { ...kafka, SINK_TYPE: 'postgres', SINK_NAME: name, SINK_TOPICS: `${name}.*`, SINK_URL: copy.url };
}

async function watchIdle({ options, say }: BenchContext, processes: Readonly<Record<string, Connector>>): Promise<readonly FootprintResult[]> {
  const settle = options.seconds ?? SETTLE_SECONDS;
  const watch = options.seconds ?? WATCH_SECONDS;
  say(`footprint: ${Object.keys(processes).join(', ')}: settling for ${settle} s, then watched for ${watch} s …`);
  await delay(settle * 1000);
  const before = Object.values(processes).map((connector) => connector.usage().cpuSeconds);
  await delay(watch * 1000);
  return Object.entries(processes).map(([name, connector], index) => {
    const { residentBytes, cpuSeconds } = connector.usage();
    return { process: name, residentBytes, cpuShare: (cpuSeconds - (before[index] ?? 0)) / watch };
  });
}
