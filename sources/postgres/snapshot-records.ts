import type { CdcRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';

/** What a row weighs in memory beside its bytes. */
export const ROW_OVERHEAD_BYTES = 200;

export function schemaRecord(table: TableSchema, transaction: string): CdcRecord {
  return { kind: 'schemaChange', table, position: { transaction, ordinal: 0 } };
}

export function truncateRecord(table: TableSchema, transaction: string): CdcRecord {
  return { kind: 'truncate', table, position: { transaction, ordinal: 0 }, committedAtMicros: 0, version: 0 };
}

/** Rows that were read, numbered from `first` at a place of the stream. */
export function readRecords(rows: readonly Row[], transaction: string, first = 0): CdcRecord[] {
  const committedAtMicros = Date.now() * 1000;
  return rows.map((row, index) => ({
    kind: 'read',
    table: row.table,
    before: null,
    after: row,
    position: { transaction, ordinal: first + index + 1 },
    committedAtMicros,
    version: 0,
  }));
}
