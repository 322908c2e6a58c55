import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import { createHash } from 'node:crypto';
import { qualified, quoteName, quoteText } from './identifiers.ts';
import { VERSION_INDEX_PREDICATE } from './keyless-statements.ts';
import { deletedTableOf, offsetsTableOf, tablesTableOf } from './statements.ts';
import { targetSqlOf } from './types.ts';

export interface TargetName {
  readonly schema: string;
  readonly name: string;
}

/** Our own columns and how they are declared. Rows that were there before us are older than any change. */
export const META_DECLARATIONS: Readonly<Record<string, string>> = {
  [META_COLUMNS.opType]: 'text',
  [META_COLUMNS.isDeleted]: 'boolean NOT NULL DEFAULT false',
  [META_COLUMNS.syncedAt]: 'timestamp with time zone',
  [META_COLUMNS.version]: 'bigint NOT NULL DEFAULT 0',
};

export function buildCreateTable(target: TargetName, table: TableSchema): readonly string[] {
  const columns = table.columns.map((column) => `${quoteName(column.name)} ${targetSqlOf(column)}`);
  const meta = Object.entries(META_DECLARATIONS).map(([name, declaration]) => `${quoteName(name)} ${declaration}`);
  const key = table.key.length === 0 ? [] : [`PRIMARY KEY (${namesOf(table.keyColumns)})`];
  const create = `CREATE TABLE ${qualified(target.schema, target.name)} (\n  ${[...columns, ...meta, ...key].join(',\n  ')}\n)`;
  return table.key.length === 0 ? [create, buildVersionIndex(target)] : [create];
}

/** Names of indexes are of one space with all tables of the schema. */
export function versionIndexName(table: string): string {
  return `dbmazz_version_${createHash('sha256').update(table).digest('hex').slice(0, 16)}`;
}

/** Without a key, a row is known by the version of the change that wrote it. */
export function buildVersionIndex(target: TargetName): string {
  return `CREATE UNIQUE INDEX ${quoteName(versionIndexName(target.name))} ON ${qualified(target.schema, target.name)} (${quoteName(META_COLUMNS.version)}) WHERE ${VERSION_INDEX_PREDICATE}`;
}

export function buildPrimaryKey(target: TargetName, table: TableSchema): string {
  return `ALTER TABLE ${qualified(target.schema, target.name)} ADD PRIMARY KEY (${namesOf(table.keyColumns)})`;
}

export function buildAddColumn(target: TargetName, column: ColumnDef): string {
  return `ALTER TABLE ${qualified(target.schema, target.name)} ADD COLUMN ${quoteName(column.name)} ${targetSqlOf(column)}`;
}

export function buildAddMetaColumn(target: TargetName, name: string): string {
  return `ALTER TABLE ${qualified(target.schema, target.name)} ADD COLUMN ${quoteName(name)} ${META_DECLARATIONS[name]}`;
}

export function buildAlterType(target: TargetName, column: string, type: string): string {
  const name = quoteName(column);
  return `ALTER TABLE ${qualified(target.schema, target.name)} ALTER COLUMN ${name} TYPE ${type} USING ${name}::${type}`;
}

/**
 * Our own tables beside the targets. `key` of a deleted row is its key as the bytes of the row; in a table without a
 * key it is the version of a change, eight bytes. No index but the key's: remembering a delete must be cheap.
 */
export function buildOwnTables(schema: string): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${deletedTableOf(schema)} (table_name text COLLATE "C" NOT NULL, key bytea NOT NULL, version bigint NOT NULL, remembered_at timestamp with time zone NOT NULL DEFAULT now(), PRIMARY KEY (table_name, key))`,
    `CREATE TABLE IF NOT EXISTS ${tablesTableOf(schema)} (table_name text COLLATE "C" PRIMARY KEY, newest_delete bigint NOT NULL, truncated_below bigint NOT NULL)`,
    `CREATE TABLE IF NOT EXISTS ${offsetsTableOf(schema)} (sink text COLLATE "C" NOT NULL, topic text COLLATE "C" NOT NULL, partition integer NOT NULL, topic_id text COLLATE "C" NOT NULL, next_offset bigint NOT NULL, PRIMARY KEY (sink, topic, partition))`,
  ];
}

/** One at a time, whichever process: two that create the same thing would fail on each other. */
export function buildSetupLock(schema: string): string {
  return `SELECT pg_advisory_xact_lock(hashtextextended(${quoteText(`dbmazz setup:${schema}`)}, 0))`;
}

export function buildReadSchema(schema: string): string {
  return `SELECT to_regnamespace(${quoteText(quoteName(schema))}) IS NOT NULL AS has_schema,
    ${[deletedTableOf, tablesTableOf, offsetsTableOf].map((tableOf) => `to_regclass(${quoteText(tableOf(schema))}) IS NOT NULL`).join(' AND ')} AS has_own_tables`;
}

export function buildReadRelation(target: TargetName): string {
  return `SELECT c.relkind, EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgenabled IN ('O', 'A')) AS has_triggers
    FROM pg_class c WHERE c.oid = ${oidOf(target)}`;
}

export function buildReadColumns(target: TargetName): string {
  return `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, format_type(a.atttypid, -1) AS base_type,
    t.typcategory AS category, a.attgenerated <> '' AS is_generated, a.attidentity = 'a' AS is_identity_always
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = ${oidOf(target)} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;
}

/** Unique indexes that ON CONFLICT can use: of plain columns, valid, checked at once; of our own the partial one, too. */
export function buildReadUniqueIndexes(target: TargetName): string {
  return `SELECT i.indisprimary AS is_primary, i.indpred IS NOT NULL AS is_partial, (SELECT array_agg(a.attname::text ORDER BY a.attname::text)
      FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])) AS columns
    FROM pg_index i WHERE i.indrelid = ${oidOf(target)} AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indexprs IS NULL`;
}

function oidOf({ schema, name }: TargetName): string {
  return `to_regclass(${quoteText(qualified(schema, name))})`;
}

function namesOf(columns: readonly ColumnDef[]): string {
  return columns.map(({ name }) => quoteName(name)).join(', ');
}
