import { expect, test } from 'vitest';
import { describeTable, describeVerdict } from './describe-report.ts';
import type { TableReport } from './verify.ts';

const equal: TableReport = { table: 'public.orders', rows: 1200, targetRows: 1200, checksum: 'abc', targetChecksum: 'abc', differences: 0, examples: [] };

test('an equal table is one line', () => {
  expect(describeTable(equal)).toBe('✓ public.orders: 1,200 rows, equal, checksum abc');
});

test('differences are named, and those that are not are counted', () => {
  const report: TableReport = {
    ...equal,
    targetRows: 1199,
    differences: 4,
    examples: [
      { kind: 'missing', key: 'id=1', columns: [] },
      { kind: 'different', key: 'id=2', columns: ['total', 'note'] },
      { kind: 'extra', key: 'id=3', columns: [] },
    ],
  };
  expect(describeTable(report).split('\n')).toEqual([
    '✗ public.orders: 1,200 rows, 1,199 in the target, 4 differences',
    '    id=1 is missing in the target',
    '    id=2 differs in total, note',
    '    id=3 is in the target only',
    '    and 1 more',
  ]);
});

test('a problem of the whole table stands for its differences', () => {
  expect(describeTable({ ...equal, differences: 1, problem: 'the target lacks column c' })).toBe('✗ public.orders: 1,200 rows, the target lacks column c');
});

test('the verdict is the line of the contract', () => {
  expect(describeVerdict({ target: 'clickhouse', tables: [equal, equal], rows: 2400, differences: 0 })).toBe(
    'verified clickhouse: 2 tables, 2400 rows, 0 differences',
  );
});
