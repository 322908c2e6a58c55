import { expect, test } from 'vitest';
import { PackedRecords } from '../../topics/kafka/fetched-record.ts';
import { Origins } from './origins.ts';

/** Records without key and value, at offsets of one batch. */
function delivery(partition: number, baseOffset: number, count: number) {
  const context = { producerId: '1', inTransaction: false, isControlBatch: false, firstTimestamp: 0, maxTimestamp: 0, isLogAppendTime: false };
  const bytes = Buffer.concat(Array.from({ length: count }, (_, delta) => Buffer.from([0, delta * 2, 1, 1, 0])));
  const places = Int32Array.from(Array.from({ length: count }, (_, delta) => [delta * 5, delta * 5 + 4, delta * 5 + 3]).flat());
  return { partition, origins: new PackedRecords([{ context: { ...context, baseOffset }, bytes, places, from: 0, end: count }]) };
}

test('a record is found by its place in the batch, and by where Kafka has it, over several deliveries', () => {
  const origins = new Origins();
  for (const each of [delivery(0, 10, 2), delivery(1, 10, 0), delivery(1, 10, 3), delivery(0, 20, 1)]) origins.add(each);
  const places = [0, 1, 2, 3, 4, 5].map((place) => origins.at(place)).map(({ partition, origin }) => `${partition}/${origin.offset}`);
  expect(places).toEqual(['0/10', '0/11', '1/10', '1/11', '1/12', '0/20']);
  expect(() => origins.at(6)).toThrow(RangeError);
  expect(origins.find(1, '11')?.origin.offset).toBe('11');
  expect(origins.find(0, '20')?.partition).toBe(0);
  expect([origins.find(1, '20'), origins.find(2, '10'), origins.find(undefined, undefined)]).toEqual([undefined, undefined, undefined]);
});
