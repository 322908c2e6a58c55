import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomTables } from '../../test/random-rows.ts';
import { packRecords } from './pack-records.ts';
import { KIND_CODES, PackedChanges } from './packed-changes.ts';
import { type CdcRecord, type ChangeRecord, isRowRecord } from './record.ts';
import { RowWriter } from './row-writer.ts';
import type { TableSchema } from './table-schema.ts';
import type { Value } from './value.ts';

const kinds = fc.constantFrom<ChangeRecord['kind']>('insert', 'update', 'delete', 'read', 'truncate');

/** Changes of two tables, one after the other, and where they are cut. */
const histories = fc.record({
  tables: fc.tuple(randomTables(), randomTables()),
  steps: fc.array(fc.tuple(kinds, fc.nat(20)), { maxLength: 12 }),
  from: fc.nat(12),
  end: fc.nat(12),
});

function changeOf(kind: ChangeRecord['kind'], table: TableSchema, rows: readonly (readonly Value[])[], ordinal: number): ChangeRecord {
  const base = { table, position: { transaction: `tx-${ordinal}`, ordinal }, committedAtMicros: 1_700_000_000_000_000 + ordinal, version: 2 ** 52 + ordinal };
  if (kind === 'truncate') return { kind, ...base };
  const row = new RowWriter(256).row(table, rows[ordinal % rows.length] ?? []);
  const before = kind === 'insert' || kind === 'read' ? null : row;
  return { kind, ...base, before, after: kind === 'delete' ? null : row };
}

function seen(record: CdcRecord | undefined): unknown {
  if (record === undefined || (record.kind !== 'truncate' && !isRowRecord(record))) return record;
  const { kind, table, position, committedAtMicros, version } = record;
  const rows =
    record.kind === 'truncate' ? [] : [record.before, record.after].map((row) => (row === null ? null : { values: row.values(), unchanged: row.unchanged }));
  return { kind, table: table.fingerprint, position, committedAtMicros, version, rows };
}

test('changes are the same when they are packed, cut and joined', () => {
  fc.assert(
    fc.property(histories, ({ tables, steps, from, end }) => {
      const records = steps.map(([kind, pick], ordinal) => {
        const { table, rows } = tables[ordinal * 2 < steps.length ? 0 : 1];
        return changeOf(kind, table, rows, ordinal + pick);
      });
      const packed = packRecords(records);
      expect(packed.length).toBe(records.length);
      expect(Array.from(packed, seen)).toEqual(records.map(seen));
      for (let place = -records.length - 1; place <= records.length; place++) expect(seen(packed.at(place))).toEqual(seen(records.at(place)));
      expect(Array.from(packed.slice(from, end), seen)).toEqual(records.slice(from, end).map(seen));
      const joined = PackedChanges.join([packed.slice(from), packed.slice(0, from)]);
      expect(Array.from(joined, seen)).toEqual([...records.slice(from), ...records.slice(0, from)].map(seen));
      for (const [kind, code] of Object.entries(KIND_CODES)) expect(packed.has(code)).toBe(records.some((record) => record.kind === kind));
    }),
    { numRuns: 200 },
  );
});

test('parts of one table each are told apart by the object that a table is', () => {
  const [one, other] = fc.sample(randomTables(), { numRuns: 2, seed: 1 }).map(({ table }) => table) as [TableSchema, TableSchema];
  const truncates = [one, one, other, one].map((table, ordinal) => changeOf('truncate', table, [], ordinal));
  const parts = PackedChanges.join(truncates.map((record) => packRecords([record]))).byTable();
  expect(parts.map(({ length, runs }) => [length, runs[0]?.table === one])).toEqual([
    [2, true],
    [1, false],
    [1, true],
  ]);
  expect(packRecords([]).byTable()).toEqual([]);
});

test('what is no change is left out', () => {
  const position = { transaction: 'a', ordinal: 0 };
  expect(
    packRecords([
      { kind: 'heartbeat', position },
      { kind: 'begin', xid: '1', committedAtMicros: 0, position },
    ]).length,
  ).toBe(0);
});
