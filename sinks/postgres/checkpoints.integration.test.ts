import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Checkpoint, Sink } from '../../shared/connector/sink.ts';
import { openHarness, type PostgresHarness } from '../../test/contract/postgres-harness.ts';
import { Changes, tableOf } from '../../test/contract/records.ts';

const run = Date.now().toString(36);
let harness: PostgresHarness;
let sink: Sink;
let count = 0;

beforeAll(async () => {
  harness = await openHarness();
  sink = harness.createSink({});
});
afterAll(async () => {
  await sink.close();
  await harness.close();
});

async function newTable(): Promise<{ readonly changes: Changes; readonly topic: string }> {
  const changes = new Changes(tableOf({ name: `kept_${run}_${++count}`, columns: { id: 'int64', name: 'text' }, key: ['id'] }));
  await sink.setup([changes.table]);
  return { changes, topic: `shop.public.${changes.table.name}` };
}

const at = (topic: string, offsets: Record<number, bigint>, topicId = 'first'): Checkpoint => ({
  topic,
  topicId,
  offsets: new Map(Object.entries(offsets).map(([partition, offset]) => [Number(partition), offset])),
});

/** As partition → id and offset. */
async function kept(topic: string): Promise<Record<number, string>> {
  const found = (await sink.checkpoints?.read([topic, 'another.topic'])) ?? [];
  return Object.fromEntries(found.flatMap(({ topicId, offsets }) => [...offsets].map(([partition, offset]) => [partition, `${topicId} ${offset}`])));
}

test('new rows, which go straight into the target, keep theirs', async () => {
  const { changes, topic } = await newTable();
  await sink.writeBatch([changes.insert({ id: 1, name: 'a' })], at(topic, { 0: 5n, 3: 7n }));
  expect(await kept(topic)).toEqual({ 0: 'first 5', 3: 'first 7' });
});

test('rows that go through the staging table keep theirs', async () => {
  const { changes, topic } = await newTable();
  await sink.writeBatch([changes.insert({ id: 1, name: 'a' })], at(topic, { 0: 5n }));
  await sink.writeBatch([changes.update({ id: 1, name: 'b' })], at(topic, { 0: 6n }));
  await sink.writeBatch([changes.delete({ id: 1 })], at(topic, { 0: 7n }));
  expect(await kept(topic)).toEqual({ 0: 'first 7' });
});

test('a batch that is refused keeps nothing, as none of its rows is there', async () => {
  const { changes, topic } = await newTable();
  await expect(sink.writeBatch([changes.insert({ id: 1, name: 'NUL \0' })], at(topic, { 0: 5n }))).rejects.toMatchObject({ code: 'RECORD_REJECTED' });
  expect(await kept(topic)).toEqual({});
});

test('an older batch that comes late takes nothing back; one of a topic that was made again does', async () => {
  const { changes, topic } = await newTable();
  await sink.writeBatch([changes.insert({ id: 1, name: 'a' })], at(topic, { 0: 50n }));
  await sink.writeBatch([changes.insert({ id: 2, name: 'a' })], at(topic, { 0: 40n }));
  expect(await kept(topic)).toEqual({ 0: 'first 50' });
  await sink.writeBatch([changes.insert({ id: 3, name: 'a' })], at(topic, { 0: 2n }, 'second'));
  expect(await kept(topic)).toEqual({ 0: 'second 2' });
});

test('they are forgotten where that is asked for', async () => {
  const { changes, topic } = await newTable();
  await sink.writeBatch([changes.insert({ id: 1, name: 'a' })], at(topic, { 0: 5n }));
  await sink.checkpoints?.forget([topic]);
  expect(await kept(topic)).toEqual({});
});
