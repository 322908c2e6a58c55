import { expect, test } from 'vitest';
import { isAlive, markOf, ownMark, parseProcStat, signalProcess } from './process.ts';

test('fields are counted after the last bracket of a command that has blanks and brackets', () => {
  const fields = ['S', '17', ...Array.from({ length: 17 }, (_, index) => String(index)), '4711', '0'];

  expect(parseProcStat(`42 (a (b) c) ${fields.join(' ')}\n`, 'boot')).toEqual({ state: 'S', parent: 17, startTime: 'boot:4711' });
});

test('a line that is cut off is no process', () => {
  expect(parseProcStat('42 (x) S 17', 'boot')).toBeUndefined();
});

test('a process with the same number but another start is not ours', () => {
  const own = ownMark();

  expect(isAlive(own)).toBe(true);
  expect(isAlive({ ...own, startTime: 'another' })).toBe(false);
  expect(signalProcess({ ...own, startTime: 'another' }, 'SIGKILL')).toBe(false);
});

test('a number that nobody has is no process', () => {
  expect(markOf(2 ** 30)).toBeUndefined();
});
