import pg from 'pg';
import type { TableRef } from '../../shared/record/table-schema.ts';
import type { PublishedShape } from './catalog.ts';
import { quoteTable } from './statements.ts';

/** A table, and what of it is to be published. */
export interface ShapedTable {
  readonly ref: TableRef;
  readonly shape: PublishedShape;
}

/** $1 the publication. Which tables it names one by one, and what of them, is asked for apart. */
export const PUBLICATION_STATE = `
  SELECT p.oid::text AS id, current_setting('server_version_num')::int AS server_version,
    p.puballtables AS all_tables, p.pubinsert AND p.pubupdate AND p.pubdelete AS has_changes, p.pubtruncate AS has_truncates, p.pubviaroot AS via_root,
    coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 's' AS has_generated, pg_has_role(p.pubowner, 'USAGE') AS is_owner,
    (SELECT coalesce(array_agg(t.schemaname || '.' || t.tablename), '{}') FROM pg_publication_tables t WHERE t.pubname = p.pubname) AS tables
  FROM pg_publication p WHERE p.pubname = $1`;

/** The tables that a publication ($1) names one by one. Column lists and row filters came with PostgreSQL 15. */
export function buildPublishedShapes(hasShapes: boolean): string {
  const columns = `(SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[]))`;
  const fields = hasShapes ? `${columns} AS columns, pg_get_expr(r.prqual, r.prrelid) AS filter` : 'NULL::text[] AS columns, NULL::text AS filter';
  return `
  SELECT n.nspname AS schema, c.relname AS name, ${fields}
  FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
  JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE p.pubname = $1`;
}

/** Partitioned tables ($1 their ids) of which some partition has REPLICA IDENTITY FULL. */
export const FULL_PARTITIONS = `
  SELECT w.id::int8 AS id FROM unnest($1::oid[]) AS w(id)
  WHERE EXISTS (SELECT FROM pg_partition_tree(w.id) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf AND c.relreplident = 'f')`;

const ENTRIES = `
  pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest($2::text[], $3::text[]) AS w(schema, name) ON n.nspname = w.schema AND c.relname = w.name`;

/** Which publication it is ($1 its name), which entries it has of tables ($2 schemas, $3 names, pairwise), and before which transaction all are over. */
export const PUBLICATION_IDENTITY = `
  SELECT p.oid::text AS id, pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
    (SELECT md5(coalesce(string_agg(r.oid::text, ',' ORDER BY r.oid), '')) FROM ${ENTRIES} WHERE r.prpubid = p.oid) AS entries
  FROM pg_publication p WHERE p.pubname = $1`;

/** Of such tables those whose entry a transaction from $4 on has made: the number in a row has the last 32 bits. */
export const NEW_ENTRIES = `
  SELECT n.nspname AS schema, c.relname AS name FROM ${ENTRIES} JOIN pg_publication p ON p.oid = r.prpubid
  WHERE p.pubname = $1 AND ((r.xmin::text::int8 - $4::int8) & 4294967295) < 2147483648`;

/** Of tables ($2 their ids) those that are there and that a publication ($1) does not name any more. */
export const LOST_TABLES = `
  SELECT n.nspname || '.' || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_publication p ON p.pubname = $1
  WHERE c.oid = ANY ($2::oid[]) AND NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prrelid = c.oid AND r.prpubid = p.oid)
  ORDER BY 1`;

export interface NewPublication {
  readonly name: string;
  readonly tables: readonly ShapedTable[];
  /** Whether generated columns that are stored go with it. */
  readonly hasGenerated: boolean;
}

export function buildCreatePublication({ name, tables, hasGenerated }: NewPublication): string {
  const options = ['publish_via_partition_root = true', ...(hasGenerated ? ['publish_generated_columns = stored'] : [])];
  return `CREATE PUBLICATION ${pg.escapeIdentifier(name)} FOR TABLE ${tableList(tables)} WITH (${options.join(', ')})`;
}

export function buildAddTables(name: string, tables: readonly ShapedTable[]): string {
  return `ALTER PUBLICATION ${pg.escapeIdentifier(name)} ADD TABLE ${tableList(tables)}`;
}

/** To be run in one transaction: `SET TABLE` would drop all other tables. */
export function buildSetTable(name: string, table: ShapedTable): readonly string[] {
  return [`ALTER PUBLICATION ${pg.escapeIdentifier(name)} DROP TABLE ONLY ${quoteTable(table.ref)}`, buildAddTables(name, [table])];
}

/** Fails where a condition cannot be told from these columns of a table; reads nothing. */
export function buildFilterProbe({ ref, filter, columns }: { readonly ref: TableRef; readonly filter: string; readonly columns: readonly string[] }): string {
  const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ');
  return `SELECT FROM (SELECT ${list} FROM ONLY ${quoteTable(ref)}) AS ${pg.escapeIdentifier(ref.name)} WHERE (${filter}\n) LIMIT 0`;
}

/** Without the tables that inherit from them; a partitioned table stands for its partitions all the same. */
function tableList(tables: readonly ShapedTable[]): string {
  return tables.map(({ ref, shape }) => `ONLY ${quoteTable(ref)}${columnList(shape)}${condition(shape)}`).join(', ');
}

function columnList({ columns }: PublishedShape): string {
  return columns === null ? '' : ` (${columns.map((column) => pg.escapeIdentifier(column)).join(', ')})`;
}

/** A comment at the condition's end must not take the bracket with it. */
function condition({ filter }: PublishedShape): string {
  if (filter === null) return '';
  return ` WHERE (${filter}${filter.includes('--') ? '\n' : ''})`;
}
