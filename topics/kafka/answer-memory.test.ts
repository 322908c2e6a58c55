import { expect, test } from 'vitest';
import { AnswerMemory } from './answer-memory.ts';

const LARGE = 3_000_000;

test('memory is used again when all leases on it have ended, each however often', () => {
  const memory = new AnswerMemory(() => 0);
  const answer = memory.take(LARGE);
  const [one, other] = [memory.lease(answer.subarray(0, 10)), memory.lease(answer.subarray(10))];
  one?.();
  one?.();
  expect(memory.take(LARGE).buffer).not.toBe(answer.buffer);
  other?.();
  const next = memory.take(LARGE - 1000);
  expect([next.buffer === answer.buffer, next.length]).toEqual([true, LARGE - 1000]);
  expect(memory.take(LARGE).buffer).not.toBe(answer.buffer);
});

test('what is free is not taken for far less, nor for more than it holds', () => {
  const memory = new AnswerMemory(() => 0);
  const answer = memory.take(LARGE);
  memory.lease(answer)?.();
  expect(memory.take(LARGE / 5).buffer).not.toBe(answer.buffer);
  expect(memory.take(LARGE * 2).buffer).not.toBe(answer.buffer);
  expect(memory.take(LARGE).buffer).toBe(answer.buffer);
});

test('there are no leases on small answers, nor on memory from elsewhere', () => {
  const memory = new AnswerMemory(() => 0);
  expect(memory.lease(memory.take(1000))).toBeUndefined();
  expect(memory.lease(Buffer.alloc(LARGE))).toBeUndefined();
});

test('what was free for long is given back when a small answer comes', () => {
  let now = 0;
  const memory = new AnswerMemory(() => now);
  const answer = memory.take(LARGE);
  memory.lease(answer)?.();
  now = 1000;
  memory.take(10);
  const again = memory.take(LARGE);
  expect(again.buffer).toBe(answer.buffer);
  memory.lease(again)?.();
  now = 60_000;
  memory.take(10);
  expect(memory.take(LARGE).buffer).not.toBe(answer.buffer);
});
