import { afterAll, beforeAll, expect, test } from 'vitest';
import { dropAll, liveConfig, liveSettings, readCommitted, type ReadRecord, uniqueName, withAdmin } from '../test/live-topics.ts';
import { OwnKafka } from '../test/own-kafka.ts';
import { scriptedLog, type Step } from '../test/scripted-log.ts';
import { createPublisher, publishScript } from '../test/scripted-publisher.ts';
import { RecordReader } from './avro/record-reader.ts';
import { Registry } from './avro/registry.ts';

/** A broker of this file's own, whose cleaner does not wait. */
let broker: OwnKafka;
let settings: Readonly<Record<string, string>>;
const NAME = uniqueName('compacted');
const ORDERS = `${NAME}.public.orders`;
const EVENTS = `${NAME}.public.events`;

beforeAll(async () => {
  broker = await OwnKafka.start({ 'log.cleaner.backoff.ms': '200', 'log.cleaner.dedupe.buffer.size': '4194304', 'log.cleaner.threads': '1' });
  settings = { KAFKA_BROKERS: broker.url, TOPIC_CLEANUP_POLICY: 'compact', TOPIC_PARTITIONS: '1' };
}, 120_000);
afterAll(async () => {
  await dropAll(NAME, settings);
  await broker[Symbol.asyncDispose]();
});

const insert = (id: number, table = 0): Step => ({ kind: 'insert', table, id });
const update = (id: number): Step => ({ kind: 'update', table: 0, id, newId: id });
const remove = (id: number): Step => ({ kind: 'delete', table: 0, id });
const truncate: Step = { kind: 'truncate', table: 0, id: 0 };

const LOG: readonly (readonly Step[])[] = [
  [insert(9)],
  [truncate],
  [insert(1), insert(2), insert(3)],
  [update(1)],
  [update(1), remove(2)],
  [insert(1, 2), insert(1, 2)],
];

test('a compacted topic keeps the last record of each key, and of a deleted row nothing', { timeout: 120_000 }, async () => {
  await publish(LOG);
  const made = await configOf(ORDERS);
  const plain = await configOf(EVENTS);
  expect([made['cleanup.policy'], made['min.compaction.lag.ms'], plain['cleanup.policy']]).toEqual(['compact', '604800000', 'delete']);
  for (const config of [made, plain]) expect([config['max.message.bytes'], config['index.interval.bytes']]).toEqual(['20971520', '65536']);
  const before = await readable(ORDERS);
  expect(before.map(({ op }) => op)).toEqual(['c', 't', 'c', 'c', 'c', 'u', 'u', 'd', null]);

  await compactNow(ORDERS);
  const left = await untilCompacted();
  expect(left.slice(0, 4)).toEqual([before[0], before[1], before[4], before[6]]);
  expect(left.slice(4).map(({ op }) => op)).toEqual(left.slice(4).map(() => 'c'));
  expect(await readable(EVENTS)).toHaveLength(2);
});

/** As a source whose log has grown would go on. */
async function publish(transactions: readonly (readonly Step[])[]): Promise<void> {
  const publisher = createPublisher(NAME, { environment: settings });
  await publishScript(publisher, scriptedLog(transactions));
  await publisher.close();
}

interface Readable {
  readonly key: unknown;
  readonly op: string | null;
  readonly value: unknown;
}

async function readable(topic: string): Promise<readonly Readable[]> {
  const reader = new RecordReader(new Registry(liveSettings(NAME, settings)));
  const records = await readCommitted(liveConfig(settings), [topic]);
  return Promise.all(records.map((record) => toReadable(record, topic, reader)));
}

async function toReadable({ key, value }: ReadRecord, topic: string, reader: RecordReader): Promise<Readable> {
  const envelope = (await reader.read(value, topic)) as { op: string } | null;
  return { key: await reader.read(key, topic), op: envelope?.op ?? null, value: envelope };
}

const CONFIG_OF_TOPIC = 2;

async function configOf(topic: string): Promise<Readonly<Record<string, string>>> {
  return withAdmin(liveConfig(settings), async (admin) => {
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: CONFIG_OF_TOPIC, name: topic }] });
    return Object.fromEntries((resources[0]?.configEntries ?? []).map(({ configName, configValue }) => [configName, configValue]));
  });
}

/** What lies in a finished segment may go, and each record finishes the one before. */
async function compactNow(topic: string): Promise<void> {
  const config = {
    'cleanup.policy': 'compact',
    'min.compaction.lag.ms': '0',
    'segment.ms': '1',
    'min.cleanable.dirty.ratio': '0.001',
    'delete.retention.ms': '0',
  };
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await withAdmin(liveConfig(settings), (admin) =>
    admin.alterConfigs({ validateOnly: false, resources: [{ type: CONFIG_OF_TOPIC, name: topic, configEntries }] }),
  );
}

/**
 * Compaction comes when the broker finds the time, and takes tombstones one round after what stood before them. What
 * is written to is never compacted: with each new row there is something more for it to do.
 */
async function untilCompacted(): Promise<readonly Readable[]> {
  for (let id = 100; ; id++) {
    await publish([...LOG, ...Array.from({ length: id - 99 }, (_, index) => [insert(100 + index)])]);
    const left = await readable(ORDERS);
    const keys = left.map(({ key }) => JSON.stringify(key));
    if (new Set(keys).size === keys.length && left.every(({ op }) => op !== null)) return left;
  }
}
