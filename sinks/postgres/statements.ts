import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { STAGING_COLUMNS, type Binding, type BoundColumn } from './binding.ts';
import { qualified, quoteName, quoteText } from './identifiers.ts';

/** Deleted keys, with the version of the delete: changes below it are of a row that is gone. */
const DELETED_TABLE = 'dbmazz_deleted';
/** One row a table, of what batches have to know of its past. */
const TABLES_TABLE = 'dbmazz_tables';
/** Up to where the rows of a sink go, by topic and partition. */
const OFFSETS_TABLE = 'dbmazz_offsets';
/** Names in the target's schema that are ours. */
export const OWN_TABLES: readonly string[] = [DELETED_TABLE, TABLES_TABLE, OFFSETS_TABLE];

const { op, version, key, unchanged } = STAGING_COLUMNS;
const META = [META_COLUMNS.opType, META_COLUMNS.isDeleted, META_COLUMNS.syncedAt, META_COLUMNS.version].map(quoteName);
const VERSION = quoteName(META_COLUMNS.version);

/** What the target remembers of a table: read in the transaction, under the table's lock. */
export interface Guard {
  /** The highest version of a delete so far: changes above it cannot be of a row that was deleted later. 0 for none. */
  readonly newestDelete: number;
  /** Changes below this were truncated away. */
  readonly truncatedBelow: number;
}

export interface MergeOptions {
  readonly staging: string;
  readonly guard: Guard;
  /** Whether the staging table has rows with `unchanged`. */
  readonly hasUnchanged: boolean;
  /** Whether rows with op `d` are deletes to carry out; otherwise they are written as rows that are marked. */
  readonly hasDeletes: boolean;
  /** Whether there are other rows than deletes. */
  readonly hasUpserts: boolean;
}

export function targetOf({ schema, name }: Binding): string {
  return qualified(schema, name);
}

export function deletedTableOf(schema: string): string {
  return qualified(schema, DELETED_TABLE);
}

export function tablesTableOf(schema: string): string {
  return qualified(schema, TABLES_TABLE);
}

export function offsetsTableOf(schema: string): string {
  return qualified(schema, OFFSETS_TABLE);
}

/** Columns of the staging table go by number, so that no name of a source can meet one of ours. */
export function stagingColumn(column: BoundColumn): string {
  return `c${column.index}`;
}

export function buildStagingTable(binding: Binding, staging: string): string {
  const columns = binding.columns.map((column) => `${stagingColumn(column)} ${column.stagingSql}`);
  const meta = [`${op} text`, `${version} bigint`, `${key} bytea`, `${unchanged} smallint[]`];
  return `CREATE TEMPORARY TABLE ${quoteName(staging)} (${[...columns, ...meta].join(', ')})`;
}

export function buildCopy(staging: string): string {
  return `COPY ${stagingName(staging)} FROM STDIN (FORMAT binary)`;
}

/** Straight into the target: for rows that are surely new to it. */
export function buildCopyIntoTarget(binding: Binding): string {
  return `COPY ${targetOf(binding)} (${[...binding.columns.map(({ name }) => quoteName(name)), ...META].join(', ')}) FROM STDIN (FORMAT binary)`;
}

export function buildEmptyStaging(staging: string): string {
  return `TRUNCATE ${stagingName(staging)}`;
}

export function buildDropStaging(staging: string): string {
  return `DROP TABLE IF EXISTS ${stagingName(staging)}`;
}

/**
 * Taken before what is remembered is read, and held until the end of the transaction: batches that remember
 * something exclude all others of the table, so none of them can write a row that has just been deleted.
 */
export function buildTableLock(schema: string, name: string, isExclusive: boolean): string {
  const shared = isExclusive ? '' : '_shared';
  return `SELECT pg_advisory_xact_lock${shared}(hashtextextended(${quoteText(`dbmazz:${qualified(schema, name)}`)}, 0))`;
}

/** The guard, and the server's time: one row in any case. */
export function buildReadGuard({ schema, name }: Binding): string {
  return `SELECT t.newest_delete::text AS newest_delete, t.truncated_below::text AS truncated_below,
    trunc(extract(epoch FROM now()) * 1000000)::text AS now_micros
    FROM (SELECT) one LEFT JOIN ${tablesTableOf(schema)} t ON t.table_name = ${quoteText(name)}`;
}

/** What later batches have to know, before anything is removed for it. Never goes backwards. */
export function buildRaiseGuard({ schema, name }: Binding, guard: Guard): string {
  const names = ['newest_delete', 'truncated_below'];
  return `INSERT INTO ${tablesTableOf(schema)} AS t (table_name, ${names.join(', ')})
    VALUES (${quoteText(name)}, ${guard.newestDelete}, ${guard.truncatedBelow})
    ON CONFLICT (table_name) DO UPDATE SET ${names.map((column) => `${column} = greatest(t.${column}, excluded.${column})`).join(', ')}`;
}

/** Rows below the version go, or are marked; and so do deletes that nobody needs to know of any more. */
export function buildTruncate(binding: Binding, below: number, deleteMode: 'hard' | 'soft'): readonly string[] {
  const marks = `${META[0]} = 'd', ${META[1]} = true, ${META[2]} = now()`;
  return [
    deleteMode === 'hard'
      ? `DELETE FROM ${targetOf(binding)} WHERE ${VERSION} < ${below}`
      : `UPDATE ${targetOf(binding)} SET ${marks} WHERE ${VERSION} < ${below} AND NOT ${META[1]}`,
    `DELETE FROM ${deletedTableOf(binding.schema)} WHERE ${isOf(binding)} AND version < ${below}`,
  ];
}

/** Forgets deletes that were remembered so many days ago. */
export function buildForget(binding: Binding, days: number): string {
  return `DELETE FROM ${deletedTableOf(binding.schema)} WHERE ${isOf(binding)} AND remembered_at < now() - interval '${days} days'`;
}

function isOf({ name }: Binding): string {
  return `table_name = ${quoteText(name)}`;
}

/**
 * From the staging table of a table with a key into its target, in the order: deletes, rows with unchanged values
 * that the target has, all others. Deletes come first, so that a unique value that moves from a deleted row to a new
 * one is free. Each statement compares versions, so repeating any of them changes nothing.
 */
export function buildMerge(binding: Binding, options: MergeOptions): readonly string[] {
  return [
    ...(options.hasDeletes ? [buildRemember(binding, options), buildDelete(binding, options)] : []),
    ...(options.hasUnchanged ? [buildUpdateUnchanged(binding, options)] : []),
    ...(options.hasUpserts ? [buildUpsert(binding, options)] : []),
  ];
}

function buildRemember({ schema, name }: Binding, { staging }: MergeOptions): string {
  return `INSERT INTO ${deletedTableOf(schema)} AS d (table_name, key, version)
    SELECT ${quoteText(name)}, s.${key}, s.${version} FROM ${stagingName(staging)} s WHERE s.${op} = 'd'
    ON CONFLICT (table_name, key) DO UPDATE SET version = excluded.version, remembered_at = now() WHERE d.version < excluded.version`;
}

function buildDelete(binding: Binding, { staging }: MergeOptions): string {
  return `DELETE FROM ${targetOf(binding)} t USING ${stagingName(staging)} s
    WHERE s.${op} = 'd' AND ${keyMatch(binding)} AND t.${VERSION} < s.${version}`;
}

function buildUpdateUnchanged(binding: Binding, { staging, hasDeletes }: MergeOptions): string {
  const values = updatable(binding).map((column) => {
    const target = quoteName(column.name);
    return `${target} = CASE WHEN ${column.index} = ANY (s.${unchanged}) THEN t.${target} ELSE ${comparable(column)} END`;
  });
  const marks = META.map((name, index) => `${name} = ${metaValues()[index]}`);
  return `UPDATE ${targetOf(binding)} t SET ${[...values, ...marks].join(', ')} FROM ${stagingName(staging)} s
    WHERE s.${unchanged} IS NOT NULL AND ${keyMatch(binding)} AND t.${VERSION} < s.${version}${hasDeletes ? ` AND s.${op} <> 'd'` : ''}`;
}

function buildUpsert(binding: Binding, options: MergeOptions): string {
  const updates = [...updatable(binding).map(({ name }) => quoteName(name)), ...META].map((name) => `${name} = excluded.${name}`);
  return `${buildInsertSelect(binding, options.staging, upsertConditions(binding, options))}
    ON CONFLICT (${binding.key.map(({ name }) => quoteName(name)).join(', ')}) DO UPDATE SET ${updates.join(', ')}
    WHERE t.${VERSION} < excluded.${VERSION}`;
}

/** Rows of the staging table as rows of the target. OVERRIDING lets values into identity columns; elsewhere it is nothing. */
export function buildInsertSelect(binding: Binding, staging: string, conditions: readonly string[]): string {
  const names = [...binding.columns.map(({ name }) => quoteName(name)), ...META];
  const values = [...binding.columns.map(assignable), ...metaValues()];
  const where = conditions.length === 0 ? '' : `\n    WHERE ${conditions.join(' AND ')}`;
  return `INSERT INTO ${targetOf(binding)} AS t (${names.join(', ')}) OVERRIDING SYSTEM VALUE
    SELECT ${values.join(', ')} FROM ${stagingName(staging)} s${where}`;
}

function upsertConditions(binding: Binding, { guard, hasUnchanged, hasDeletes }: MergeOptions): readonly string[] {
  return [
    ...(hasDeletes ? [`s.${op} <> 'd'`] : []),
    ...(hasUnchanged ? [`(s.${unchanged} IS NULL OR NOT EXISTS (SELECT FROM ${targetOf(binding)} t WHERE ${keyMatch(binding)}))`] : []),
    ...notForgotten(binding, guard, `s.${key}`),
  ];
}

/** Leaves out changes of rows that were deleted or truncated away by a later change. */
export function notForgotten({ schema, name }: Binding, guard: Guard, keyOfRow: string): readonly string[] {
  const exists = `EXISTS (SELECT FROM ${deletedTableOf(schema)} d WHERE d.table_name = ${quoteText(name)} AND d.key = ${keyOfRow} AND d.version > s.${version})`;
  return [
    ...(guard.truncatedBelow > 0 ? [`s.${version} >= ${guard.truncatedBelow}`] : []),
    ...(guard.newestDelete > 0 ? [`(s.${version} > ${guard.newestDelete} OR NOT ${exists})`] : []),
  ];
}

function updatable({ columns }: Binding): readonly BoundColumn[] {
  return columns.filter(({ isKey, isUpdatable }) => !isKey && isUpdatable);
}

function keyMatch({ key: columns }: Binding): string {
  return columns.map((column) => `t.${quoteName(column.name)} = ${comparable(column)}`).join(' AND ');
}

/** The staged value as the target column's type, without its length: to find the row that has it. */
export function comparable(column: BoundColumn): string {
  return column.stagingSql === column.baseSql ? `s.${stagingColumn(column)}` : `s.${stagingColumn(column)}::${column.baseSql}`;
}

/** The staged value to be assigned: a text that is too long is then refused; a cast would cut it. */
function assignable(column: BoundColumn): string {
  return column.isCast ? comparable(column) : `s.${stagingColumn(column)}`;
}

function metaValues(): readonly string[] {
  return [`s.${op}`, `s.${op} = 'd'`, 'now()', `s.${version}`];
}

export function stagingName(staging: string): string {
  return `pg_temp.${quoteName(staging)}`;
}
