import '../topics/kafka/quiet-timers.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import kafkajs from 'kafkajs';
import pg from 'pg';
import { BenchDatabase } from './database.ts';
import { percentile } from './measure.ts';
import { sourceEnvironment } from './stages/source-process.ts';

const ROOT = new URL('../', import.meta.url);
const RATES = [200, 1000] as const;
const PORT = 19_871;
const WARM_UP_SECONDS = 5;
const SECONDS = 20;

export interface LatencyResult {
  readonly rate: number;
  readonly records: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface Urls {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
}

/**
 * From the commit of a change to a `read_committed` consumer that has it. Each row carries the time at which its
 * transaction was about to commit, by the same clock.
 */
export async function measureLatency(urls: Urls, _peers: readonly string[], say: (line: string) => void): Promise<readonly LatencyResult[]> {
  const database = new BenchDatabase(urls.postgresUrl, {
    name: 'latency',
    about: '',
    tables: ['public.pulse'],
    changes: 0,
    deletes: 0,
    schema: 'CREATE TABLE pulse (id bigint PRIMARY KEY, at_micros bigint)',
    load: 'SELECT 1',
  });
  await database.create({
    name: 'latency',
    about: '',
    tables: [],
    changes: 0,
    deletes: 0,
    schema: 'CREATE TABLE pulse (id bigint PRIMARY KEY, at_micros bigint)',
    load: 'SELECT 1',
  });
  const slot = await database.newSlot();
  const name = `bench-latency-${process.pid}`;
  const input = {
    postgresUrl: database.url,
    kafkaBrokers: urls.kafkaBrokers,
    registryUrl: urls.registryUrl,
    slot,
    publication: database.publication,
    endOfLog: '',
    tables: ['public.pulse'],
    changes: 0,
    deletes: 0,
    runName: name,
  };
  const source = spawn(process.execPath, ['sources/main.ts'], {
    cwd: ROOT,
    env: { ...process.env, ...sourceEnvironment(input) },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const listener = new PulseListener(urls.kafkaBrokers, `${name}.public.pulse`);
  try {
    await untilStreaming();
    await listener.start();
    const results: LatencyResult[] = [];
    for (const rate of RATES) {
      say(`latency: ${rate} commits a second for ${SECONDS} s …`);
      await commitPulses(database.url, rate, WARM_UP_SECONDS);
      listener.clear();
      const committed = await commitPulses(database.url, rate, SECONDS);
      results.push({ rate, ...(await listener.take(committed)) });
      process.stdout.write(`${JSON.stringify(results.at(-1))}\n`);
    }
    return results;
  } finally {
    await listener.stop();
    source.kill('SIGTERM');
    await once(source, 'exit');
    await database.dropSlot(slot);
    await database.drop();
  }
}

/** The table's topic is there once the source streams. */
async function untilStreaming(): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${PORT}/readyz`).catch(() => undefined);
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

let nextId = 0;

/** Commits single inserts at an even rate over several connections; gives how many. */
async function commitPulses(url: string, rate: number, seconds: number): Promise<number> {
  const pool = new pg.Pool({ connectionString: url, max: 8 });
  const started = performance.now();
  const running: Promise<unknown>[] = [];
  for (let count = 0; count < rate * seconds;) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - started) / 1000) * rate));
    for (; count < due; count++) {
      // The transaction's work is its insert: clock_timestamp() is taken within microseconds of its commit.
      running.push(pool.query('INSERT INTO pulse VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)', [nextId++]));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
  await pool.end();
  return rate * seconds;
}

class PulseListener {
  readonly #topic: string;
  readonly #consumer;
  #latencies: number[] = [];
  #wanted = Infinity;
  #reached = Promise.withResolvers<void>();

  constructor(brokers: string, topic: string) {
    this.#topic = topic;
    const client = new kafkajs.Kafka({ clientId: 'latency', brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 20 } });
    this.#consumer = client.consumer({ groupId: `latency-${process.pid}`, readUncommitted: false });
  }

  async start(): Promise<void> {
    const joined = Promise.withResolvers<void>();
    this.#consumer.on(this.#consumer.events.GROUP_JOIN, () => joined.resolve());
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        const now = Date.now() + (performance.now() % 1);
        for (const { value } of batch.messages) if (value !== null) this.#latencies.push(now - committedAtMs(value));
        if (this.#latencies.length >= this.#wanted) this.#reached.resolve();
      },
    });
    await joined.promise;
  }

  clear(): void {
    this.#latencies = [];
    this.#wanted = Infinity;
    this.#reached = Promise.withResolvers();
  }

  async take(count: number): Promise<{ records: number; p50Ms: number; p99Ms: number; maxMs: number }> {
    this.#wanted = count;
    if (this.#latencies.length < count) await this.#reached.promise;
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return { records: sorted.length, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), maxMs: sorted.at(-1) ?? 0 };
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
  }
}

/** `after.at_micros` of a pulse: header, absent before, present after, id, branch, then the time as a zig-zag long. */
function committedAtMs(value: Buffer): number {
  let at = 7;
  while ((value[at++] ?? 0) > 0x7f);
  at++;
  let zigzag = 0;
  for (let factor = 1; ; factor *= 0x80) {
    const byte = value[at++] ?? 0;
    zigzag += (byte & 0x7f) * factor;
    if (byte < 0x80) return zigzag / 2 / 1000;
  }
}
