import { expect, test } from 'vitest';
import { preparations } from './engine.ts';

const nothing = { database: '', settings: new Map<string, string>(), params: new Map<string, string>() };

test('a request without database, settings and parameters needs no preparation', () => {
  expect(preparations(nothing)).toEqual([]);
});

test('database, settings and parameters are set before the statement', () => {
  const prepared = preparations({ database: 'my`db', settings: new Map([['max_threads', '2']]), params: new Map([['p', "it's\\n"]]) });

  expect(prepared).toEqual(['USE `my\\`db`', "SET max_threads = '2', param_p = 'it\\'s\\\\n'"]);
});

test('a name that could end the statement is no setting', () => {
  expect(() => preparations({ ...nothing, settings: new Map([['a = 1; DROP TABLE t --', '1']]) })).toThrow('Unknown setting');
});
