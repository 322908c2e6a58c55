import type { SourcePosition } from './position.ts';
import type { Row } from './row.ts';
import type { TableSchema } from './table-schema.ts';

/**
 * One step of a source's log, normalised: what connectors speak on both sides.
 *
 * Order: `begin`, the row changes of that transaction, `commit`; `read` (snapshot), `schemaChange` and `heartbeat`
 * stand outside of transactions, but may come between the records of one.
 */
export type CdcRecord = RowRecord | TruncateRecord | SchemaChangeRecord | BeginRecord | CommitRecord | HeartbeatRecord;

export type RowKind = 'insert' | 'update' | 'delete' | 'read';

/**
 * A row change, or a row read by a snapshot. All four kinds share one shape, so that hot loops stay monomorphic.
 *
 * | kind | before | after |
 * |---|---|---|
 * | insert | null | the row |
 * | read | null | the row |
 * | read, of a row that was asked for and is not there | its key columns (the others null) | null |
 * | update | the old row where the source gave it (REPLICA IDENTITY FULL, a changed key), else null | the row |
 * | delete | the old row, or only its key columns (the others null) | null |
 */
export interface RowRecord {
  readonly kind: RowKind;
  readonly table: TableSchema;
  readonly before: Row | null;
  readonly after: Row | null;
  readonly position: SourcePosition;
  /** When the database committed the change, in microseconds since 1970; 0 where it did not say. */
  readonly committedAtMicros: number;
  /** `row_version` of the topics: strictly increasing in the order of publication; 0 before publication. */
  readonly version: number;
}

/** Every row of the table with a lower version is gone. */
export interface TruncateRecord {
  readonly kind: 'truncate';
  readonly table: TableSchema;
  readonly position: SourcePosition;
  readonly committedAtMicros: number;
  readonly version: number;
}

/** Records in order: an array is one, and so is what keeps them in less memory (`PackedChanges`). */
export interface Records extends Iterable<CdcRecord> {
  readonly length: number;
  /** A negative place counts from the end. */
  at(place: number): CdcRecord | undefined;
}

/** What a table topic holds, and so what sinks are given. */
export type ChangeRecord = RowRecord | TruncateRecord;

/** From here on the rows of the table have this schema. */
export interface SchemaChangeRecord {
  readonly kind: 'schemaChange';
  readonly table: TableSchema;
  readonly position: SourcePosition;
}

export interface BeginRecord {
  readonly kind: 'begin';
  readonly xid: string;
  readonly committedAtMicros: number;
  readonly position: SourcePosition;
}

export interface CommitRecord {
  readonly kind: 'commit';
  readonly xid: string;
  readonly committedAtMicros: number;
  readonly position: SourcePosition;
}

export interface HeartbeatRecord {
  readonly kind: 'heartbeat';
  readonly position: SourcePosition;
}

export function isChange(record: CdcRecord): record is ChangeRecord {
  return record.kind === 'truncate' || isRowRecord(record);
}

/** The table of a batch. */
export function tableOf(records: Iterable<CdcRecord>): TableSchema | undefined {
  for (const record of records) if ('table' in record) return record.table;
  return undefined;
}

export function isRowRecord(record: CdcRecord): record is RowRecord {
  switch (record.kind) {
    case 'insert':
    case 'update':
    case 'delete':
    case 'read':
      return true;
    default:
      return false;
  }
}
