import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Signal } from '../shared/connector/source.ts';
import { liveConfig, liveSettings, uniqueName } from '../test/live-topics.ts';
import { silentLogger } from '../shared/observe/log.ts';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { plainCodec } from './avro/control-schemas.ts';
import { Registry } from './avro/registry.ts';
import { frame } from './avro/wire-format.ts';
import { writeRecord } from './kafka/plain-producer.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import { SignalReader, writeSignal } from './signals.ts';

const name = uniqueName('signals');
const settings = liveSettings(name);
const topic = `${name}.signals`;
const admin = new TopicAdmin(liveConfig());

beforeAll(async () => {
  await admin.connect();
  await admin.createMissing([{ topic, partitions: 1, replication: undefined, config: {} }]);
});
afterAll(async () => {
  await admin.close();
  await deleteTopics(name);
});

async function readAll(from: number, count: number): Promise<readonly Signal[]> {
  const reader = new SignalReader(settings, silentLogger(), from);
  await reader.connect();
  const signals: Signal[] = [];
  while (signals.length < count) signals.push(...(await reader.read()));
  await reader.close();
  return signals;
}

test('signals are read in their order, from a place on, by whomever they were written', async () => {
  const first = await writeSignal(settings, name, { type: 'snapshot', tables: ['public.a', 'public.b'], where: 'id > 3', keys: [{ id: '4' }] });
  await writeRecord(liveConfig(), { topic, partition: 0, key: Buffer.from('k'), value: Buffer.from('{"type":"snapshot"}') });
  // Somebody else's schema, with fields of its own and without those that have defaults.
  const schema = { type: 'record', name: 'Mine', fields: ['type', 'note', 'id'].map((field) => ({ name: field, type: 'string' })) } as const;
  const id = await new Registry(settings).register(`${name}-mine-${randomUUID()}`, schema);
  const value = frame(id, plainCodec<unknown>(schema).encode({ type: 'pause', note: 'for the night', id: 'mine' }));
  await writeRecord(liveConfig(), { topic, partition: 0, key: Buffer.from('k'), value });
  const all = await readAll(0, 2);
  expect(all).toEqual([
    { id: first, type: 'snapshot', tables: ['public.a', 'public.b'], where: 'id > 3', keys: [{ id: '4' }], offset: 0 },
    { id: 'mine', type: 'pause', tables: [], where: null, keys: [], offset: 2 },
  ]);
  expect(await readAll(1, 1)).toEqual(all.slice(1));
  // A place beyond the end is one of a topic that was there before.
  expect(await readAll(99, 2)).toEqual(all);
});

test('a source that never ran has no topic for them', async () => {
  await expect(writeSignal(settings, uniqueName('nobody'), { type: 'pause', tables: [], where: null })).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' });
});
