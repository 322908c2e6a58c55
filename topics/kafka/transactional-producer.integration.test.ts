import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dropAll, liveConfig, type ReadRecord, readCommitted, uniqueName } from '../../test/live-topics.ts';
import type { Compression } from './compression.ts';
import { LogReader } from './log-reader.ts';
import { ABSENT, rangeOf } from './record-batch.ts';
import { TopicAdmin } from './topic-admin.ts';
import { TransactionalProducer } from './transactional-producer.ts';

const NAME = uniqueName('producer');
const PARTITIONS = 4;
const config = liveConfig();
const opened: TransactionalProducer[] = [];
let topics = 0;

beforeAll(async () => dropAll(NAME));
afterAll(async () => {
  await Promise.all(opened.map((producer) => producer.close()));
  await dropAll(NAME);
});

async function newTopic(settings: Readonly<Record<string, string>> = { 'max.message.bytes': '20971520' }): Promise<string> {
  const topic = `${NAME}.public.t${topics++}`;
  const admin = new TopicAdmin(config);
  await admin.connect();
  await admin.createMissing([{ topic, partitions: PARTITIONS, replication: undefined, config: settings }]);
  await admin.close();
  return topic;
}

async function open(id: string, topic: string, compression: Compression = 'none'): Promise<TransactionalProducer> {
  const producer = new TransactionalProducer({ config, transactionalId: `${NAME}-${id}`, transactionTimeoutMs: 30_000, compression });
  opened.push(producer);
  await producer.init();
  await producer.addTopics([topic]);
  return producer;
}

function put(producer: TransactionalProducer, topic: string, text: string, partition = 0): void {
  producer.append(topic, partition, Date.now(), rangeOf(Buffer.from(`key ${text}`)), rangeOf(Buffer.from(text)), []);
}

const texts = (records: readonly ReadRecord[]) => records.map(({ value }) => String(value)).toSorted();

/** The last committed records of all partitions, and the last of any kind. */
async function ends(topic: string): Promise<{ readonly committed: readonly string[]; readonly any: readonly string[] }> {
  const reader = new LogReader(config);
  await reader.connect();
  const last = (isolation: 'committed' | 'uncommitted') =>
    Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => reader.readLast(topic, partition, isolation)));
  const [committed, any] = [await last('committed'), await last('uncommitted')];
  await reader.close();
  return { committed: committed.map((record) => String(record?.value)), any: any.map((record) => String(record?.value)) };
}

describe('a transaction', () => {
  test('is seen when it is committed, all of it, with keys, headers and tombstones', async () => {
    const topic = await newTopic();
    const producer = await open('visible', topic);
    producer.append(topic, 1, 1_700_000_000_000, rangeOf(Buffer.from('k')), rangeOf(Buffer.from('v')), [{ key: 'größe', value: Buffer.from('h') }]);
    producer.append(topic, 1, 1_700_000_000_001, rangeOf(Buffer.from('k')), ABSENT, []);
    put(producer, topic, 'keyless', 2);
    await producer.commit();
    const records = await readCommitted(config, [topic]);
    expect(records.filter(({ partition }) => partition === 1)).toMatchObject([
      { key: Buffer.from('k'), value: Buffer.from('v'), offset: 0, headers: { größe: Buffer.from('h') } },
      { key: Buffer.from('k'), value: null, offset: 1 },
    ]);
    expect(records).toHaveLength(3);
  });

  test('is seen by nobody while it is open, and never when the next producer of its name begins', async () => {
    const topic = await newTopic();
    const [first, other] = [await open('fenced', topic), await open('other', topic)];
    put(first, topic, 'committed');
    await first.commit();
    put(first, topic, 'open');
    await first.flush();
    const second = await open('fenced', topic);
    put(second, topic, 'after');
    await second.commit();
    put(other, topic, 'of another', 3);
    await other.commit();
    expect(texts(await readCommitted(config, [topic]))).toEqual(['after', 'committed', 'of another']);
    put(first, topic, 'too late');
    await expect(first.commit()).rejects.toMatchObject({ code: 'FENCED', exitCode: 1 });
  });

  test('of a producer that was fenced before it sent anything is refused as well', async () => {
    const topic = await newTopic();
    const first = await open('idle', topic);
    await open('idle', topic);
    put(first, topic, 'too late');
    await expect(first.commit()).rejects.toMatchObject({ code: 'FENCED' });
    expect(await readCommitted(config, [topic])).toEqual([]);
  });

  test('without records is none', async () => {
    const topic = await newTopic();
    const producer = await open('empty', topic);
    await producer.commit();
    await producer.flush();
    expect(await readCommitted(config, [topic])).toEqual([]);
  });

  test('may follow the one before at once, hundreds of times', async () => {
    const topic = await newTopic();
    const producer = await open('quick', topic);
    for (let number = 0; number < 200; number++) {
      put(producer, topic, String(number).padStart(3, '0'), number % PARTITIONS);
      await producer.commit();
    }
    expect(texts(await readCommitted(config, [topic]))).toEqual(Array.from({ length: 200 }, (_, number) => String(number).padStart(3, '0')));
  });
});

test('of many transactions, half of them given up and fenced, the committed ones are read whole and no others', { timeout: 240_000 }, async () => {
  const topic = await newTopic();
  const expected: string[] = [];
  const lastCommitted = Array.from({ length: PARTITIONS }, () => 'undefined');
  const lastAny = Array.from({ length: PARTITIONS }, () => 'undefined');
  let producer = await open('many', topic);
  for (let transaction = 0; transaction < 300; transaction++) {
    const isCommitted = (transaction * 7919) % 2 === 0;
    const last = new Map<number, string>();
    for (let record = 0; record < 150; record++) {
      const partition = (transaction + record * record) % PARTITIONS;
      const text = `${String(transaction).padStart(3, '0')}-${String(record).padStart(3, '0')} ${'x'.repeat((record * 37) % 200)}`;
      put(producer, topic, text, partition);
      if (record % 40 === 39) await producer.flush();
      if (isCommitted) expected.push(text);
      last.set(partition, text);
    }
    if (isCommitted) await producer.commit();
    else {
      await producer.flush();
      await producer.close();
      producer = await open('many', topic);
    }
    for (const [partition, text] of last) {
      lastAny[partition] = text;
      if (isCommitted) lastCommitted[partition] = text;
    }
  }
  const records = await readCommitted(config, [topic]);
  expect(texts(records)).toEqual(expected.toSorted());
  expect(await ends(topic)).toEqual({ committed: lastCommitted, any: lastAny });
  const places = new Map<number, number>();
  for (const { partition, offset } of records) {
    expect(offset).toBeGreaterThan(places.get(partition) ?? -1);
    places.set(partition, offset);
  }
});

describe('records', () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`of five megabytes are carried, compressed with ${compression}`, async () => {
      const topic = await newTopic();
      const producer = await open(`large-${compression}`, topic, compression);
      const large = Buffer.alloc(5 * 1024 * 1024, 'dbmazz ');
      for (const partition of [0, 1]) {
        put(producer, topic, 'before', partition);
        producer.append(topic, partition, Date.now(), ABSENT, rangeOf(large), []);
        put(producer, topic, 'after', partition);
      }
      await producer.commit();
      const records = await readCommitted(config, [topic]);
      expect(records.map(({ value }) => value?.length)).toEqual([6, large.length, 5, 6, large.length, 5]);
      expect(records[1]?.value?.equals(large)).toBe(true);
    });
  }

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('are read as the broker itself compresses them with %s', async (compression) => {
    const topic = await newTopic({ 'compression.type': compression });
    const producer = await open(`broker-${compression}`, topic);
    const bodies = Array.from({ length: 50 }, (_, number) => `${number} ${'dbmazz '.repeat(number * 30)}`);
    for (const body of bodies) put(producer, topic, body);
    await producer.commit();
    expect(texts(await readCommitted(config, [topic]))).toEqual(bodies.toSorted());
  });

  test('keep the order in which they were appended, over many requests', async () => {
    const topic = await newTopic();
    const producer = await open('order', topic);
    for (let number = 0; number < 20_000; number++) {
      put(producer, topic, `${number} ${'x'.repeat(500)}`, number % 2);
      if (producer.needsFlush) await producer.flush();
    }
    await producer.commit();
    const numbers = (await readCommitted(config, [topic])).map(({ partition, value }) => [partition, Number.parseInt(String(value), 10)] as const);
    for (const wanted of [0, 1]) {
      expect(numbers.filter(([partition]) => partition === wanted).map(([, number]) => number)).toEqual(
        Array.from({ length: 10_000 }, (_, index) => index * 2 + wanted),
      );
    }
  });

  test('larger than their topic takes are VALUE_OUT_OF_RANGE', async () => {
    const topic = await newTopic({ 'max.message.bytes': '100000' });
    const producer = await open('too-large', topic);
    put(producer, topic, 'x'.repeat(200_000));
    await expect(producer.commit()).rejects.toMatchObject({ code: 'VALUE_OUT_OF_RANGE', context: { kafkaError: 'MESSAGE_TOO_LARGE' } });
  });

  test('for a topic or partition that is not there are a bug of ours', async () => {
    const topic = await newTopic();
    const producer = await open('nowhere', topic);
    expect(() => put(producer, `${topic}-other`, 'x')).toThrow(expect.objectContaining({ code: 'INVARIANT_BROKEN' }));
    expect(() => put(producer, topic, 'x', PARTITIONS)).toThrow(expect.objectContaining({ code: 'INVARIANT_BROKEN' }));
    await expect(producer.addTopics([`${topic}-other`])).rejects.toMatchObject({ context: { kafkaError: 'UNKNOWN_TOPIC_OR_PARTITION' } });
  });
});
