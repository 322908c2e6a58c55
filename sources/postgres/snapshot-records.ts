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

export interface ReadOptions {
  /** They are numbered from here; from 0 where nothing is said. */
  readonly first?: number | undefined;
  /** They were asked for by their keys, and are not there. */
  readonly areAbsent?: boolean | undefined;
}

/** Rows that were read at a place of the stream; each becomes a record when it is come to. */
export class ReadRecords implements Iterable<RowRecord> {
  readonly #rows: ReadRows;
  readonly #transaction: string;
  readonly #first: number;
  readonly #areAbsent: boolean;
  readonly #committedAtMicros = Date.now() * 1000;

  constructor(rows: ReadRows, transaction: string, { first = 0, areAbsent = false }: ReadOptions = {}) {
    this.#rows = rows;
    this.#transaction = transaction;
    this.#first = first;
    this.#areAbsent = areAbsent;
  }

  get length(): number {
    return this.#rows.length;
  }

  *[Symbol.iterator](): Generator<RowRecord, void> {
    const [transaction, committedAtMicros] = [this.#transaction, this.#committedAtMicros];
    let ordinal = this.#first;
    for (const row of this.#rows) {
      const [before, after] = this.#areAbsent ? [row, null] : [null, row];
      yield { kind: 'read', table: row.table, before, after, position: { transaction, ordinal: ++ordinal }, committedAtMicros, version: 0 };
    }
  }
}
