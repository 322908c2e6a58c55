import { getHeapSpaceStatistics } from 'node:v8';
import { expect, test } from 'vitest';
import { collectAll, IdleTrimmer } from './trim-heap.ts';

/** Looks every hundred milliseconds of which the process was busy for so many; tells at which looks it trimmed. */
function trimsOf(busy: readonly number[]): readonly number[] {
  const [trims, sum]: [number[], { idle: number; active: number }] = [[], { idle: 0, active: 0 }];
  let look = 0;
  const trimmer = new IdleTrimmer({ ...sum, utilization: 0 }, () => trims.push(look));
  for (const active of busy) {
    look++;
    sum.active += active;
    sum.idle += 100 - active;
    trimmer.look({ ...sum, utilization: sum.active / (100 * look) });
  }
  return trims;
}

test('what the start has left is given back once, when the process has become idle', () => {
  expect(trimsOf([90, 10, 2, 0, 1, 3])).toEqual([3]);
});

test('a process that is at work is left alone', () => {
  expect(trimsOf([90, 80, 60, 30, 20, 10, 6])).toEqual([]);
});

test('after each busy time it is given back again, however long it was idle before', () => {
  expect(trimsOf([90, 1, 1, 1, 1, 95, 90, 3, 2, 19, 2, 25, 2])).toEqual([2, 8, 13]);
});

test('the young generation is given back', () => {
  const young = () => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.physical_space_size ?? 0;
  for (let round = 0, kept: unknown[] = []; round < 200; round++) kept = [...kept.slice(-50), Array.from({ length: 2000 }, (_, index) => ({ index }))];
  const before = young();
  collectAll();
  expect(young()).toBeLessThan(before / 2);
});
