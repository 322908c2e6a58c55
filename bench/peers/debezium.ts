import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Progress } from '../../stack/service.ts';
import { type Usage, usageOf } from '../measure.ts';
import { ConnectWorker } from '../../stack/connect/worker.ts';
import { CONNECT_TITLE, type InstalledConnect, provideConnect } from '../../stack/connect/download.ts';
import type { Settings } from '../../stack/connect/settings.ts';
import { connectorSettings, type DebeziumJob, jvmFlags, publicConfig, TOPIC_PARTITIONS, topicsOf } from './debezium-settings.ts';
import { TopicCounter } from './topic-counter.ts';

const POLL_MS = 100;
const CHECK_EVERY_MS = 5000;
const STALLED_MS = 180_000;

export interface PeerRun {
  /** From the first record in the topics to the last one. */
  readonly seconds: number;
  /** Of the whole process, start-up included. */
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** Records in the topics, tombstones included; more than expected if the log holds more or some came twice. */
  readonly records: number;
}

export interface DebeziumOptions extends DebeziumJob {
  readonly tuning: 'defaults' | 'tuned';
  /** Records, tombstones included, after which the run is over. */
  readonly expectedRecords: number;
  readonly onProgress: Progress;
}

export interface DebeziumRun extends PeerRun {
  /** From the start of the process to the first record in the topics: in neither figure above but `cpuSeconds`. */
  readonly startSeconds: number;
  readonly startCpuSeconds: number;
  /** Settings of worker and connector, passwords blanked. */
  readonly config: Settings;
}

/**
 * Reads what lies between the slot's position and the end of the log into topics, once, by a process started for it.
 * The process and its files are gone afterwards, whatever happens; topics, schemas and slot are left to the caller.
 */
export async function runDebezium(options: DebeziumOptions): Promise<DebeziumRun> {
  const installed = await provideConnect(options.onProgress);
  await using counter = await TopicCounter.open({ ...options, topics: topicsOf(options), partitions: TOPIC_PARTITIONS });
  const startedAt = performance.now();
  await using worker = await startWorker(options, installed);
  const first = await reach({ wanted: 1, counter, worker, options });
  options.onProgress(`${CONNECT_TITLE}: first record after ${((first.at - startedAt) / 1000).toFixed(1)} s`);
  const last = await reach({ wanted: options.expectedRecords, counter, worker, options });
  return {
    seconds: (last.at - first.at) / 1000,
    cpuSeconds: last.usage.cpuSeconds,
    peakBytes: last.usage.peakBytes,
    records: last.records,
    startSeconds: (first.at - startedAt) / 1000,
    startCpuSeconds: first.usage.cpuSeconds,
    config: publicConfig(options, worker.config),
  };
}

async function startWorker(job: DebeziumJob, installed: InstalledConnect): Promise<ConnectWorker> {
  const { kafkaBrokers, tuning } = job;
  return ConnectWorker.start({ title: CONNECT_TITLE, kafkaBrokers, jvmFlags: jvmFlags(tuning), connector: connectorSettings(job) }, installed);
}

/** From then on what is committed goes straight through. */
async function isSlotRead({ postgresUrl, slot }: DebeziumJob): Promise<boolean> {
  const client = new pg.Client({ connectionString: postgresUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ active: boolean }>('SELECT active FROM pg_replication_slots WHERE slot_name = $1', [slot]);
    return rows[0]?.active === true;
  } finally {
    await client.end();
  }
}

interface Reached {
  readonly at: number;
  readonly records: number;
  readonly usage: Usage;
}

/** Waits until the topics hold that many records; throws if the process fails or does nothing for long. */
async function reach(options: {
  readonly wanted: number;
  readonly counter: TopicCounter;
  readonly worker: ConnectWorker;
  readonly options: DebeziumOptions;
}): Promise<Reached> {
  const { wanted, counter, worker } = options;
  let records = 0;
  let movedAt = performance.now();
  let checkedAt = movedAt;
  for (;;) {
    const now = await counter.count();
    const at = performance.now();
    if (now >= wanted) return { at, records: now, usage: usageOf(worker.pid) };
    if (now > records) [records, movedAt] = [now, at];
    if (at - movedAt > STALLED_MS)
      throw worker.failed(`has written ${records} of ${options.options.expectedRecords} records, and none for ${STALLED_MS / 1000} s`);
    worker.throwIfEnded();
    if (at - checkedAt > CHECK_EVERY_MS) {
      worker.askStatus();
      if (records > 0)
        options.options.onProgress(`${CONNECT_TITLE}: ${records.toLocaleString('en')} of ${options.options.expectedRecords.toLocaleString('en')} records`);
      checkedAt = at;
    }
    await delay(POLL_MS);
  }
}

export interface DebeziumLatencyOptions extends DebeziumJob {
  /** Neither compresses: kafkajs, with which a caller may consume, cannot read lz4. */
  readonly tuning: 'defaults' | 'low-latency';
  readonly onProgress: Progress;
}

/** A connector at work until it is stopped. */
export interface RunningDebezium extends AsyncDisposable {
  /** One for each table, in their order; they exist. */
  readonly topics: readonly string[];
  readonly config: Settings;
  usage(): Usage;
  /** Ends the process and removes its files. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts Debezium for a caller that commits changes and consumes them itself. Resolves when the slot is being read and
 * the topics exist. The first records are slow (the schemas are registered, the code is not compiled yet): warm up.
 */
export async function debeziumLatency(options: DebeziumLatencyOptions): Promise<RunningDebezium> {
  const installed = await provideConnect(options.onProgress);
  const topics = topicsOf(options);
  await (await TopicCounter.open({ ...options, topics, partitions: TOPIC_PARTITIONS }))[Symbol.asyncDispose]();
  const worker = await startWorker(options, installed);
  try {
    await worker.untilReady(() => isSlotRead(options));
  } catch (error) {
    await worker.stop();
    throw error;
  }
  const stop = async (): Promise<void> => worker.stop();
  return { topics, config: publicConfig(options, worker.config), usage: () => usageOf(worker.pid), stop, [Symbol.asyncDispose]: stop };
}
