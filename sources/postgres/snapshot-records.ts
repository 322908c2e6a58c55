import type { CdcRecord, RowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';

/** Rows, of which there are so many. */
export type ReadRows = Iterable<Row> & { readonly length: number };

export function schemaRecord(table: TableSchema, transaction: string): CdcRecord {
  return { kind: 'schemaChange', table, position: { transaction, ordinal: 0 } };
}

export function truncateRecord(table: TableSchema, transaction: string): CdcRecord {
  return { kind: 'truncate', table, position: { transaction, ordinal: 0 }, committedAtMicros: 0, version: 0 };
}

/** Rows that were read, numbered from `first` at a place of the stream; each becomes a record when it is come to. */
export class ReadRecords implements Iterable<RowRecord> {
  readonly #rows: ReadRows;
  readonly #transaction: string;
  readonly #first: number;
  readonly #committedAtMicros = Date.now() * 1000;

  constructor(rows: ReadRows, transaction: string, first = 0) {
    this.#rows = rows;
    this.#transaction = transaction;
    this.#first = first;
  }

  get length(): number {
    return this.#rows.length;
  }

  *[Symbol.iterator](): Generator<RowRecord, void> {
    const [transaction, committedAtMicros] = [this.#transaction, this.#committedAtMicros];
    let ordinal = this.#first;
    for (const row of this.#rows) {
      yield { kind: 'read', table: row.table, before: null, after: row, position: { transaction, ordinal: ++ordinal }, committedAtMicros, version: 0 };
    }
  }
}

/** Rows that were asked for and are not there, by their keys. */
export class AbsentRecords implements Iterable<RowRecord> {
  readonly #keys: ReadRecords;

  constructor(keys: ReadRows, transaction: string) {
    this.#keys = new ReadRecords(keys, transaction);
  }

  get length(): number {
    return this.#keys.length;
  }

  *[Symbol.iterator](): Generator<RowRecord, void> {
    for (const record of this.#keys) yield { ...record, before: record.after, after: null };
  }
}
