import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { rebuildTable, tableByKey } from './rebuilt-table.ts';
import { rowsOf, shopOfRun } from './shop.ts';

/** Code as users of kafkajs write it: nothing of ours but the names of the topics. */
interface Change {
  readonly op: 'c' | 'u' | 'd' | 'r' | 't';
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
  readonly row_version: number;
  readonly unchanged: readonly string[] | null;
}

interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly key: Record<string, unknown> | null;
  readonly change: Change | null;
  readonly headers: readonly string[];
}

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const { databaseUrl, source } = shopOfRun();

test('kafkajs with the registry client rebuilds each table from its topic', async () => {
  const tables = ['orders', 'documents', 'sessions'];
  const messages = await readAll(tables.map((table) => `${source}.public.${table}`));
  for (const table of tables) expect(rebuild(messages.filter(({ topic }) => topic.endsWith(`.${table}`))), table).toEqual(await expectedOf(table));

  const tombstones = messages.filter(({ change }) => change === null);
  const deletes = messages.filter(({ change }) => change?.op === 'd');
  expect(tombstones.map(({ key }) => JSON.stringify(key)).toSorted()).toEqual(deletes.map(({ key }) => JSON.stringify(key)).toSorted());
  expect(messages.flatMap(({ headers }) => headers).filter((name) => name === '__debezium.newkey')).toHaveLength(10);
  expect(messages.filter(({ change }) => change?.op === 't')).toHaveLength(1);
  expect(messages.filter(({ change }) => change?.unchanged?.includes('body')).length).toBeGreaterThan(0);
});

async function readAll(topics: string[]): Promise<Message[]> {
  const kafka = new Kafka({ clientId: 'reader', brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
  const registry = new SchemaRegistry({ host: SCHEMA_REGISTRY_URL });
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map<string, number>();
  for (const topic of topics)
    for (const { partition, high } of await admin.fetchTopicOffsets(topic)) if (Number(high) > 0) ends.set(`${topic}/${partition}`, Number(high));
  await admin.disconnect();
  const messages: Message[] = [];
  const done = Promise.withResolvers<void>();
  const consumer = kafka.consumer({ groupId: `reader-${source}`, readUncommitted: false, maxWaitTimeInMs: 100 });
  consumer.on(consumer.events.CRASH, ({ payload }) => done.reject(payload.error));
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, lastOffset } }) => {
    if (Number(lastOffset) + 1 >= (ends.get(`${topic}/${partition}`) ?? Infinity)) ends.delete(`${topic}/${partition}`);
    if (ends.size === 0) done.resolve();
  });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ topic, partition, message: { key, value, headers = {} } }) => {
      messages.push({
        topic,
        partition,
        key: key === null ? null : ((await registry.decode(key)) as Record<string, unknown>),
        change: value === null ? null : ((await registry.decode(value)) as Change),
        headers: Object.keys(headers),
      });
    },
  });
  await done.promise;
  await consumer.disconnect();
  return messages;
}

function rebuild(messages: readonly Message[]): Map<string, Readonly<Record<string, unknown>>> {
  return new Map([...rebuildTable(messages)].map(([key, row]) => [key, canonical(row)]));
}

/** Decimals are bytes to who does not name a logical type. */
function canonical(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, Buffer.isBuffer(value) ? Number(BigInt.asIntN(64, BigInt(`0x${value.toString('hex')}`))) : value]),
  );
}

const EXPECTED: Readonly<Record<string, string>> = {
  orders: `SELECT id::int, customer, state, (total * 100)::int AS total, (extract(epoch FROM placed) * 1000000)::float8 AS placed FROM orders`,
  documents: `SELECT * FROM documents`,
  sessions: `SELECT id::text, (extract(epoch FROM seen) * 1000000)::float8 AS seen FROM sessions`,
};

async function expectedOf(table: string): Promise<Map<string, Readonly<Record<string, unknown>>>> {
  return tableByKey(await rowsOf<Record<string, unknown>>(databaseUrl, EXPECTED[table] ?? ''), ['id']);
}
