import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { TargetNames } from './config.ts';

/** Identity of a row in a table without a key: the version of the change that inserted it. */
export const ROW_ID_COLUMN = 'dbmazz_row_id';

export function quoteName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

export function qualify(database: string, table: string): string {
  return `${quoteName(database)}.${quoteName(table)}`;
}

export interface NamedType {
  readonly name: string;
  readonly type: string;
}

/** The meta columns as we create them. The server fills in the time of writing by itself. */
export const META_COLUMN_TYPES: readonly NamedType[] = [
  { name: META_COLUMNS.opType, type: 'LowCardinality(String)' },
  { name: META_COLUMNS.isDeleted, type: 'UInt8' },
  { name: META_COLUMNS.syncedAt, type: "DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')" },
  { name: META_COLUMNS.version, type: 'UInt64' },
];

export interface RowsTable {
  readonly names: TargetNames;
  readonly columns: readonly NamedType[];
  /** Empty for a table without a key, whose rows are then told apart by `ROW_ID_COLUMN`. */
  readonly key: readonly string[];
  /** Whether FINAL leaves out rows that are marked as deleted. */
  readonly hidesDeleted: boolean;
}

/** How many past inserts a server remembers to recognise a repeated one. */
const DEDUPLICATION_WINDOW = 100;

export function buildCreateRows({ names, columns, key, hidesDeleted }: RowsTable): string {
  const rowId = key.length === 0 ? [{ name: ROW_ID_COLUMN, type: 'UInt64' }] : [];
  const sortedBy = key.length === 0 ? [ROW_ID_COLUMN] : key;
  const lines = [...rowId, ...columns, ...META_COLUMN_TYPES].map(buildColumn);
  const version = quoteName(META_COLUMNS.version);
  lines.push(`INDEX dbmazz_version ${version} TYPE minmax GRANULARITY 1`);
  return [
    `CREATE TABLE IF NOT EXISTS ${qualify(names.database, names.rows)} (`,
    `  ${lines.join(',\n  ')}`,
    `) ENGINE = ReplacingMergeTree(${version}${hidesDeleted ? `, ${quoteName(META_COLUMNS.isDeleted)}` : ''})`,
    `ORDER BY (${sortedBy.map(quoteName).join(', ')})`,
    `SETTINGS non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW}`,
  ].join('\n');
}

export interface LiveView {
  readonly names: TargetNames;
  readonly columns: readonly string[];
  /** Whether the view itself must leave out what is marked as deleted, because FINAL does not. */
  readonly filtersDeleted: boolean;
  readonly comment: string;
}

export function buildCreateView({ names, columns, filtersDeleted, comment }: LiveView): string {
  const where = filtersDeleted ? `\nWHERE ${quoteName(META_COLUMNS.isDeleted)} = 0` : '';
  return [
    `CREATE OR REPLACE VIEW ${qualify(names.database, names.view)} AS`,
    `SELECT ${columns.map(quoteName).join(', ')}`,
    `FROM ${qualify(names.database, names.rows)} FINAL${where}`,
    `COMMENT ${quoteText(comment)}`,
  ].join('\n');
}

export function buildCreateDatabase(database: string): string {
  return `CREATE DATABASE IF NOT EXISTS ${quoteName(database)}`;
}

/** The rights that the sink uses: in its database, and for rows that stand in a statement. */
export function buildGrants(database: string): readonly string[] {
  const rights = 'SHOW, SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP VIEW, ALTER TABLE';
  return [`${rights} ON ${quoteName(database)}.*`, 'CREATE TEMPORARY TABLE ON *.*'];
}

export function buildAddColumn(table: string, column: NamedType): string {
  return `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${buildColumn(column)}`;
}

export function buildModifyColumn(table: string, column: NamedType): string {
  return `ALTER TABLE ${table} MODIFY COLUMN ${buildColumn(column)}`;
}

/** Lightweight: hides the rows at once, merges remove them later. */
export function buildDeleteBelow(table: string, version: number): string {
  return `DELETE FROM ${table} WHERE ${quoteName(META_COLUMNS.version)} < ${version}`;
}

export function buildSetComment(table: string, comment: string): string {
  return `ALTER TABLE ${table} MODIFY COMMENT ${quoteText(comment)}`;
}

const WATERMARK = / ?\[dbmazz: truncated below (\d+)\]/;

/** The version below which a table's rows are gone for good, as its comment keeps it; 0 for none. */
export function parseTruncatedBelow(comment: string): number {
  return Number(WATERMARK.exec(comment)?.[1] ?? 0);
}

export function withTruncatedBelow(comment: string, version: number): string {
  const rest = comment.replace(WATERMARK, '');
  return `${rest}${rest === '' ? '' : ' '}[dbmazz: truncated below ${version}]`;
}

/** Names and types of the columns stand at the head of the data, so that a changed table is noticed by the server. */
export function buildInsert(table: string): string {
  return `INSERT INTO ${table} FORMAT RowBinaryWithNamesAndTypes`;
}

/** The highest version at or above one, 0 if there is none: an index leaves out all older parts of the table. */
export function buildHighestVersion(table: string, atLeast: number): string {
  const version = quoteName(META_COLUMNS.version);
  return `SELECT toString(max(${version})) AS highest FROM ${table} WHERE ${version} >= ${atLeast}`;
}

export interface Lookup {
  readonly table: string;
  readonly keys: readonly NamedType[];
  readonly wanted: readonly NamedType[];
  /** Values of `keys` in RowBinary, row after row. */
  readonly values: Buffer;
}

/** The live rows of those keys: the key columns, then the wanted ones. */
export function buildLookup({ table, keys, wanted, values }: Lookup): string {
  const names = keys.map(({ name }) => quoteName(name)).join(', ');
  const columns = [...keys, ...wanted].map(({ name }) => quoteName(name)).join(', ');
  return [
    `SELECT ${columns} FROM ${table} FINAL`,
    `WHERE (${names}) IN (SELECT ${names} FROM ${buildRows(keys, values)})`,
    'FORMAT RowBinaryWithNamesAndTypes',
  ].join('\n');
}

export interface Match {
  readonly table: string;
  readonly columns: readonly NamedType[];
  readonly values: Buffer;
  /** How many rows of equal values are needed at most. */
  readonly limit: number;
}

/** The live rows of a table without a key that are equal to the given ones in all columns, nulls included. */
export function buildMatch({ table, columns, values, limit }: Match): string {
  const names = columns.map(({ name }) => quoteName(name)).join(', ');
  return [
    `SELECT ${names}, ${quoteName(ROW_ID_COLUMN)} FROM ${table} FINAL`,
    `WHERE ${quoteName(META_COLUMNS.isDeleted)} = 0`,
    `AND toString(tuple(${names})) IN (SELECT toString(tuple(${names})) FROM ${buildRows(columns, values)})`,
    `ORDER BY ${quoteName(ROW_ID_COLUMN)} LIMIT ${limit} BY ${names}`,
    'FORMAT RowBinaryWithNamesAndTypes',
  ].join('\n');
}

/** Rows given in the statement itself, in the encoding that they are also inserted in. */
function buildRows(columns: readonly NamedType[], values: Buffer): string {
  const structure = columns.map(({ name, type }) => `${quoteName(name)} ${type}`).join(', ');
  return `format(RowBinary, ${quoteText(structure)}, unhex('${values.toString('hex')}'))`;
}

function buildColumn({ name, type }: NamedType): string {
  return `${quoteName(name)} ${type}`;
}
