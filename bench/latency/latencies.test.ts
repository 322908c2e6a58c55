import { expect, test } from 'vitest';
import { Latencies } from './latencies.ts';
import { readPulse } from './topic-listener.ts';

test('a row counts once, and rows of an earlier round not at all', async () => {
  const latencies = new Latencies(10, 3);
  for (const [id, arrived] of [
    [9, 500],
    [10, 101],
    [12, 102],
    [12, 900],
  ] as const)
    latencies.add(id, 100, arrived);
  expect(latencies.isComplete).toBe(false);
  expect(latencies.lowestMissing).toBe(11);
  latencies.add(11, 100, 109);
  expect(await latencies.figures(1000)).toEqual({ records: 3, p50Ms: 2, p99Ms: 9, maxMs: 9 });
});

test('rows that never come end the round with their number', async () => {
  const latencies = new Latencies(0, 2);
  latencies.add(0, 0, 1);
  await expect(latencies.figures(1)).rejects.toThrow('of 2 rows 1 have come');
});

test('id and time are read out of an envelope', () => {
  // Header, before null, after present, id 300, branch of a value, 1,000,000 microseconds; each zig-zag.
  const value = Buffer.from([0, 0, 0, 0, 1, 0x00, 0x02, 0xd8, 0x04, 0x02, 0x80, 0x89, 0x7a]);
  expect(readPulse(value)).toEqual({ id: 300, committedAtMs: 1000 });
});
