import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import type { ColumnDef } from '../../shared/record/table-schema.ts';
import { type Cell, finishClickHouse, finishPostgres, NO_LIMITS, trimZeros } from './canonical.ts';
import { CLICKHOUSE_LIMITS } from './clickhouse-cells.ts';

function column(dataType: DataType, nativeType = ''): ColumnDef {
  return { name: 'c', dataType, nullable: true, nativeType };
}

const timestamp: DataType = { kind: 'timestampTz', unit: 'micros' };

describe('the same value has the same text, whichever database it comes from', () => {
  const cases: readonly [title: string, type: DataType, fromPostgres: Cell, fromClickHouse: unknown, canonical: Cell][] = [
    ['null', { kind: 'text' }, null, null, null],
    ['a float', { kind: 'float64' }, '1e+20', '1e20', '100000000000000000000'],
    ['a float of 32 bits', { kind: 'float32' }, '0.1', '0.1', String(Math.fround(0.1))],
    ['infinity', { kind: 'float64' }, '-Infinity', '-inf', '-Infinity'],
    ['NaN', { kind: 'float32' }, 'NaN', 'nan', 'NaN'],
    ['minus zero', { kind: 'float64' }, '-0', '-0', '-0'],
    ['an infinite timestamp', timestamp, 'infinity', '253402300799999999', 'infinity'],
    ['an infinite timestamp in an older server', timestamp, '-infinity', '-2208988800000000', '-infinity'],
    ['an infinite date', { kind: 'date' }, 'infinity', '2932896', 'infinity'],
    ['a timestamp in milliseconds', { kind: 'timestamp', unit: 'millis' }, '-1', '-1000', '-1000'],
    [
      'an array of numerics',
      { kind: 'array', element: { kind: 'decimal', precision: 5, scale: 2 } },
      '{1.50,NULL,2.00}',
      ['1.5', null, '2'],
      '["1.5",null,"2"]',
    ],
    ['an array of texts', { kind: 'array', element: { kind: 'text' } }, '{a,"b,c","NULL",NULL}', ['a', 'b,c', 'NULL', null], '["a","b,c","NULL",null]'],
    ['an array of booleans', { kind: 'array', element: { kind: 'boolean' } }, '{t,f}', ['true', 'false'], '["true","false"]'],
    ['an array of floats', { kind: 'array', element: { kind: 'float64' } }, '{1.5,Infinity}', ['1.5', 'inf'], '["1.5","Infinity"]'],
    ['an array of bytes', { kind: 'array', element: { kind: 'bytes' } }, '{"\\\\x00ff"}', ['00ff'], '["00ff"]'],
    ['an array of dates', { kind: 'array', element: { kind: 'date' } }, '{1970-01-02,infinity}', ['1', '2932896'], '["1","infinity"]'],
    ['an array of timestamps', { kind: 'array', element: timestamp }, '{"1970-01-01 00:00:01+00"}', ['1000000'], '["1000000"]'],
    ['an absent array, which ClickHouse does not have', { kind: 'array', element: { kind: 'int32' } }, null, [], '[]'],
  ];

  test.each(cases)('%s', (_title, type, fromPostgres, fromClickHouse, canonical) => {
    expect(finishPostgres(column(type), CLICKHOUSE_LIMITS)(fromPostgres)).toBe(canonical);
    expect(finishClickHouse(column(type), CLICKHOUSE_LIMITS)(fromClickHouse)).toBe(canonical);
  });
});

test('PostgreSQL tells an absent array from an empty one', () => {
  const finish = finishPostgres(column({ kind: 'array', element: { kind: 'int32' } }), NO_LIMITS);
  expect([finish(null), finish('{}')]).toEqual([null, '[]']);
});

test('an array of several dimensions is JSON in a target', () => {
  const finish = finishPostgres(column({ kind: 'json' }, 'integer[]'), NO_LIMITS);
  expect(finish('{{1,2},{3,NULL}}')).toBe('[[1,2],[3,null]]');
  expect(finish('[0:0][1:2]={{1,2}}')).toBe('[[1,2]]');
  expect(finish('[[1,2],[3,null]]')).toBe('[[1,2],[3,null]]');
});

test.each([
  ['1.50', '1.5'],
  ['100', '100'],
  ['1.000', '1'],
  ['-0.10', '-0.1'],
  ['NaN', 'NaN'],
])('%s has the digits %s', (decimal, trimmed) => {
  expect(trimZeros(decimal)).toBe(trimmed);
});
