import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { murmur2, partitionOf } from './murmur2.ts';

const require = createRequire(import.meta.url);
const kafkajsMurmur2 = require('kafkajs/src/producer/partitioners/default/murmur2.js') as (key: Buffer) => number;

/**
 * Key, hash, and partition of 4 and of 7, as `org.apache.kafka.common.utils.Utils` of kafka-clients 4.4.0 gives them
 * (`murmur2`, `toPositive`) for random bytes and for keys in Confluent's wire format.
 */
const FROM_JAVA: readonly (readonly [hex: string, hash: number, of4: number, of7: number])[] = [
  ['', 275646681, 1, 2],
  ['35', 55100550, 2, 1],
  ['f78a', 1288432276, 0, 5],
  ['e1bbe7', -983584298, 2, 5],
  ['28c0450c', -392157833, 3, 5],
  ['e43c084f4b', 650222576, 0, 3],
  ['839dee466d85', 609540322, 2, 6],
  ['be6a61aa9a0c61', -2055415863, 1, 5],
  ['bd6743e7dc978573', 496582918, 2, 6],
  ['998e685e885cb361f8', -2143606509, 3, 0],
  ['20bebfb01100b276545718', 2056352297, 1, 6],
  ['0f406cc8e3a188fff11059eb', 565076740, 0, 4],
  ['6fbce62655dfbd6f83b89670d6', -726498581, 3, 5],
  ['52d83deedc0bf66205835ccc16ad682d', 266159240, 0, 4],
  ['8c478a26f450279849599b56dd53b3351a572b40f2', -48686993, 3, 4],
  ['7f347b5d9979162cfa959d2832a46196d92c304697e953c0026cc4a45eb32f9282', 1689517702, 2, 5],
  ['ee827c94edc93517ef7da4c0ce2972cc9b060b08b6460851f3a3a05bb102f732ed235bd1283ed5021192ed6a754300c523675af9b6c4a514cacaa1b6a7367388', -1733269995, 1, 0],
  ['000000000102', -1917368978, 2, 2],
  ['0000000001feff03', -214034107, 1, 2],
  ['000000029a0c73686f702d31', -981353429, 3, 2],
  ['00000000078080808010', -1303034577, 3, 4],
];

test('keys have the hash and the partition that Java gives them', () => {
  for (const [hex, hash, of4, of7] of FROM_JAVA) {
    const key = Buffer.from(hex, 'hex');
    expect([murmur2(key), partitionOf(key, 0, key.length, 4), partitionOf(key, 0, key.length, 7)], hex).toEqual([hash, of4, of7]);
  }
});

test('the vectors of Kafka’s own tests hold', () => {
  const vectors: Readonly<Record<string, number>> = {
    '21': -973932308,
    foobar: -790332482,
    'a-little-bit-long-string': -985981536,
    'a-little-bit-longer-string': -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    abc: 479470107,
  };
  for (const [text, hash] of Object.entries(vectors)) expect(murmur2(Buffer.from(text)), text).toBe(hash);
});

test('any bytes have the hash that kafkajs gives them, wherever they lie in a buffer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(9), (bytes, before) => {
      const key = Buffer.from(bytes);
      const within = Buffer.concat([Buffer.alloc(before, 0xee), key, Buffer.alloc(3, 0xdd)]);
      expect(murmur2(within, before, before + key.length)).toBe(kafkajsMurmur2(key) | 0);
    }),
  );
});

test('there is a partition for every key, also where the hash is the smallest of numbers', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 1000 }), (key, partitions) => {
      const partition = partitionOf(Buffer.from(key), 0, key.length, partitions);
      expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true);
    }),
  );
});
