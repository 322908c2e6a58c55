import { expect, test } from 'vitest';
import type { RangeProgress } from '../../shared/connector/source.ts';
import { RangeQueue, type Split } from './range-queue.ts';

const whole: Split = () => undefined;
const range = (after: number, end: number): RangeProgress => ({ of: 'x', after: [String(after)], end: [String(end)] });
const parts = (queue: RangeQueue) => queue.rest.map(({ after, end }) => `${after?.join()}–${end?.join()}`);
/** Never more than ten at once. */
const tens: Split = ({ of, after, end }) => {
  const from = Number(after?.[0]);
  if (from + 10 >= Number(end?.[0])) return undefined;
  return [range(from, from + 10), { of, after: [String(from + 10)], end }];
};

test('two workers never have the same range', () => {
  const queue = new RangeQueue([range(0, 10), range(10, 20)]);
  const taken = [queue.take(whole), queue.take(whole)];
  expect(taken).toEqual([range(0, 10), range(10, 20)]);
  expect([queue.hasFree, queue.take(whole)]).toEqual([false, undefined]);
});

test('a range too large for one worker is cut, and what is left is for the next', () => {
  const queue = new RangeQueue([range(0, 25)]);
  expect([queue.take(tens), queue.take(tens), queue.take(tens), queue.take(tens)]).toEqual([range(0, 10), range(10, 20), range(20, 25), undefined]);
  expect(parts(queue)).toEqual(['0–10', '10–20', '20–25']);
});

test('what is left is each range from where its last published chunk ended', () => {
  const queue = new RangeQueue([range(0, 30)]);
  const [first, second] = [queue.take(tens) as RangeProgress, queue.take(tens) as RangeProgress];
  queue.advance(second, ['17']);
  const moved = queue.advance(first, ['4']) as RangeProgress;
  expect(parts(queue)).toEqual(['4–10', '17–20', '20–30']);
  queue.finish(moved);
  expect(parts(queue)).toEqual(['17–20', '20–30']);
});

test('a restart takes up what was left, whoever had it', () => {
  const queue = new RangeQueue([range(0, 30)]);
  const first = queue.take(tens) as RangeProgress;
  queue.take(tens);
  queue.advance(first, ['4']);
  const again = new RangeQueue(queue.rest);
  expect([again.take(tens), again.take(tens), again.take(tens), again.take(tens)]).toEqual([range(4, 10), range(10, 20), range(20, 30), undefined]);
});

test('a range that was dropped meanwhile is neither moved on nor brought back', () => {
  const queue = new RangeQueue([range(0, 10)]);
  const taken = queue.take(whole) as RangeProgress;
  queue.clear();
  expect([queue.has(taken), queue.advance(taken, ['5'])]).toEqual([false, undefined]);
  queue.finish(taken);
  expect(queue.isDone).toBe(true);
});

test('is done when the last range is', () => {
  const queue = new RangeQueue([range(0, 10)]);
  expect(queue.isDone).toBe(false);
  queue.finish(queue.take(whole) as RangeProgress);
  expect([queue.isDone, queue.hasFree]).toEqual([true, false]);
});
