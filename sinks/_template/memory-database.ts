import { type Cell, toColumn } from './types.ts';

/**
 * Stands in for a driver and the server behind it: tables in the memory of this process, which outlive connections.
 * In a real connector this file is a package from npm; delete it.
 */
export type Cells = ReadonlyMap<string, Cell>;

export interface StoredTable {
  readonly columns: ReadonlyMap<string, string>;
  readonly key: readonly string[];
  readonly rows: Map<string, Cells>;
  /** Versions at which rows were deleted, by the row's identity. */
  readonly deleted: Map<string, number>;
  truncatedBelow: number;
  /** Of the changes that were carried out, in a table without a key. */
  highestVersion: number;
}

export type Statement = (table: StoredTable) => void;

export class MemoryError extends Error {
  readonly code: 'connection_closed' | 'table_full' | 'no_such_table';

  constructor(code: MemoryError['code']) {
    super(code.replaceAll('_', ' '));
    this.code = code;
  }
}

const DATABASES = new Map<string, Map<string, StoredTable>>();

export class MemoryConnection {
  readonly #tables: Map<string, StoredTable>;
  readonly #maxRows: number;
  #isClosed = false;

  constructor(database: string, maxRows: number) {
    this.#tables = DATABASES.get(database) ?? new Map<string, StoredTable>();
    this.#maxRows = maxRows;
    DATABASES.set(database, this.#tables);
  }

  async serverVersion(): Promise<number> {
    this.#checkOpen();
    return 1;
  }

  async describe(name: string): Promise<StoredTable | undefined> {
    this.#checkOpen();
    return this.#tables.get(name);
  }

  async create(name: string, columns: ReadonlyMap<string, string>, key: readonly string[]): Promise<void> {
    this.#checkOpen();
    this.#tables.set(name, { columns, key, rows: new Map(), deleted: new Map(), truncatedBelow: 0, highestVersion: 0 });
  }

  async alter(name: string, changes: ReadonlyMap<string, string>): Promise<void> {
    const table = this.#table(name);
    const columns = new Map([...table.columns, ...changes]);
    const rows = [...table.rows].map(([id, row]): [string, Cells] => [
      id,
      new Map([...row].map(([column, cell]) => [column, toColumn(cell, columns.get(column) ?? '')])),
    ]);
    this.#tables.set(name, { ...table, columns, rows: new Map(rows) });
  }

  /** All statements or none. */
  async run(name: string, statements: readonly Statement[]): Promise<void> {
    const table = this.#table(name);
    const copy = { ...table, rows: new Map(table.rows), deleted: new Map(table.deleted) };
    for (const statement of statements) statement(copy);
    if (copy.rows.size > this.#maxRows) throw new MemoryError('table_full');
    this.#tables.set(name, copy);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #table(name: string): StoredTable {
    this.#checkOpen();
    const table = this.#tables.get(name);
    if (table === undefined) throw new MemoryError('no_such_table');
    return table;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new MemoryError('connection_closed');
  }
}
