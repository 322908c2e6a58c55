import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomTables, randomTypes } from '../../test/random-rows.ts';
import { RowReader } from './row-reader.ts';
import { RowWriter } from './row-writer.ts';

/** What `read` gives, or the error that it throws; any error but a RangeError fails the test. */
function outcome(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return error;
  }
}

test('a row that ends too early is a RangeError, wherever it ends', () => {
  fc.assert(
    fc.property(randomTables(), fc.nat(), ({ table, rows }, cut) => {
      const row = new RowWriter().row(table, rows[0] ?? []);
      const whole = Buffer.from(row.bytes.subarray(row.start, row.end));
      fc.pre(whole.length > 0);
      const short = whole.subarray(0, cut % whole.length);
      expect(() => new RowReader(short).row(table)).toThrow(RangeError);
      expect(() => new RowReader(short).skipRow(table)).toThrow(RangeError);
    }),
    { numRuns: 100 },
  );
});

test('any bytes are a value, or a RangeError', () => {
  fc.assert(
    fc.property(randomTypes(), fc.uint8Array({ maxLength: 40 }), (type, bytes) => {
      const buffer = Buffer.from(bytes);
      outcome(() => new RowReader(buffer).value(type));
      const reader = new RowReader(buffer);
      outcome(() => reader.skip(type));
      expect(reader.position).toBeLessThanOrEqual(buffer.length);
    }),
    { numRuns: 1000 },
  );
});

test('a row with a few wrong bytes is a row, or a RangeError', () => {
  fc.assert(
    fc.property(randomTables(), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 }), ({ table, rows }, mistakes) => {
      const row = new RowWriter().row(table, rows[0] ?? []);
      const bytes = Buffer.from(row.bytes.subarray(row.start, row.end));
      for (const [at, byte] of mistakes) bytes[at % Math.max(bytes.length, 1)] = byte;
      outcome(() => new RowReader(bytes).row(table));
      outcome(() => new RowReader(bytes).skipRow(table));
    }),
    { numRuns: 150 },
  );
});

test('an array that claims more elements than there are bytes is refused before anything is made of it', () => {
  const claims = [Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f]), Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x02]), Buffer.from([0x80, 0x01, 0, 0])];
  for (const bytes of claims) {
    expect(() => new RowReader(bytes).array({ kind: 'int32' })).toThrow(RangeError);
    expect(() => new RowReader(bytes).skip({ kind: 'array', element: { kind: 'int32' } })).toThrow(RangeError);
  }
});

test('an array in several blocks, with and without their sizes, is one array', () => {
  // Two elements; then a block of one with its size of two bytes; then the end.
  const bytes = Buffer.from([0x04, 0x02, 0x02, 0x00, 0x01, 0x04, 0x02, 0x06, 0x00, 0x7f]);
  const reader = new RowReader(bytes);
  expect(reader.array({ kind: 'int32' })).toEqual([1, null, 3]);
  expect(reader.position).toBe(9);
  const skipping = new RowReader(bytes);
  skipping.skip({ kind: 'array', element: { kind: 'int32' } });
  expect(skipping.position).toBe(9);
});

test('a decimal of many bytes does not take the square of their number', () => {
  const bytes = Buffer.alloc(200_003, 0x55);
  bytes.set([0x80, 0xb5, 0x18], 0);
  const startedAt = performance.now();
  expect(new RowReader(bytes).decimal(0)).toHaveLength(481_648);
  expect(performance.now() - startedAt).toBeLessThan(1500);
});

test('a decimal of no bytes, a negative length and a varint of too many bytes are refused', () => {
  expect(() => new RowReader(Buffer.from([0])).decimal(2)).toThrow(RangeError);
  expect(() => new RowReader(Buffer.from([0x01, 0x61])).string()).toThrow(RangeError);
  expect(() => new RowReader(Buffer.alloc(6, 0x80)).int()).toThrow(RangeError);
  expect(() => new RowReader(Buffer.alloc(12, 0x80)).long()).toThrow(RangeError);
});
