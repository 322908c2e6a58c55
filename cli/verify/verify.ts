import type { Client } from 'pg';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import { type CatalogTable, describeTables, toTableVersion } from '../../sources/postgres/catalog.ts';
import { matchesPattern, type PostgresSourceConfig } from '../../sources/postgres/config.ts';
import { LIST_TABLES } from '../../sources/postgres/statements.ts';
import { type CanonicalRow, type Comparison, compareRows, type ComparisonPlan } from './compare-rows.ts';
import { type CompareRows, isSortable, rowComparer, sortKindOf, sortTies } from './key-order.ts';
import { connectReader, readPostgres, toReaderError } from './postgres-rows.ts';
import type { RowsWanted, VerifyTarget } from './verify-target.ts';

export interface TableReport extends Comparison {
  /** `schema.name` in the source. */
  readonly table: string;
  /** What stands in the way of a comparison row by row; such a table counts as one difference at least. */
  readonly problem?: string | undefined;
}

export interface VerifyReport {
  readonly target: string;
  readonly tables: readonly TableReport[];
  readonly rows: number;
  readonly differences: number;
}

export interface VerifyOptions {
  readonly source: PostgresSourceConfig;
  readonly target: VerifyTarget;
  /** Only these, as `schema.table`; all if not given. */
  readonly only?: ReadonlySet<string>;
  /** Told of every difference of a table; undefined where nobody wants to know. */
  readonly differencesOf?: (table: TableSchema) => ComparisonPlan['onDifference'];
  /** Called as each table is done. */
  readonly onTable?: (report: TableReport) => void;
}

/**
 * Compares tables of a source with what a sink has made of them: the number of rows, a checksum over all cells, and
 * row by row, in memory that does not grow with the tables. What is written meanwhile shows as a difference: stop the
 * writers and let the sink catch up first.
 */
export async function verify({ source, target, only, differencesOf, onTable }: VerifyOptions): Promise<VerifyReport> {
  const client = await connectReader({ ...source, setting: 'SOURCE_URL' });
  try {
    const tables = await findTables(client, source);
    const reports: TableReport[] = [];
    for (const { table, isPartitioned } of tables) {
      if (only?.has(table.qualifiedName) === false) continue;
      const onDifference = differencesOf?.(table);
      const report = await verifyTable(client, { table, isAlone: !isPartitioned, target, where: source.filters.get(table.qualifiedName), onDifference });
      reports.push(report);
      onTable?.(report);
    }
    return reportOf(target.name, reports);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export function reportOf(target: string, tables: readonly TableReport[]): VerifyReport {
  const sum = (count: (report: TableReport) => number): number => tables.reduce((total, report) => total + count(report), 0);
  return { target, tables, rows: sum(({ rows }) => rows), differences: sum(({ differences }) => differences) };
}

interface FoundTable {
  readonly table: TableSchema;
  /** Its rows are those of its partitions; else those of tables that inherit from it are none of its own, for the log. */
  readonly isPartitioned: boolean;
}

async function findTables(client: Client, source: PostgresSourceConfig): Promise<readonly FoundTable[]> {
  const found = await catalogue(client, source);
  if (found.length === 0) throw new CdcError('TABLE_NOT_FOUND', `No table of the source fits TABLES=${source.tablePatterns.join(',')}.`);
  const { settings, keys } = source;
  // What is masked differs on purpose.
  const excluded = new Set([...source.excluded, ...source.masks.keys()]);
  const rules = {
    database: '',
    excluded,
    masks: new Map(),
    keys,
    published: new Map(),
    sendsGenerated: false,
    widensLists: false,
    decimals: settings.DECIMAL_HANDLING,
    timeUnit: settings.TIME_PRECISION,
    unknown: 'string',
  } as const;
  return found.map((table) => ({ table: toTableVersion(table, rules).table, isPartitioned: table.isPartitioned }));
}

async function catalogue(client: Client, source: PostgresSourceConfig): Promise<readonly CatalogTable[]> {
  try {
    const { rows } = await client.query<{ schema: string; name: string }>(LIST_TABLES);
    const wanted = rows.filter((table) => source.tablePatterns.some((pattern) => matchesPattern(pattern, table)));
    return await describeTables(client, wanted);
  } catch (error) {
    throw toReaderError(error, 'listing the tables of the source');
  }
}

interface Job {
  readonly table: TableSchema;
  readonly isAlone: boolean;
  readonly target: VerifyTarget;
  /** The rows that the source publishes. */
  readonly where: string | undefined;
  readonly onDifference: ComparisonPlan['onDifference'];
}

async function verifyTable(client: Client, { table, isAlone, target, where, onDifference }: Job): Promise<TableReport> {
  const rowsOf = (wanted: RowsWanted) => readPostgres(client, { table: table.ref, isAlone, where, ...wanted }, target.limits);
  return compareTable({ table, target, rowsOf, onDifference });
}

/** A table of one target with the same of another. */
export async function compareTables(table: TableSchema, live: VerifyTarget, side: VerifyTarget): Promise<TableReport> {
  const isThere = (await live.columnsOf(table.ref)) !== undefined;
  return compareTable({ table, target: side, rowsOf: (wanted) => (isThere ? live.rows(table.ref, wanted) : noRows()) });
}

interface TwoSides {
  readonly table: TableSchema;
  readonly target: VerifyTarget;
  /** The side that counts. */
  readonly rowsOf: (wanted: RowsWanted) => AsyncIterable<CanonicalRow>;
  readonly onDifference?: ComparisonPlan['onDifference'];
}

async function compareTable({ table, target, rowsOf, onDifference }: TwoSides): Promise<TableReport> {
  const keyColumns = table.key.length === 0 ? table.columns : table.keyColumns;
  const order = orderOf(table, keyColumns);
  const wanted = { columns: table.columns, sortedBy: keyColumns.filter(isSortable).map(({ name }) => name) };
  const sourceRows = () => order.sort(rowsOf(wanted));
  const present = await target.columnsOf(table.ref);
  const missing = table.columns.filter(({ name }) => present?.includes(name) !== true).map(({ name }) => name);
  const plan: ComparisonPlan = { columns: table.columns.map(({ name }) => name), key: keyColumns.map((column) => table.columns.indexOf(column)), ...order };
  if (missing.length === 0)
    return { table: table.qualifiedName, ...(await compareRows({ ...plan, onDifference }, sourceRows(), order.sort(target.rows(table.ref, wanted)))) };
  const problem =
    present === undefined ? 'the target has no such table' : `the target lacks ${missing.length === 1 ? 'column' : 'columns'} ${missing.join(', ')}`;
  const nothing = await compareRows(plan, sourceRows(), noRows());
  return { table: table.qualifiedName, ...nothing, differences: Math.max(1, nothing.differences), examples: [], problem };
}

interface Order {
  readonly compare: CompareRows;
  /** Brings rows into this order that a database has sorted as far as it can. */
  readonly sort: (rows: AsyncIterable<CanonicalRow>) => AsyncIterable<CanonicalRow>;
}

function orderOf(table: TableSchema, keyColumns: readonly ColumnDef[]): Order {
  const places = (columns: readonly ColumnDef[]) => columns.map((column) => ({ place: table.columns.indexOf(column), kind: sortKindOf(column.dataType) }));
  const bySorted = rowComparer(places(keyColumns.filter(isSortable)));
  if (keyColumns.every(isSortable)) return { compare: bySorted, sort: (rows) => rows };
  const byAll = rowComparer([...places(keyColumns.filter(isSortable)), ...places(keyColumns.filter((column) => !isSortable(column)))]);
  return { compare: byAll, sort: (rows) => sortTies(rows, bySorted, byAll) };
}

async function* noRows(): AsyncGenerator<never> {
  // A target without the table has none.
}
