import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Bench, BenchContext } from './bench.ts';
import { Connector } from './connector.ts';
import { BenchDatabase } from './database.ts';
import { Latencies, type LatencyFigures } from './latency/latencies.ts';
import { type PulseTarget, watchedClickHouse, watchedPostgres, watchTarget } from './latency/target-watch.ts';
import { TopicListener } from './latency/topic-listener.ts';
import { debeziumLatency } from './peers/debezium.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { plainText, thousands, type ResultTable } from './table.ts';

const ROOT = new URL('../', import.meta.url);
const RATES = [200, 1000] as const;
/** Debezium is asked for what its users see at the lower rate. */
const DEBEZIUM_RATES = [200] as const;
const WARM_UP_SECONDS = 5;
const SECONDS = 20;
const ARRIVAL_LIMIT_MS = 60_000;
/** The default of 5 s says how long a batch gathers; this is for those who would rather have many small ones. */
const SHORT_FLUSH_MS = '100';

export interface LatencyResult extends LatencyFigures {
  /** Whose work is between the commit and the reader. */
  readonly who: string;
  readonly to: string;
  readonly rate: number;
  /** What the database came to: below the rate where it could not keep up. */
  readonly commitsPerSecond: number;
  readonly config?: Readonly<Record<string, string>>;
}

/** From just before a change's commit to the one who reads it. */
export const latencyBench: Bench = {
  name: 'latency',
  about: 'from a commit to a read_committed consumer, and to each sink, at 200 and 1,000 commits a second',
  services: ['kafka', 'registry', 'postgres', 'clickhouse'],
  run: async (context) => {
    const results: LatencyResult[] = [];
    await withPulses(context, async (pulses) => {
      results.push(...(await measureSource(context, pulses)));
      if (context.options.peers.includes('debezium'))
        for (const tuning of ['defaults', 'low-latency'] as const) results.push(...(await measureDebezium(context, pulses, tuning)));
    });
    context.print(plainText(latencyTable(results)));
    context.keep('latency', results);
  },
};

export function latencyTable(results: readonly LatencyResult[]): ResultTable {
  const ms = (value: number) => value.toFixed(value < 10 ? 1 : 0);
  return {
    head: ['', 'to', 'commits/s', 'rows', 'p50 ms', 'p99 ms', 'most ms'],
    rows: results.map(({ who, to, commitsPerSecond, records, p50Ms, p99Ms, maxMs }) => [
      who,
      to,
      thousands(commitsPerSecond),
      thousands(records),
      ms(p50Ms),
      ms(p99Ms),
      ms(maxMs),
    ]),
  };
}

/** A database with an empty table of pulses, and what commits to it. */
class Pulses {
  readonly #context: BenchContext;
  readonly database: BenchDatabase;
  #nextId = 0;

  constructor(context: BenchContext, database: BenchDatabase) {
    this.#context = context;
    this.database = database;
  }

  /** One rate: first for the warm-up, then for the figures; `observe` enters the rows that it sees. */
  async measure(rate: number, observe: (latencies: Latencies) => Promise<void> | undefined): Promise<LatencyFigures & { readonly commitsPerSecond: number }> {
    const { options } = this.#context;
    const seconds = options.seconds ?? SECONDS;
    await this.#commit(rate, Math.min(WARM_UP_SECONDS, seconds));
    const latencies = new Latencies(this.#nextId, rate * seconds);
    const observed = observe(latencies);
    const commitsPerSecond = await this.#commit(rate, seconds);
    const figures = await latencies.figures(ARRIVAL_LIMIT_MS);
    await observed;
    return { ...figures, commitsPerSecond };
  }

  /** Gives how many there were a second. */
  async #commit(rate: number, seconds: number): Promise<number> {
    const args = ['bench/latency/pulse-load.ts', this.database.url, String(rate), String(seconds), String(this.#nextId)];
    this.#nextId += rate * seconds;
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (text: Buffer) => void (output += text.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`the load ended with ${code}`);
    return (JSON.parse(output) as { readonly commitsPerSecond: number }).commitsPerSecond;
  }
}

async function withPulses(context: BenchContext, use: (pulses: Pulses) => Promise<void>): Promise<void> {
  const database = new BenchDatabase(context.urls.postgresUrl, 'latency');
  await database.create({ schema: 'CREATE TABLE pulse (id bigint PRIMARY KEY, at_micros bigint)' });
  try {
    await use(new Pulses(context, database));
  } finally {
    await database.drop();
  }
}

async function measureSource(context: BenchContext, pulses: Pulses): Promise<readonly LatencyResult[]> {
  const { urls } = context;
  const slot = await pulses.database.newSlot();
  const name = `bench-latency-${process.pid}`;
  const settings = sourceEnvironment({ ...pulses.database.input(slot, urls), tables: ['public.pulse'], runName: name });
  try {
    await using source = await Connector.start({ program: 'source', settings });
    await source.untilReady();
    const toConsumer = await measureTopic(context, pulses, { who: 'dbmazz', topic: `${name}.public.pulse`, rates: RATES });
    return [...toConsumer, ...(await measureSinks(context, pulses, name))];
  } finally {
    await pulses.database.dropSlot(slot);
  }
}

interface Topic {
  readonly who: string;
  readonly topic: string;
  readonly rates: readonly number[];
}

async function measureTopic({ urls, say }: BenchContext, pulses: Pulses, { who, topic, rates }: Topic): Promise<readonly LatencyResult[]> {
  const listener = new TopicListener(urls.kafkaBrokers, topic);
  try {
    await listener.start();
    const results: LatencyResult[] = [];
    for (const rate of rates) {
      say(`latency: ${who} to a consumer, ${rate} commits a second …`);
      const figures = await pulses.measure(rate, (latencies) => {
        listener.listen(latencies);
        return undefined;
      });
      results.push({ who, to: 'consumer', rate, ...figures });
    }
    return results;
  } finally {
    await listener.stop();
  }
}

async function measureDebezium(context: BenchContext, pulses: Pulses, tuning: 'defaults' | 'low-latency'): Promise<readonly LatencyResult[]> {
  // Not a copy: the pulses of earlier rounds would have to be read first.
  const slot = await pulses.database.newSlotHere();
  const job = { ...pulses.database.input(slot, context.urls), tables: ['public.pulse'], topicPrefix: `bench-debezium-${tuning}-${process.pid}`, tuning };
  try {
    await using running = await debeziumLatency({ ...job, onProgress: context.say });
    const [topic = ''] = running.topics;
    const results = await measureTopic(context, pulses, { who: `Debezium, ${tuning}`, topic, rates: DEBEZIUM_RATES });
    return results.map((result) => ({ ...result, config: running.config }));
  } finally {
    await pulses.database.dropSlot(slot);
  }
}

/** Each sink by itself: as it comes, and with a short flush interval. */
async function measureSinks(context: BenchContext, pulses: Pulses, sourceName: string): Promise<readonly LatencyResult[]> {
  const { urls } = context;
  const copy = new BenchDatabase(urls.postgresUrl, 'latency_copy');
  await copy.createEmpty();
  const kinds = [
    { kind: 'PostgreSQL', settings: { SINK_TYPE: 'postgres', SINK_URL: copy.url }, open: () => watchedPostgres(copy.url) },
    { kind: 'ClickHouse', settings: { SINK_TYPE: 'clickhouse', SINK_URL: urls.clickhouseUrl }, open: () => watchedClickHouse(urls.clickhouseUrl, 'default') },
  ];
  const results: LatencyResult[] = [];
  try {
    for (const { kind, settings, open } of kinds) {
      for (const flush of [undefined, SHORT_FLUSH_MS]) {
        const to = flush === undefined ? `${kind} sink` : `${kind} sink, FLUSH_INTERVAL_MS=${flush}`;
        const more = flush === undefined ? {} : { FLUSH_INTERVAL_MS: flush };
        results.push(...(await measureSink(context, pulses, { sourceName, to, settings: { ...settings, ...more }, target: open() })));
      }
    }
    return results;
  } finally {
    await copy.drop();
  }
}

interface WatchedSink {
  readonly sourceName: string;
  readonly to: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly target: PulseTarget;
}

async function measureSink({ urls, say }: BenchContext, pulses: Pulses, { sourceName, to, settings, target }: WatchedSink): Promise<readonly LatencyResult[]> {
  const common = { SINK_NAME: `${sourceName}-${settings['SINK_TYPE']}`, SINK_TOPICS: `${sourceName}.*` };
  const kafka = { KAFKA_BROKERS: urls.kafkaBrokers, SCHEMA_REGISTRY_URL: urls.registryUrl };
  try {
    await using sink = await Connector.start({ program: 'sink', settings: { ...kafka, ...common, ...settings } });
    await sink.untilReady();
    const results: LatencyResult[] = [];
    for (const rate of RATES) {
      say(`latency: dbmazz to ${to}, ${rate} commits a second …`);
      const figures = await pulses.measure(rate, (latencies) => watchTarget(target, latencies));
      results.push({ who: 'dbmazz', to, rate, ...figures });
    }
    return results;
  } finally {
    await target.close();
  }
}
