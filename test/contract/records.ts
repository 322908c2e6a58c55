import type { DataType } from '../../shared/record/data-type.ts';
import type { RowRecord, TruncateRecord } from '../../shared/record/record.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { type ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import type { Value } from '../../shared/record/value.ts';

export interface ColumnSpec {
  readonly type: DataType;
  readonly nullable?: boolean;
}

export interface TableSpec {
  readonly schema?: string;
  readonly name: string;
  readonly columns: Readonly<Record<string, ColumnSpec | DataType['kind']>>;
  readonly key?: readonly string[];
}

/** A table as tests write it down: columns by name, nullable unless they are of the key. */
export function tableOf({ schema = 'public', name, columns, key = [] }: TableSpec): TableSchema {
  const names = Object.keys(columns);
  const definitions = Object.entries(columns).map(([column, spec]): ColumnDef => {
    const { type, nullable = !key.includes(column) } = typeof spec === 'string' ? { type: typeOf(spec) } : spec;
    return { name: column, dataType: type, nullable, nativeType: type.kind };
  });
  return new TableSchema({ database: 'shop', schema, name, columns: definitions, key: key.map((column) => names.indexOf(column)) });
}

function typeOf(kind: DataType['kind']): DataType {
  switch (kind) {
    case 'decimal':
      return { kind, precision: 12, scale: 2 };
    case 'enum':
      return { kind, values: ['new', 'paid', 'shipped'] };
    case 'time':
    case 'timestamp':
    case 'timestampTz':
      return { kind, unit: 'micros' };
    case 'array':
      return { kind, element: { kind: 'int32' } };
    default:
      return { kind };
  }
}

/** One value a column; what is left out is null. */
export type Values = Readonly<Record<string, Value>>;

/** Makes the changes of one table, each with the next version. Versions of different tables do not meet. */
export class Changes {
  readonly #writer = new RowWriter();
  #table: TableSchema;
  #version: number;

  constructor(table: TableSchema, firstVersion = 1_700_000_000_000_000) {
    this.#table = table;
    this.#version = firstVersion;
  }

  get table(): TableSchema {
    return this.#table;
  }

  get version(): number {
    return this.#version;
  }

  /** From here on rows have this schema. */
  alter(table: TableSchema): void {
    this.#table = table;
  }

  insert(after: Values): RowRecord {
    return this.#row('insert', null, after);
  }

  read(after: Values): RowRecord {
    return this.#row('read', null, after);
  }

  update(after: Values, before: Values | null = null): RowRecord {
    return this.#row('update', before, after);
  }

  /** With the key alone, or the whole old row. */
  delete(before: Values): RowRecord {
    return this.#row('delete', before, null);
  }

  truncate(): TruncateRecord {
    return { kind: 'truncate', table: this.#table, ...this.#next() };
  }

  #row(kind: RowRecord['kind'], before: Values | null, after: Values | null): RowRecord {
    return { kind, table: this.#table, before: this.#image(before), after: this.#image(after), ...this.#next() };
  }

  #image(values: Values | null) {
    if (values === null) return null;
    return this.#writer.row(
      this.#table,
      this.#table.columns.map(({ name }) => values[name] ?? null),
    );
  }

  #next() {
    this.#version += 1;
    return { version: this.#version, committedAtMicros: this.#version, position: { transaction: String(this.#version), ordinal: 1 } };
  }
}
