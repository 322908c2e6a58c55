import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isProtoLike } from '../../test/random-rows.ts';
import { buildBatch, decodeByKafkajs, type WantedRecord } from '../../test/record-batches.ts';
import { ABSENT, heldBytes, rangeOf, RecordBatchBuilder } from './record-batch.ts';

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)));
const headers = fc.uniqueArray(
  fc.record({
    key: fc
      .string({ unit: 'grapheme', maxLength: 10 })
      .map((name) => `_${name}`)
      .filter((name) => !isProtoLike(name)),
    value: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 3, selector: ({ key }) => key },
);
const records = fc.array(
  fc.record({ timestampMs: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_900_000 }), key: bytesOrNull, value: bytesOrNull, headers }),
  { minLength: 1, maxLength: 30 },
);

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`kafkajs reads what we build, compressed with ${compression}`, async () => {
    await fc.assert(
      fc.asyncProperty(records, async (wanted) => {
        const decoded = await decodeByKafkajs(buildBatch(wanted, { compression, producerId: 2n ** 40n + 5n }));
        expect(decoded.records.map(({ key, value, headers: found }) => ({ key, value, headers: found }))).toEqual(
          wanted.map(({ key, value, headers: given }) => ({ key, value, headers: Object.fromEntries(given.map((header) => [header.key, header.value])) })),
        );
        expect(decoded.records.map(({ timestamp }) => Number(timestamp))).toEqual(wanted.map(({ timestampMs }) => timestampMs));
        expect(decoded.records.map(({ offset }) => Number(offset))).toEqual(wanted.map((_, index) => index));
        expect(decoded).toMatchObject({
          producerId: '1099511627781',
          producerEpoch: 3,
          firstSequence: 11,
          inTransaction: true,
          isControlBatch: false,
          lastOffsetDelta: wanted.length - 1,
        });
      }),
      { numRuns: 25 },
    );
  });
}

describe('a builder', () => {
  const small: WantedRecord = { timestampMs: 1000, key: Buffer.from('k'), value: Buffer.from('v'), headers: [] };
  const identity = { producerId: 1n, producerEpoch: 0, firstSequence: 0 };

  test('can be used again, also after a large batch', async () => {
    const builder = new RecordBatchBuilder();
    builder.append(1000, ABSENT, rangeOf(Buffer.alloc(3_000_000, 1)), []);
    const large = await decodeByKafkajs(Buffer.from(builder.finish(identity, 'none')));
    expect(large.records[0]?.value).toHaveLength(3_000_000);
    builder.reset();
    expect([builder.count, builder.byteLength]).toEqual([0, 61]);
    builder.append(2000, rangeOf(Buffer.from('k')), rangeOf(Buffer.from('v')), []);
    const next = await decodeByKafkajs(Buffer.from(builder.finish(identity, 'none')));
    expect(next.records.map(({ key, timestamp }) => [String(key), timestamp])).toEqual([['k', '2000']]);
  });

  test('gives its buffer up where all of them hold too much', () => {
    const builders = Array.from({ length: 40 }, () => new RecordBatchBuilder());
    for (const builder of builders) builder.append(1, ABSENT, rangeOf(Buffer.alloc(1024 * 1024)), []);
    expect(heldBytes()).toBeGreaterThan(40 * 1024 * 1024);
    for (const builder of builders) builder.reset();
    expect(heldBytes()).toBeLessThanOrEqual(33 * 1024 * 1024);
    for (const builder of builders) builder.append(1, ABSENT, rangeOf(Buffer.from('v')), []);
    expect(builders.map(({ count }) => count)).toEqual(builders.map(() => 1));
  });

  test('copies what it is given, so that its owner may use it again', async () => {
    const builder = new RecordBatchBuilder();
    const shared = Buffer.from('first');
    builder.append(1, ABSENT, { bytes: shared, start: 1, end: 5 }, []);
    shared.write('xxxxx');
    const { records: found } = await decodeByKafkajs(Buffer.from(builder.finish(identity, 'none')));
    expect(String(found[0]?.value)).toBe('irst');
  });

  test('counts every byte that it will send', () => {
    const builder = new RecordBatchBuilder();
    for (let index = 0; index < 200; index++)
      builder.append(1000 + index, rangeOf(Buffer.alloc(index)), rangeOf(Buffer.alloc(index * 50)), [{ key: 'größe', value: Buffer.alloc(3) }]);
    expect(builder.finish(identity, 'none')).toHaveLength(builder.byteLength);
  });

  test('takes records whose time goes backwards', async () => {
    const decoded = await decodeByKafkajs(buildBatch([small, { ...small, timestampMs: 400 }, { ...small, timestampMs: 1500 }]));
    expect(decoded.records.map(({ timestamp }) => timestamp)).toEqual(['1000', '400', '1500']);
  });
});
