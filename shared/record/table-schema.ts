import { type DataType, type Encoding, encodingOf, isMillis, scaleOf } from './data-type.ts';
import { skipCodeOf } from './skip-code.ts';

export interface TableRef {
  readonly schema: string;
  readonly name: string;
}

export interface ColumnDef {
  readonly name: string;
  readonly dataType: DataType;
  readonly nullable: boolean;
  /** The database's own declaration, for instance `varchar(40)`. */
  readonly nativeType: string;
}

/** What a reader or writer of rows needs of a column, worked out once per table. */
export interface ColumnLayout {
  readonly encoding: Encoding;
  /** A key column is written plain; every other column is preceded by a branch: absent or present. */
  readonly isKey: boolean;
  readonly scale: number;
  readonly isMillis: boolean;
  readonly type: DataType;
}

/**
 * One version of one table: shared by reference by all of its rows.
 *
 * A changed table is a new `TableSchema`; comparing `fingerprint` tells whether two say the same.
 */
export class TableSchema {
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDef[];
  /** Indexes into `columns`, in key order; empty for a table without a key. */
  readonly key: readonly number[];
  readonly layout: readonly ColumnLayout[];
  /** How to pass over each column (`skipCodeOf`), inverted for key columns, which have no branch before them. */
  readonly skips: Int8Array;
  /** The place of each column in the key, -1 for the others. */
  readonly keyPlaces: Int16Array;
  readonly fingerprint: string;
  /** `schema.name`, as settings, messages and topics write it. */
  readonly qualifiedName: string;

  constructor(definition: TableDefinition) {
    this.database = definition.database;
    this.schema = definition.schema;
    this.name = definition.name;
    this.columns = definition.columns;
    this.key = definition.key;
    this.layout = definition.columns.map((column, index) => layoutOf(column, definition.key.includes(index)));
    this.skips = Int8Array.from(this.layout, ({ type, isKey }) => (isKey ? ~skipCodeOf(type) : skipCodeOf(type)));
    this.keyPlaces = Int16Array.from(this.columns, (_, index) => definition.key.indexOf(index));
    this.qualifiedName = `${definition.schema}.${definition.name}`;
    this.fingerprint = JSON.stringify([this.database, this.schema, this.name, this.columns, this.key]);
  }

  get ref(): TableRef {
    return { schema: this.schema, name: this.name };
  }

  get keyColumns(): readonly ColumnDef[] {
    return this.key.map((index) => this.column(index));
  }

  column(index: number): ColumnDef {
    const column = this.columns[index];
    if (column === undefined) throw new RangeError(`${this.qualifiedName} has no column ${index}`);
    return column;
  }
}

export interface TableDefinition {
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDef[];
  readonly key: readonly number[];
}

function layoutOf(column: ColumnDef, isKey: boolean): ColumnLayout {
  const type = column.dataType;
  return { encoding: encodingOf(type), isKey, scale: scaleOf(type), isMillis: isMillis(type), type };
}
