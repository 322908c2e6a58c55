import avsc from 'avsc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Compression } from '../../topics/kafka/compression.ts';
import { rangeOf } from '../../topics/kafka/record-batch.ts';
import { TopicAdmin } from '../../topics/kafka/topic-admin.ts';
import { TransactionalProducer } from '../../topics/kafka/transactional-producer.ts';
import { dropAll, liveConfig, readCommitted, uniqueName } from '../live-topics.ts';
import { kcat, type Kcat, provideKcat } from './kcat.ts';
import { type ReadChange, rebuildTable, tableByKey } from './rebuilt-table.ts';
import { rowsOf, shopOfRun } from './shop.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const NAME = uniqueName('kcat');
const config = liveConfig();
const { databaseUrl, source } = shopOfRun();
const reading = (topic: string) => ['-C', '-b', KAFKA_BROKERS, '-t', topic, '-o', 'beginning', '-e', '-q', '-X', 'isolation.level=read_committed'];

let tool: Kcat;

beforeAll(async () => void (tool = await provideKcat()));
afterAll(() => dropAll(NAME));

/** As `-f '%R%s%K:%k'` prints records: two lengths, and the bytes behind each. */
function* parse(output: Buffer): Generator<{ readonly value: Buffer | null; readonly key: Buffer | null }> {
  for (let at = 0; at < output.length;) {
    const valueLength = output.readInt32BE(at);
    const value = valueLength < 0 ? null : output.subarray(at + 4, at + 4 + valueLength);
    const keyAt = at + 4 + Math.max(valueLength, 0);
    const colon = output.indexOf(':', keyAt);
    const keyLength = Number(output.toString('latin1', keyAt, colon));
    at = colon + 1 + Math.max(keyLength, 0);
    yield { value, key: keyLength < 0 ? null : output.subarray(colon + 1, at) };
  }
}

const types = new Map<number, Promise<avsc.Type>>();

async function typeOf(id: number): Promise<avsc.Type> {
  const response = await fetch(`${SCHEMA_REGISTRY_URL}/schemas/ids/${id}`);
  return avsc.Type.forSchema(JSON.parse(((await response.json()) as { schema: string }).schema) as avsc.Schema);
}

async function decode(bytes: Buffer | null): Promise<unknown> {
  if (bytes === null) return null;
  const id = bytes.readInt32BE(1);
  const type = types.get(id) ?? typeOf(id);
  types.set(id, type);
  return (await type).fromBuffer(bytes.subarray(5)) as unknown;
}

test('kcat pipes a topic out, from which the table is rebuilt', async () => {
  const output = await kcat(tool, [...reading(`${source}.public.documents`), '-f', '%R%s%K:%k']);
  const changes: ReadChange[] = [];
  for (const { key, value } of parse(output)) changes.push({ key: await decode(key), change: (await decode(value)) as ReadChange['change'] });
  expect(rebuildTable(changes)).toEqual(tableByKey(await rowsOf(databaseUrl, 'SELECT * FROM documents'), ['id']));
});

test('kcat unpacks the schema id that the registry has for the subject', async () => {
  const topic = `${source}.public.orders`;
  const lines = (await kcat(tool, [...reading(topic), '-Z', '-s', 'value=>bI', '-f', '%s\n'])).toString().trimEnd().split('\n');
  const latest = (await (await fetch(`${SCHEMA_REGISTRY_URL}/subjects/${topic}-value/versions/latest`)).json()) as { id: number };
  expect(new Set(lines)).toEqual(new Set([`0${latest.id}`, 'NULL']));
});

describe.each<Compression>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('compressed with %s', (compression) => {
  const bodies = Array.from({ length: 40 }, (_, number) => `${number} ${'dbmazz '.repeat(number * 100)}`);

  async function newTopic(name: string, topicConfig: Readonly<Record<string, string>> = {}): Promise<string> {
    const topic = `${NAME}.${name}.${compression}`;
    const admin = new TopicAdmin(config);
    await admin.connect();
    await admin.createMissing([{ topic, partitions: 1, replication: undefined, config: topicConfig }]);
    await admin.close();
    return topic;
  }

  async function write(topic: string): Promise<void> {
    const producer = new TransactionalProducer({ config, transactionalId: topic, transactionTimeoutMs: 30_000, compression });
    await producer.init();
    await producer.addTopics([topic]);
    for (const body of bodies) producer.append(topic, 0, Date.now(), rangeOf(Buffer.from('key')), rangeOf(Buffer.from(body)), []);
    await producer.commit();
    await producer.close();
  }

  test('what we write, librdkafka reads', async () => {
    const topic = await newTopic('ours');
    await write(topic);
    expect((await kcat(tool, [...reading(topic), '-f', '%s\n'])).toString().split('\n').slice(0, -1)).toEqual(bodies);
  });

  test('what we write, Java reads: the broker compresses it anew', async () => {
    const topic = await newTopic('java', { 'compression.type': compression === 'gzip' ? 'zstd' : 'gzip' });
    await write(topic);
    expect((await readCommitted(config, [topic])).map(({ value }) => String(value))).toEqual(bodies);
  });

  test('what librdkafka writes, we read', async () => {
    const topic = await newTopic('theirs');
    await kcat(tool, ['-P', '-b', KAFKA_BROKERS, '-t', topic, '-X', `compression.codec=${compression}`, '-X', 'linger.ms=200'], bodies.join('\n'));
    expect((await readCommitted(config, [topic])).map(({ value }) => String(value))).toEqual(bodies);
  });
});
