import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { LogEntry, TableEntry } from './parser.ts';
import { formatPlace } from './positions.ts';
import { toTableSchema, toValue } from './types.ts';

/** A transaction that has ended: its commit's ordinal, and where the log goes on. */
export interface TransactionEnd {
  readonly transaction: string;
  readonly ordinal: number;
  readonly next: number;
}

type ChangeEntry = Extract<LogEntry, { kind: 'insert' | 'update' | 'delete' }>;

/** Turns entries of the log into records. Changes of tables that were not asked for count in the ordinals, and do not come. */
export class ChangeReader {
  readonly #wanted: ReadonlySet<string>;
  readonly #schemas: Map<string, TableSchema>;
  readonly #writer = new RowWriter();
  #place = 0;
  #ordinal = 0;
  #committedAtMicros = 0;

  /** The tables as they were announced. */
  constructor(tables: readonly TableSchema[]) {
    this.#wanted = new Set(tables.map(({ name }) => name));
    this.#schemas = new Map(tables.map((table) => [table.name, table]));
  }

  read(entry: Exclude<LogEntry, { kind: 'mark' }>, index: number): CdcRecord[] {
    switch (entry.kind) {
      case 'begin':
        [this.#place, this.#ordinal, this.#committedAtMicros] = [index, 0, entry.committedAtMicros];
        return [{ kind: 'begin', xid: String(index), ...this.#common() }];
      case 'table':
        return this.#wanted.has(entry.name) ? this.#describe(entry) : [];
      case 'commit':
        this.#ordinal++;
        return [{ kind: 'commit', xid: String(this.#place), ...this.#common() }];
      default:
        this.#ordinal++;
        return this.#wanted.has(entry.table) ? [this.#change(entry)] : [];
    }
  }

  /** The transaction under way, by the place of its begin. */
  get transaction(): number {
    return this.#place;
  }

  endAt(index: number): TransactionEnd {
    return { transaction: formatPlace(this.#place), ordinal: this.#ordinal, next: index + 1 };
  }

  #describe(entry: TableEntry): CdcRecord[] {
    const schema = toTableSchema(entry);
    if (schema === undefined) throw new CdcError('TYPE_UNSUPPORTED', `A column of public.${entry.name} has a type that cannot be carried.`);
    if (this.#schemas.get(entry.name)?.fingerprint === schema.fingerprint) return [];
    this.#schemas.set(entry.name, schema);
    return [{ kind: 'schemaChange', table: schema, position: this.#common().position }];
  }

  #change({ kind, table: name, cells }: ChangeEntry): CdcRecord {
    const table = this.#schemas.get(name);
    if (table === undefined) throw new CdcError('PARSE_FAILED', `A change of ${name} came before its description.`);
    const row = this.#row(table, cells);
    const [before, after] = kind === 'delete' ? [row, null] : [null, row];
    return { kind, table, before, after, version: 0, ...this.#common() };
  }

  #row(table: TableSchema, cells: readonly (string | null)[]): Row {
    return this.#writer.row(
      table,
      cells.map((cell, index) => toValue(table.column(index).dataType, cell)),
    );
  }

  #common() {
    return { position: { transaction: formatPlace(this.#place), ordinal: this.#ordinal }, committedAtMicros: this.#committedAtMicros };
  }
}
