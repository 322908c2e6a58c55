import type { Bench, BenchContext } from './bench.ts';
import { Connector } from './connector.ts';
import { BenchDatabase } from './database.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { plainText, type ResultTable } from './table.ts';

const SETTLE_SECONDS = 15;
const WATCH_SECONDS = 30;

export interface FootprintResult {
  readonly process: string;
  readonly residentBytes: number;
  /** Share of one core while nothing happens. */
  readonly cpuShare: number;
}

/** Memory and CPU of a source and a sink while nothing changes in the database. */
export const footprintBench: Bench = {
  name: 'footprint',
  about: 'memory and CPU of idle processes',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const results = await measureFootprint(context);
    context.print(plainText(footprintTable(results)));
    context.keep('footprint', results);
  },
};

export function footprintTable(results: readonly FootprintResult[]): ResultTable {
  return {
    head: ['idle', 'resident MB', 'of a core'],
    rows: results.map(({ process: name, residentBytes, cpuShare }) => [name, (residentBytes / 1e6).toFixed(0), `${(cpuShare * 100).toFixed(2)} %`]),
  };
}

async function measureFootprint({ urls, options, say }: BenchContext): Promise<readonly FootprintResult[]> {
  const database = new BenchDatabase(urls.postgresUrl, 'idle');
  const copy = new BenchDatabase(urls.postgresUrl, 'idle_copy');
  await database.create({ schema: 'CREATE TABLE t (id int PRIMARY KEY)' });
  await copy.createEmpty();
  const slot = await database.newSlot();
  const name = `bench-idle-${process.pid}`;
  const kafka = { KAFKA_BROKERS: urls.kafkaBrokers, SCHEMA_REGISTRY_URL: urls.registryUrl };
  try {
    await using source = await Connector.start({
      program: 'source',
      settings: sourceEnvironment({ ...database.input(slot, urls), tables: ['public.t'], runName: name }),
    });
    await source.untilReady();
    await using sink = await Connector.start({
      program: 'sink',
      settings: { ...kafka, SINK_TYPE: 'postgres', SINK_NAME: name, SINK_TOPICS: `${name}.*`, SINK_URL: copy.url },
    });
    await sink.untilReady();
    const settle = options.seconds ?? SETTLE_SECONDS;
    const watch = options.seconds ?? WATCH_SECONDS;
    say(`footprint: letting both settle for ${settle} s, then watching for ${watch} s …`);
    return await watchIdle({ source, sink }, settle, watch);
  } finally {
    await database.dropSlot(slot);
    await database.drop();
    await copy.drop();
  }
}

async function watchIdle(processes: Readonly<Record<string, Connector>>, settle: number, watch: number): Promise<readonly FootprintResult[]> {
  await seconds(settle);
  const before = Object.values(processes).map((connector) => connector.usage().cpuSeconds);
  await seconds(watch);
  return Object.entries(processes).map(([name, connector], index) => {
    const { residentBytes, cpuSeconds } = connector.usage();
    return { process: name, residentBytes, cpuShare: (cpuSeconds - (before[index] ?? 0)) / watch };
  });
}

async function seconds(count: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, count * 1000));
}
