import { expect, test } from 'vitest';
import { matchesKey } from './key-filter.ts';

test.each([
  [{ id: 7 }, '7', true],
  [{ id: 7 }, '77', false],
  [{ id: 9007199254740993n }, '9007199254740993', true],
  [{ order: 1, line: 'a,b' }, '1,a,b', true],
  [{ order: 1, line: 'a' }, '{"line":"a"}', true],
  [{ order: 1, line: 'a' }, '{"line":"a","order":2}', false],
  [{ id: '{odd' }, '{odd', true],
  [{ id: 7 }, '{"other":7}', false],
  [null, '7', false],
])('key %o is looked for with %s', (key, wanted, expected) => {
  expect(matchesKey(key, wanted)).toBe(expected);
});
