import { expect, test } from 'vitest';
import { exportLines, servicesFor, statusTable, withoutPassword } from './texts.ts';

test.each([
  [[], ['kafka', 'registry', 'postgres', 'clickhouse']],
  [['clickhouse'], ['kafka', 'registry', 'clickhouse']],
  [['kafka'], ['kafka', 'registry']],
] as const)('naming %j starts %j', (named, expected) => {
  expect(servicesFor(named)).toEqual(expected);
});

test('an export line is safe to evaluate', () => {
  expect(exportLines({ POSTGRES_URL: "a'b" })).toBe("export POSTGRES_URL='a'\\''b'\n");
});

test('a password is not shown', () => {
  expect(withoutPassword('postgres://postgres:secret@127.0.0.1:1/postgres')).toBe('postgres://postgres:***@127.0.0.1:1/postgres');
  expect(withoutPassword('127.0.0.1:9092')).toBe('127.0.0.1:9092');
});

test('the table says what runs, and what has gone', () => {
  const state = {
    id: 'a',
    owner: null,
    startedAt: '',
    folder: '/tmp/a',
    helpers: [],
    services: {
      kafka: { origin: 'process', url: '127.0.0.1:1', process: { pid: 5, startTime: 't' } },
      postgres: { origin: 'container', url: 'postgres://p:s@h:1/d', container: '0123456789abcdef' },
    },
  } as const;

  const [, kafka, postgres] = statusTable([{ ...state, helpers: [] }], () => false).split('\n');

  expect(kafka?.split(/ {2,}/)).toEqual(['kafka', 'gone', 'process', '5', '127.0.0.1:1', 'itself, until down']);
  expect(postgres?.split(/ {2,}/)).toEqual(['postgres', 'started', 'container', '0123456789ab', 'postgres://p:***@h:1/d', 'itself, until down']);
  expect(statusTable([], () => true)).toBe('No stack is up.\n');
});
