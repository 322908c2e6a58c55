import fc from 'fast-check';
import { compressSync } from 'snappy';
import { expect, test } from 'vitest';
import { packSnappy, unpackSnappy } from './snappy-blocks.ts';

test('any bytes come back, also over several blocks', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 60 }), (bytes, times) => {
      const all = Buffer.concat(Array.from({ length: times }, () => bytes));
      expect(unpackSnappy(packSnappy(all)).equals(all)).toBe(true);
    }),
  );
});

test('it begins as Java clients begin, and each block tells its length', () => {
  const packed = packSnappy(Buffer.from('dbmazz'));
  expect(packed.toString('latin1', 0, 8)).toBe('\x82SNAPPY\0');
  expect([packed.readInt32BE(8), packed.readInt32BE(12), packed.readInt32BE(16)]).toEqual([1, 1, packed.length - 20]);
});

test('one bare block is read too, as librdkafka writes it', () => {
  const bytes = Buffer.from('dbmazz '.repeat(1000));
  expect(unpackSnappy(compressSync(bytes)).equals(bytes)).toBe(true);
});
