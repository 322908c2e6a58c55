import type { Bench, BenchContext } from './bench.ts';
import { Connector } from './connector.ts';
import { consumeBacklog } from './consume.ts';
import { BenchDatabase } from './database.ts';
import { median } from './measure.ts';
import { publishBacklog } from './published-backlog.ts';
import { PreparedClickHouse } from './sinks/prepared-clickhouse.ts';
import { loadPrepared, preparePostgres } from './sinks/prepared-postgres.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { type Rate, toRate } from './stages/stage.ts';
import { plainText, thousands, type ResultTable } from './table.ts';
import { backlogOf, type Workload } from './workloads.ts';

/** The last records of a catch-up wait for FLUSH_INTERVAL_MS, which says nothing of speed: rates are of this part. */
const MEASURED_PART = 0.95;

export const SINK_PATHS = {
  decode: { short: 'Kafka to nowhere', about: 'Kafka to nowhere, each cell decoded' },
  postgresLimit: { short: 'COPY and MERGE', about: 'PostgreSQL: COPY and one MERGE of prepared rows' },
  postgresSink: { short: 'PostgreSQL sink', about: 'Kafka to PostgreSQL, the sink' },
  clickhouseSink: { short: 'ClickHouse sink', about: 'Kafka to ClickHouse, the sink' },
  clickhouseLimit: { short: 'ClickHouse insert', about: 'ClickHouse: one insert of a prepared body' },
  whole: { short: 'PostgreSQL to PostgreSQL', about: 'PostgreSQL to PostgreSQL through Kafka, source and sink at once' },
} as const;

export type SinkPath = keyof typeof SINK_PATHS;

export interface SinkPathResult {
  readonly path: SinkPath;
  /** CPU and memory are of the process that is measured; 0 where all work is the server's. */
  readonly runs: readonly Rate[];
}

/** What a path is to be compared with. */
const LIMITS: Readonly<Partial<Record<SinkPath, SinkPath>>> = { postgresSink: 'postgresLimit', clickhouseSink: 'clickhouseLimit' };

export const sinksBench: Bench = {
  name: 'sinks',
  about: 'Kafka to each sink, beside the target’s own client with the same rows already prepared; and from PostgreSQL to PostgreSQL',
  services: ['kafka', 'registry', 'postgres', 'clickhouse'],
  run: async (context) => {
    const results = await measureSinks(context);
    context.print(plainText(sinksTable(results)));
    context.keep('sinks', results);
  },
};

export function sinksTable(results: readonly SinkPathResult[]): ResultTable {
  const rateOf = (path: SinkPath | undefined) =>
    median(results.find((result) => result.path === path)?.runs.map(({ changesPerSecond }) => changesPerSecond) ?? []);
  return {
    head: ['', 'changes/s (median)', 'spread', 'CPU s', 'peak MB', 'of its limit'],
    rows: results.map(({ path, runs }) => {
      const rates = runs.map(({ changesPerSecond }) => changesPerSecond);
      const hasProcess = runs.every(({ peakBytes }) => peakBytes > 0);
      const limit = LIMITS[path];
      return [
        SINK_PATHS[path].about,
        thousands(rateOf(path)),
        `${thousands(Math.min(...rates))}–${thousands(Math.max(...rates))}`,
        hasProcess ? median(runs.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1) : '',
        hasProcess ? (median(runs.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0) : '',
        limit === undefined ? '' : `${(rateOf(path) / rateOf(limit)).toFixed(2)} ×`,
      ];
    }),
  };
}

async function measureSinks(context: BenchContext): Promise<readonly SinkPathResult[]> {
  const { urls, options, say } = context;
  const workload = backlogOf(options.rows);
  const topic = await publishBacklog(context, workload);
  say('sinks: preparing the rows for the limits …');
  const prepared = await preparePostgres(urls.postgresUrl, workload.changes);
  const backlog = new BenchDatabase(urls.postgresUrl, 'whole');
  await backlog.create(workload);
  const found = new Map<SinkPath, Rate[]>(Object.keys(SINK_PATHS).map((path) => [path as SinkPath, []]));
  try {
    for (let run = 1; run <= options.runs; run++) {
      const measured = { ...context, workload, topic, prepared, backlog, run };
      for await (const [path, rate] of measureOnce(measured)) {
        say(`sinks: run ${run} of ${options.runs}, ${SINK_PATHS[path].about}: ${thousands(rate.changesPerSecond)} changes/s`);
        found.get(path)?.push(rate);
      }
    }
  } finally {
    await backlog.drop();
  }
  return [...found].map(([path, runs]) => ({ path, runs }));
}

interface SinkRun extends BenchContext {
  readonly workload: Workload;
  readonly topic: string;
  readonly prepared: readonly Buffer[];
  readonly backlog: BenchDatabase;
  readonly run: number;
}

async function* measureOnce(run: SinkRun): AsyncGenerator<readonly [SinkPath, Rate]> {
  const { urls, workload, topic } = run;
  yield ['decode', await consumeBacklog(urls, { mode: 'values', topic, changes: workload.changes })];
  yield ['postgresLimit', await withTarget(run, 'limit', async (target) => serverRate(workload, await loadPrepared(target.url, run.prepared)))];
  yield ['postgresSink', await withTarget(run, 'copy', async (target) => catchUp(run, { SINK_TYPE: 'postgres', SINK_URL: target.url }))];
  const database = `bench_${process.pid}_${run.run}`;
  await using loader = new PreparedClickHouse(urls.clickhouseUrl, database);
  yield ['clickhouseSink', await catchUp(run, { SINK_TYPE: 'clickhouse', SINK_URL: urls.clickhouseUrl, SINK_DATABASE: database })];
  yield ['clickhouseLimit', serverRate(workload, await loader.load())];
  yield ['whole', await withTarget(run, 'end', async (target) => measureWhole(run, target))];
}

function serverRate({ changes }: Workload, seconds: number): Rate {
  return { seconds, cpuSeconds: 0, peakBytes: 0, changesPerSecond: Math.round(changes / seconds), changesPerCpuSecond: 0 };
}

async function withTarget(run: SinkRun, name: string, use: (target: BenchDatabase) => Promise<Rate>): Promise<Rate> {
  const target = new BenchDatabase(run.urls.postgresUrl, `target_${name}_${run.run}`);
  await target.createEmpty();
  try {
    return await use(target);
  } finally {
    await target.drop();
  }
}

/** A sink that has just joined its group, until it has written what lies in the topic. */
async function catchUp(run: SinkRun, settings: Readonly<Record<string, string>>): Promise<Rate> {
  await using sink = await startSink(run, run.topic, settings);
  await sink.untilReady();
  const startedAt = performance.now();
  const before = sink.usage().cpuSeconds;
  const written = await sink.untilRecords(run.workload.changes * MEASURED_PART);
  const { cpuSeconds, peakBytes } = sink.usage();
  return toRate(written, { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: cpuSeconds - before, peakBytes });
}

/** From the start of both processes; CPU and memory are of both together. */
async function measureWhole(run: SinkRun, target: BenchDatabase): Promise<Rate> {
  const slot = await run.backlog.newSlot();
  const runName = `bench-whole-${process.pid}-${run.run}`;
  const settings = sourceEnvironment({ ...run.backlog.input(slot, run.urls), tables: run.workload.tables, runName });
  try {
    await using source = await Connector.start({ program: 'source', settings });
    await using sink = await startSink(run, `${runName}.public.orders`, { SINK_TYPE: 'postgres', SINK_URL: target.url });
    const written = await sink.untilRecords(run.workload.changes * MEASURED_PART);
    const seconds = (performance.now() - source.startedAt) / 1000;
    const both = [source.usage(), sink.usage()];
    const sum = (of: 'cpuSeconds' | 'peakBytes') => both.reduce((total, usage) => total + usage[of], 0);
    return toRate(written, { seconds, cpuSeconds: sum('cpuSeconds'), peakBytes: sum('peakBytes') });
  } finally {
    await run.backlog.dropSlot(slot);
  }
}

async function startSink({ urls, run }: SinkRun, topic: string, settings: Readonly<Record<string, string>>): Promise<Connector> {
  const kafka = { KAFKA_BROKERS: urls.kafkaBrokers, SCHEMA_REGISTRY_URL: urls.registryUrl };
  const name = `bench-${process.pid}-${settings['SINK_TYPE']}-${topic.split('.')[0]}-${run}`;
  return Connector.start({ program: 'sink', settings: { ...kafka, SINK_NAME: name, SINK_TOPICS: topic, ...settings } });
}
