import type { Client } from 'pg';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { type CatalogTable, describeTables, toTableVersion } from '../../sources/postgres/catalog.ts';
import { matchesPattern, type PostgresSourceConfig } from '../../sources/postgres/config.ts';
import { LIST_TABLES } from '../../sources/postgres/statements.ts';
import { type CanonicalRow, type Comparison, compareRows, type ComparisonPlan } from './compare-rows.ts';
import { rowComparer, sortKindOf } from './key-order.ts';
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
  /** Called as each table is done. */
  readonly onTable?: (report: TableReport) => void;
}

/**
 * Compares tables of a source with what a sink has made of them: the number of rows, a checksum over all cells, and
 * row by row, in memory that does not grow with the tables. What is written meanwhile shows as a difference: stop the
 * writers and let the sink catch up first.
 */
export async function verify({ source, target, onTable }: VerifyOptions): Promise<VerifyReport> {
  const client = await connectReader({ ...source, setting: 'SOURCE_URL' });
  try {
    const tables = await findTables(client, source);
    const reports: TableReport[] = [];
    for (const table of tables) {
      const report = await verifyTable(client, { table, target, where: source.filters.get(table.qualifiedName) });
      reports.push(report);
      onTable?.(report);
    }
    const sum = (count: (report: TableReport) => number): number => reports.reduce((total, report) => total + count(report), 0);
    return { target: target.name, tables: reports, rows: sum(({ rows }) => rows), differences: sum(({ differences }) => differences) };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function findTables(client: Client, source: PostgresSourceConfig): Promise<readonly TableSchema[]> {
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
  return found.map((table) => toTableVersion(table, rules).table);
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
  readonly target: VerifyTarget;
  /** The rows that the source publishes. */
  readonly where: string | undefined;
}

async function verifyTable(client: Client, { table, target, where }: Job): Promise<TableReport> {
  return compareTable(table, target, (wanted) => readPostgres(client, { table: table.ref, where, ...wanted }, target.limits));
}

/** A table of one target with the same of another. */
export async function compareTables(table: TableSchema, live: VerifyTarget, side: VerifyTarget): Promise<TableReport> {
  const isThere = (await live.columnsOf(table.ref)) !== undefined;
  return compareTable(table, side, (wanted) => (isThere ? live.rows(table.ref, wanted) : noRows()));
}

async function compareTable(table: TableSchema, target: VerifyTarget, rowsOf: (wanted: RowsWanted) => AsyncIterable<CanonicalRow>): Promise<TableReport> {
  const sortedBy = (table.key.length === 0 ? table.columns : table.keyColumns).map(({ name }) => name);
  const wanted = { columns: table.columns, sortedBy };
  const sourceRows = () => rowsOf(wanted);
  const present = await target.columnsOf(table.ref);
  const missing = table.columns.filter(({ name }) => present?.includes(name) !== true).map(({ name }) => name);
  const plan = planOf(table, sortedBy);
  if (missing.length === 0) return { table: table.qualifiedName, ...(await compareRows(plan, sourceRows(), target.rows(table.ref, wanted))) };
  const problem =
    present === undefined ? 'the target has no such table' : `the target lacks ${missing.length === 1 ? 'column' : 'columns'} ${missing.join(', ')}`;
  const nothing = await compareRows(plan, sourceRows(), noRows());
  return { table: table.qualifiedName, ...nothing, differences: Math.max(1, nothing.differences), examples: [], problem };
}

function planOf(table: TableSchema, sortedBy: readonly string[]): ComparisonPlan {
  const columns = table.columns.map(({ name }) => name);
  const key = sortedBy.map((name) => columns.indexOf(name));
  const compare = rowComparer(key.map((place) => ({ place, kind: sortKindOf(table.column(place).dataType) })));
  return { columns, key, compare };
}

async function* noRows(): AsyncGenerator<never> {
  // A target without the table has none.
}
