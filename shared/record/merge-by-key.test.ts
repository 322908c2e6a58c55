import { describe, expect, test } from 'vitest';
import { mergeByKey } from './merge-by-key.ts';
import type { CdcRecord, RowKind } from './record.ts';
import { RowWriter } from './row-writer.ts';
import { TableSchema } from './table-schema.ts';
import { UNCHANGED, type Value } from './value.ts';

const COLUMNS = [
  { name: 'id', dataType: { kind: 'int32' }, nullable: false, nativeType: 'int4' },
  { name: 'name', dataType: { kind: 'text' }, nullable: true, nativeType: 'text' },
  { name: 'large', dataType: { kind: 'text' }, nullable: true, nativeType: 'text' },
] as const;
const TABLE = new TableSchema({ database: 'd', schema: 'public', name: 't', columns: COLUMNS, key: [0] });
const KEYLESS = new TableSchema({ database: 'd', schema: 'public', name: 't', columns: COLUMNS, key: [] });

const writer = new RowWriter();

function change(kind: RowKind, version: number, values: readonly Value[], table = TABLE): CdcRecord {
  const row = writer.row(table, values);
  const [before, after] = kind === 'delete' ? [row, null] : [null, row];
  return { kind, table, before, after, position: { transaction: 'a', ordinal: version }, committedAtMicros: 0, version };
}

function truncate(version: number): CdcRecord {
  return { kind: 'truncate', table: TABLE, position: { transaction: 'a', ordinal: version }, committedAtMicros: 0, version };
}

function states(records: readonly CdcRecord[]): readonly (readonly [version: number, isDeleted: boolean, values: readonly Value[]])[] {
  return mergeByKey(records).rows.map(({ record, isDeleted, values }) => [record.version, isDeleted, values]);
}

describe('the last state of each row is left', () => {
  test('in the order in which rows were first seen', () => {
    const batch = [change('insert', 1, [1, 'a', 'x']), change('insert', 2, [2, 'b', 'y']), change('update', 3, [1, 'c', 'z'])];
    expect(states(batch)).toEqual([
      [3, false, [1, 'c', 'z']],
      [2, false, [2, 'b', 'y']],
    ]);
  });

  test('a row that came and went is deleted, and its key is known', () => {
    expect(states([change('insert', 1, [1, 'a', 'x']), change('delete', 2, [1, null, null])])).toEqual([[2, true, [1, null, null]]]);
  });

  test('a row that went and came again is there', () => {
    expect(states([change('delete', 1, [1, null, null]), change('insert', 2, [1, 'a', 'x'])])).toEqual([[2, false, [1, 'a', 'x']]]);
  });

  test('a snapshot read counts as a state', () => {
    expect(states([change('update', 1, [1, 'a', 'x']), change('read', 2, [1, 'b', 'y'])])).toEqual([[2, false, [1, 'b', 'y']]]);
  });

  test('of an empty batch nothing is left', () => {
    expect(mergeByKey([])).toEqual({ truncatedBelow: 0, rows: [] });
  });

  test('records that are no rows are passed over', () => {
    const position = { transaction: 'a', ordinal: 0 };
    const others: readonly CdcRecord[] = [
      { kind: 'begin', xid: '1', committedAtMicros: 0, position },
      { kind: 'schemaChange', table: TABLE, position },
      { kind: 'heartbeat', position },
      { kind: 'commit', xid: '1', committedAtMicros: 0, position },
    ];
    expect(states([...others, change('insert', 1, [1, 'a', 'x'])])).toHaveLength(1);
  });
});

describe('an unchanged value', () => {
  test('is taken from the record before', () => {
    expect(states([change('insert', 1, [1, 'a', 'large']), change('update', 2, [1, 'b', UNCHANGED])])).toEqual([[2, false, [1, 'b', 'large']]]);
  });

  test('is taken through several records that do not have it', () => {
    const batch = [change('insert', 1, [1, 'a', 'large']), change('update', 2, [1, 'b', UNCHANGED]), change('update', 3, [1, 'c', UNCHANGED])];
    expect(states(batch)).toEqual([[3, false, [1, 'c', 'large']]]);
  });

  test('that was null before is null', () => {
    expect(states([change('insert', 1, [1, 'a', null]), change('update', 2, [1, 'b', UNCHANGED])])).toEqual([[2, false, [1, 'b', null]]]);
  });

  test('stays unknown where the batch does not have it, and never becomes null', () => {
    expect(states([change('update', 1, [1, 'a', UNCHANGED]), change('update', 2, [1, UNCHANGED, UNCHANGED])])).toEqual([[2, false, [1, 'a', UNCHANGED]]]);
  });

  test('is not taken from a row that was deleted meanwhile', () => {
    const batch = [change('insert', 1, [1, 'a', 'old']), change('delete', 2, [1, null, null]), change('insert', 3, [1, 'b', UNCHANGED])];
    expect(states(batch)).toEqual([[3, false, [1, 'b', UNCHANGED]]]);
  });
});

describe('a truncate', () => {
  test('drops what came before it, and tells the version', () => {
    const merged = mergeByKey([change('insert', 1, [1, 'a', 'x']), truncate(2), change('insert', 3, [2, 'b', 'y'])]);
    expect(merged.truncatedBelow).toBe(2);
    expect(merged.rows.map(({ record }) => record.version)).toEqual([3]);
  });

  test('spares rows of a later version that another partition brought first', () => {
    const merged = mergeByKey([change('insert', 5, [1, 'a', 'x']), change('insert', 1, [2, 'b', 'y']), truncate(3)]);
    expect(merged.rows.map(({ record }) => record.version)).toEqual([5]);
  });

  test('drops rows of an earlier version that another partition brings afterwards', () => {
    expect(mergeByKey([truncate(3), change('insert', 1, [2, 'b', 'y'])]).rows).toEqual([]);
  });

  test('that stands in several partitions is one; of several the latest counts', () => {
    expect(mergeByKey([truncate(7), truncate(7), truncate(4)])).toEqual({ truncatedBelow: 7, rows: [] });
  });

  test('forgets values that only the dropped records had', () => {
    expect(states([change('insert', 1, [1, 'a', 'old']), truncate(2), change('insert', 3, [1, 'b', UNCHANGED])])).toEqual([[3, false, [1, 'b', UNCHANGED]]]);
  });
});

test('of a table without a key nothing is merged, not even equal rows', () => {
  const batch = [change('insert', 1, [1, 'a', 'x'], KEYLESS), change('insert', 2, [1, 'a', 'x'], KEYLESS), change('delete', 3, [1, 'a', 'x'], KEYLESS)];
  expect(states(batch).map(([version, isDeleted]) => [version, isDeleted])).toEqual([
    [1, false],
    [2, false],
    [3, true],
  ]);
});

test('a change without any row is refused, in so many words', () => {
  const empty: CdcRecord = {
    kind: 'delete',
    table: TABLE,
    before: null,
    after: null,
    position: { transaction: 'a', ordinal: 1 },
    committedAtMicros: 0,
    version: 1,
  };
  expect(() => mergeByKey([empty])).toThrow('a delete of public.t without a row');
});
