/**
 * Stands in for a driver and the server behind it: a database in the memory of this process, with a log of bytes and
 * with slots that keep it. In a real connector this file is a package from npm; delete it.
 */
export type Cell = string | null;

export interface MemoryTable {
  readonly name: string;
  /** Types by name, in order. */
  readonly columns: ReadonlyMap<string, string>;
  readonly key: string;
  /** Cells in the order of the columns, by key. */
  readonly rows: Map<string, readonly Cell[]>;
}

export type MemoryChange =
  | { readonly kind: 'insert' | 'update'; readonly table: string; readonly cells: Readonly<Record<string, Cell>> }
  | { readonly kind: 'delete'; readonly table: string; readonly key: string };

export class MemoryError extends Error {
  readonly code: 'no_such_database' | 'log_removed';

  constructor(code: MemoryError['code']) {
    super(code.replaceAll('_', ' '));
    this.code = code;
  }
}

const DATABASES = new Map<string, MemoryDatabase>();

export class MemoryDatabase {
  readonly tables = new Map<string, MemoryTable>();
  readonly #log: Buffer[] = [];
  readonly #slots = new Map<string, number>();
  #news = Promise.withResolvers<void>();

  static create(name: string): MemoryDatabase {
    const database = new MemoryDatabase();
    DATABASES.set(name, database);
    return database;
  }

  static drop(name: string): void {
    DATABASES.delete(name);
  }

  static connect(name: string): MemoryDatabase {
    const database = DATABASES.get(name);
    if (database === undefined) throw new MemoryError('no_such_database');
    return database;
  }

  createTable(name: string, columns: Readonly<Record<string, string>>, key: string): void {
    this.tables.set(name, { name, columns: new Map(Object.entries(columns)), key, rows: new Map() });
  }

  addColumn(name: string, column: string, type: string): void {
    const table = this.#table(name);
    const rows = [...table.rows].map(([key, cells]): [string, readonly Cell[]] => [key, [...cells, null]]);
    this.tables.set(name, { ...table, columns: new Map([...table.columns, [column, type]]), rows: new Map(rows) });
  }

  /** One transaction: a table is described in it before its first change. */
  commit(changes: readonly MemoryChange[]): void {
    this.#append(['begin', Date.now() * 1000]);
    const described = new Set<string>();
    for (const change of changes) {
      const table = this.#table(change.table);
      if (!described.has(table.name)) this.#append(['table', table.name, [...table.columns], table.key]);
      described.add(table.name);
      this.#append([change.kind, table.name, applyChange(table, change)]);
    }
    this.#append(['commit']);
  }

  /** Something of the reader's own, which comes back to it on the log. */
  mark(id: string): void {
    this.#append(['mark', id]);
  }

  /** Where the log ends. */
  get end(): number {
    return this.#log.length;
  }

  slot(name: string): number | undefined {
    return this.#slots.get(name);
  }

  /** The log is kept from here on; without a place it is let go. */
  keep(name: string, from: number | undefined): void {
    if (from === undefined) this.#slots.delete(name);
    else this.#slots.set(name, from);
  }

  /** An entry of the log; undefined at its end. */
  read(slot: string, index: number): Buffer | undefined {
    const kept = this.#slots.get(slot);
    if (kept === undefined || index < kept) throw new MemoryError('log_removed');
    return this.#log[index];
  }

  /** Resolves with the next entry that is appended. */
  get news(): Promise<void> {
    return this.#news.promise;
  }

  #table(name: string): MemoryTable {
    const table = this.tables.get(name);
    if (table === undefined) throw new TypeError(`no table ${name}`);
    return table;
  }

  #append(entry: readonly unknown[]): void {
    this.#log.push(Buffer.from(JSON.stringify(entry)));
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

function applyChange({ columns, key, rows }: MemoryTable, change: MemoryChange): readonly Cell[] {
  const names = [...columns.keys()];
  if (change.kind === 'delete') {
    rows.delete(change.key);
    return names.map((name) => (name === key ? change.key : null));
  }
  const cells = names.map((name) => change.cells[name] ?? null);
  rows.set(String(change.cells[key]), cells);
  return cells;
}
