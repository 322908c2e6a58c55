import { expect, test } from 'vitest';
import type { ProcessMark } from './process.ts';
import { isAbandoned, parseState, runningProcesses, type StackState } from './state.ts';

function mark(pid: number): ProcessMark {
  return { pid, startTime: `t${pid}` };
}

const state: StackState = {
  id: 'abc',
  owner: mark(1),
  startedAt: '2026-11-22T00:00:00.000Z',
  folder: '/tmp/dbmazz-stack-abc',
  services: {
    kafka: { origin: 'process', url: '127.0.0.1:1', process: mark(2) },
    postgres: { origin: 'process', url: 'postgres://x', process: mark(3) },
    clickhouse: { origin: 'url', url: 'http://y' },
  },
  helpers: [mark(4)],
};

test('a stack is abandoned once its owner is gone', () => {
  expect(isAbandoned(state, () => true)).toBe(false);
  expect(isAbandoned(state, () => false)).toBe(true);
});

test('a detached stack is never abandoned', () => {
  expect(isAbandoned({ ...state, owner: null }, () => false)).toBe(false);
});

test('only processes that are still the same ones are ended, each with its own signal', () => {
  const running = runningProcesses(state, ({ pid }) => pid !== 2);

  expect(running).toEqual([
    { mark: mark(4), signal: 'SIGKILL' },
    { mark: mark(3), signal: 'SIGINT' },
  ]);
});

test('a state survives being written and read', () => {
  expect(parseState(JSON.stringify(state))).toEqual(state);
});

test.each(['', '{}', JSON.stringify({ ...state, id: '../x' }), JSON.stringify({ ...state, helpers: [{ pid: -1, startTime: 'x' }] })])(
  'a damaged state is not acted upon: %s',
  (text) => {
    expect(() => parseState(text)).toThrow();
  },
);
