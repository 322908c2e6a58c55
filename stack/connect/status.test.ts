import { expect, test } from 'vitest';
import { parseStatus } from './status.ts';

test('a running connector has a task and no failure', () => {
  const text = JSON.stringify({ name: 'bench', connector: { state: 'RUNNING' }, tasks: [{ id: 0, state: 'RUNNING' }] });

  expect(parseStatus(text)).toEqual({ hasTask: true, failure: undefined });
});

test('a failed task gives the innermost cause of its trace', () => {
  const trace =
    'a.WrapperException: stopped\n\tat a.B.c(B.java:1)\nCaused by: a.Middle: more\n\tat a.B.d(B.java:2)\nCaused by: org.x.SqlException: no such publication\n\t... 3 more\n';
  const text = JSON.stringify({ connector: { state: 'RUNNING' }, tasks: [{ id: 0, state: 'FAILED', trace }] });

  expect(parseStatus(text).failure).toBe('org.x.SqlException: no such publication');
});

test('a failed connector without a task gives the head of a trace without causes', () => {
  const text = JSON.stringify({ connector: { state: 'FAILED', trace: 'a.ConfigException: bad setting\n\tat a.B.c(B.java:1)\n' }, tasks: [] });

  expect(parseStatus(text)).toEqual({ hasTask: false, failure: 'a.ConfigException: bad setting' });
});
