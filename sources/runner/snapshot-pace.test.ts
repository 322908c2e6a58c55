import { describe, expect, test } from 'vitest';
import type { SnapshotProgress, TableProgress } from '../../shared/connector/source.ts';
import { describePace, PaceMeter } from './snapshot-pace.ts';

const table = (state: TableProgress['state'], rows: number, expectedRows: number): TableProgress => ({
  state,
  rows,
  expectedRows,
  rest: null,
  startsOver: false,
  note: null,
});
const progress = (...tables: readonly TableProgress[]): SnapshotProgress => ({
  tables: Object.fromEntries(tables.map((one, index) => [`public.t${index}`, one])),
});

function meterOf(...notes: readonly (readonly [atMs: number, progress: SnapshotProgress])[]): PaceMeter {
  const meter = new PaceMeter();
  for (const [atMs, noted] of notes) meter.note(noted, atMs);
  return meter;
}

describe('the pace of a snapshot', () => {
  test('is how much was read in the last half minute, and what that means for the end', () => {
    const meter = meterOf(
      [0, progress(table('done', 1000, 900), table('running', 0, 9000))],
      [10_000, progress(table('done', 1000, 900), table('running', 4000, 9000))],
    );
    expect(meter.pace(10_000)).toEqual({ tables: 2, tablesDone: 1, rows: 5000, expectedRows: 10_000, percent: 50, rowsPerSecond: 400, secondsLeft: 13 });
  });

  test('forgets what was long ago', () => {
    const slow = Array.from({ length: 60 }, (_, n) => [n * 1000, progress(table('running', n, 1e6))] as const);
    const fast = Array.from({ length: 60 }, (_, n) => [60_000 + n * 1000, progress(table('running', 60 + n * 500, 1e6))] as const);
    expect(meterOf(...slow, ...fast).pace(119_000)?.rowsPerSecond).toBe(500);
  });

  test('is never a hundred percent before the end, however old the statistics', () => {
    expect(meterOf([0, progress(table('running', 5000, 10))]).pace(1000)).toMatchObject({ percent: 99, secondsLeft: null });
  });

  test('begins anew with a table that is read anew', () => {
    const meter = meterOf(
      [0, progress(table('running', 5000, 9000))],
      [2000, progress(table('running', 0, 9000))],
      [4000, progress(table('running', 200, 9000))],
    );
    expect(meter.pace(4000)?.rowsPerSecond).toBe(100);
  });

  test('is none where nothing is being read', () => {
    expect([new PaceMeter().pace(0), meterOf([0, progress(table('done', 3, 3))]).pace(1000)]).toEqual([undefined, undefined]);
  });
});

test('a line for the log says rows, percent, rate and what is left', () => {
  const pace = { tables: 3, tablesDone: 1, rows: 1_234_567, expectedRows: 10_000_000, percent: 12, rowsPerSecond: 45_000, secondsLeft: 195 };
  expect(describePace(pace)).toBe('snapshot: 1,234,567 of about 10,000,000 rows (12 %), 45,000 rows/s, 1 of 3 tables done, about 3 min left');
});
