import { expect, test } from 'vitest';
import { targetsTable } from './targets.ts';

const run = (seconds: number, cpuSeconds = 1, peakBytes = 1e8) => ({ seconds, cpuSeconds, peakBytes });
const find = (rows: readonly (readonly string[])[], text: string) => rows.find((cells) => cells.join(' ').includes(text));

test('what was not measured is said to be so, with the command that would', () => {
  for (const [, , measured, mark, command] of targetsTable({}).rows) {
    expect([measured, mark]).toEqual(['not measured', '']);
    expect(command).toContain('npm run bench');
  }
});

test('ratios are of medians, against the better of two configurations of a peer', () => {
  const stage = (name: string, ...runs: ReturnType<typeof run>[]) => ({ stage: name, about: '', runs });
  const backlog = {
    about: '',
    changes: 1_000_000,
    stages: [
      stage('pg_recvlogical', run(5)),
      stage('log to Kafka', run(8, 10), run(9, 10), run(100, 10)),
      stage('Debezium, defaults', run(60, 80)),
      stage('Debezium, tuned', run(45, 90)),
    ],
  };
  const { rows } = targetsTable({ backlog });
  expect(find(rows, '6 × Debezium')?.slice(2, 4)).toEqual(['5.00 ×', '**missed**']);
  expect(find(rows, 'pg_recvlogical')?.slice(2, 4)).toEqual(['0.56 ×', '**missed**']);
  expect(find(rows, 'CPU a change')?.slice(2, 4)).toEqual(['1/8.0', 'met']);
  expect(find(rows, 'peak memory')?.slice(2, 4)).toEqual(['100 MB', 'met']);
});

test('growth is as flat as its slowest step', () => {
  const step = (what: 'tables' | 'rows', changesPerSecond: number) => ({
    what,
    tables: 1,
    changes: 1,
    startSeconds: 1,
    firstChanges: 0,
    firstSeconds: 0,
    seconds: 1,
    changesPerSecond,
    cpuSeconds: 1,
    peakBytes: 2e8,
  });
  const { rows } = targetsTable({ growth: [step('tables', 100), step('tables', 50), step('rows', 90), step('rows', 100)] });
  expect(rows.filter(([work]) => work?.startsWith('growth')).map((cells) => cells.slice(2, 4))).toEqual([
    ['0.50 ×', '**missed**'],
    ['200 MB', 'met'],
    ['0.90 ×', 'met'],
    ['200 MB', 'met'],
  ]);
});

test('a snapshot is judged by its largest table: against COPY with its start, against a peer without', () => {
  const stage = (name: string, rows: number, seconds: number, startSeconds: number, peakBytes: number) => ({
    stage: name,
    about: '',
    rows,
    runs: [{ ...run(seconds, 1, peakBytes), startSeconds }],
  });
  const own = stage('tables to Kafka', 10_000_000, 49, 1, 2.5e8);
  const peer = stage('Debezium, initial snapshot', 1_000_000, 50, 20, 3e9);
  const copy = stage('COPY to nowhere', 10_000_000, 15, 0, 1e7);
  const found = (...stages: readonly ReturnType<typeof stage>[]) =>
    targetsTable({ snapshot: { rows: 10_000_000, stages } })
      .rows.filter(([work]) => work?.startsWith('snapshot'))
      .map((cells) => cells.slice(2, 4));
  expect(found(copy, own, stage('tables to Kafka', 1_000_000, 6, 1, 1.9e8), peer)).toEqual([
    ['10.20 ×', 'met'],
    ['0.30 ×', '**missed**'],
    ['190 MB → 250 MB', '**missed**'],
  ]);
  expect(found(copy, own)).toEqual([
    ['not measured', ''],
    ['0.30 ×', '**missed**'],
    ['not measured', ''],
  ]);
});
