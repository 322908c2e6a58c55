import { constants } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomTables } from '../../test/random-rows.ts';
import { Row } from './row.ts';
import { RowReader } from './row-reader.ts';
import { RowWriter } from './row-writer.ts';
import { TableSchema, type ColumnDef } from './table-schema.ts';
import type { Value } from './value.ts';

const column = (name: string, dataType: ColumnDef['dataType']): ColumnDef => ({ name, dataType, nullable: true, nativeType: '' });
const COLUMNS = [
  column('note', { kind: 'text' }),
  column('b', { kind: 'text' }),
  column('tags', { kind: 'array', element: { kind: 'text' } }),
  column('a', { kind: 'int32' }),
];

function tableOf(key: readonly number[]): TableSchema {
  return new TableSchema({ database: 'd', schema: 's', name: 't', columns: COLUMNS, key });
}

function rowOf(table: TableSchema, values: readonly Value[]) {
  return new RowWriter().row(table, values);
}

describe('the key of a row', () => {
  test('has its values in the order of the key, not of the table', () => {
    expect(rowOf(tableOf([3, 1]), ['n', 'bee', ['x'], 7]).keyValues()).toEqual([7, 'bee']);
    expect(rowOf(tableOf([1, 3]), ['n', 'bee', ['x'], 7]).keyValues()).toEqual(['bee', 7]);
  });

  test('its ranges hold the bytes of each value, in the order of the key', () => {
    fc.assert(
      fc.property(randomTables(), ({ table, rows }) => {
        const row = new RowWriter().row(table, rows[0] ?? []);
        const ranges = new Int32Array(table.key.length * 2);
        row.keyRanges(ranges);
        const values = table.keyColumns.map(({ dataType }, place) =>
          new RowReader(row.bytes.subarray(ranges[place * 2], ranges[place * 2 + 1])).value(dataType),
        );
        expect(values).toEqual(row.keyValues());
      }),
      { numRuns: 80 },
    );
  });

  test('is the same text for the same key, whatever the other columns hold', () => {
    const table = tableOf([3, 1]);
    expect(rowOf(table, ['x', 'bee', null, 7]).keyText()).toBe(rowOf(table, [null, 'bee', ['y', null], 7]).keyText());
  });

  test('is another text for another key, also where the parts would run into each other', () => {
    const table = new TableSchema({
      database: 'd',
      schema: 's',
      name: 't',
      columns: [column('a', { kind: 'text' }), column('b', { kind: 'text' })],
      key: [0, 1],
    });
    const texts = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['', 'abc'],
      ['abc', ''],
    ].map((values) => rowOf(table, values).keyText());
    expect(new Set(texts).size).toBe(4);
  });

  test('of a table without one is empty', () => {
    const row = rowOf(tableOf([]), ['n', 'b', [], 1]);
    expect([row.keyText(), row.keyValues()]).toEqual(['', []]);
  });
});

test('a value that is longer than a text can be is out of range, by its table, and no bug', () => {
  const table = tableOf([]);
  const bytes = Buffer.allocUnsafeSlow(constants.MAX_STRING_LENGTH + 20);
  bytes.fill(0, 0, 20);
  bytes[0] = 2;
  // Zig-zag, in groups of seven bits.
  for (let at = 1, rest = (constants.MAX_STRING_LENGTH + 1) * 2; rest > 0; at++, rest = Math.floor(rest / 128))
    bytes[at] = (rest % 128) | (rest > 127 ? 128 : 0);
  expect(() => new Row(table, bytes, 0, bytes.length, null).values()).toThrow(
    expect.objectContaining({ code: 'VALUE_OUT_OF_RANGE', context: { table: 's.t' } }) as Error,
  );
});

test('a row knows what it weighs', () => {
  expect(rowOf(tableOf([3]), [null, null, null, 1]).byteLength).toBe(4);
});
