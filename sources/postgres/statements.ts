import pg from 'pg';
import type { TableRef } from '../../shared/record/table-schema.ts';

export function quoteTable({ schema, name }: TableRef): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
}

/** All tables that could be streamed. */
export const LIST_TABLES = `
  SELECT n.nspname AS schema, c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  ORDER BY 1, 2`;

/** What is known of tables ($1 schemas, $2 names, pairwise): one row a column, domains resolved to their base. */
export const DESCRIBE_TABLES = `
  WITH RECURSIVE wanted AS (SELECT * FROM unnest($1::text[], $2::text[]) AS w(schema, name)),
  base_types AS (
    SELECT t.oid AS start, t.oid, t.typtype, t.typbasetype, NULL::int AS modifier, t.typndims FROM pg_type t
    UNION ALL
    SELECT b.start, t.oid, t.typtype, t.typbasetype, coalesce(b.modifier, nullif(d.typtypmod, -1)), greatest(b.typndims, t.typndims)
    FROM base_types b JOIN pg_type d ON d.oid = b.oid AND d.typtype = 'd' JOIN pg_type t ON t.oid = d.typbasetype
  )
  SELECT n.nspname AS schema, c.relname AS name, c.oid::int8 AS table_id, c.relreplident AS replica_identity, c.relkind AS kind,
    has_table_privilege(c.oid, 'SELECT') AS can_select, pg_has_role(c.relowner, 'USAGE') AS is_owner,
    greatest(c.reltuples, 0)::float8 AS expected_rows, pg_table_size(c.oid)::float8 AS table_bytes,
    a.attname AS column_name, a.attnum AS column_number, a.atttypid::int8 AS type_id, a.atttypmod AS type_modifier, a.attnotnull AS not_null,
    a.attgenerated <> '' AS is_generated, format_type(a.atttypid, a.atttypmod) AS declaration,
    (e.oid IS NOT NULL) AS is_array, coalesce(nullif(a.attndims, 0), b.typndims, 0) AS dimensions, s.typname AS type_name, s.typtype AS type_category,
    CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE coalesce(b.modifier, -1) END AS base_modifier,
    (SELECT coalesce(array_agg(l.enumlabel::text ORDER BY l.enumsortorder), '{}') FROM pg_enum l WHERE l.enumtypid = s.oid) AS enum_values,
    array_position(pk.indkey::int2[], a.attnum) AS primary_place, array_position(ri.indkey::int2[], a.attnum) AS identity_place
  FROM wanted w
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN base_types b ON b.start = a.atttypid AND b.typtype <> 'd'
  JOIN pg_type t ON t.oid = b.oid
  LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' AND t.typlen = -1
  JOIN pg_type s ON s.oid = coalesce(e.oid, t.oid)
  LEFT JOIN pg_index pk ON pk.indrelid = c.oid AND pk.indisprimary
  LEFT JOIN pg_index ri ON ri.indrelid = c.oid AND ri.indisreplident
  ORDER BY 1, 2, a.attnum`;

export const SERVER_FACTS = `
  SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level, current_user AS "user",
    current_database() AS database, r.rolsuper OR r.rolreplication OR EXISTS (
      SELECT FROM pg_roles m WHERE m.rolname IN ('rds_replication', 'azure_replication') AND pg_has_role(m.oid, 'MEMBER')) AS can_replicate,
    r.rolsuper AS is_superuser, has_database_privilege(current_database(), 'CREATE') AS can_create,
    current_setting('max_replication_slots')::int AS max_slots, (SELECT count(*)::int FROM pg_replication_slots) AS used_slots
  FROM pg_roles r WHERE r.rolname = current_user`;

export const SLOT_STATE = `
  SELECT slot_name, plugin, slot_type, database, active, active_pid, confirmed_flush_lsn::text, restart_lsn::text, wal_status,
    to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason
  FROM pg_replication_slots s WHERE slot_name = $1`;

export const CREATE_SLOT = `SELECT lsn::text FROM pg_create_logical_replication_slot($1, 'pgoutput')`;

export const PUBLICATION_STATE = `
  SELECT p.puballtables AS all_tables, p.pubinsert AND p.pubupdate AND p.pubdelete AS has_changes, p.pubviaroot AS via_root,
    pg_has_role(p.pubowner, 'USAGE') AS is_owner,
    (SELECT coalesce(array_agg(t.schemaname || '.' || t.tablename), '{}') FROM pg_publication_tables t WHERE t.pubname = p.pubname) AS tables
  FROM pg_publication p WHERE p.pubname = $1`;

export const LAG = `
  SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8 AS bytes FROM pg_replication_slots WHERE slot_name = $1`;

export function buildCreatePublication(name: string, tables: readonly TableRef[]): string {
  return `CREATE PUBLICATION ${pg.escapeIdentifier(name)} FOR TABLE ${tables.map(quoteTable).join(', ')} WITH (publish_via_partition_root = true)`;
}

export function buildAddTables(name: string, tables: readonly TableRef[]): string {
  return `ALTER PUBLICATION ${pg.escapeIdentifier(name)} ADD TABLE ${tables.map(quoteTable).join(', ')}`;
}

export interface ChunkQuery {
  readonly table: TableRef;
  readonly columns: readonly string[];
  readonly key: readonly string[];
  /** The key of the last row of the previous chunk, in text form; null for the first. */
  readonly after: readonly string[] | null;
  readonly limit: number;
}

/** The next rows in key order, as `COPY` text. */
export function buildCopyChunk({ table, columns, key, after, limit }: ChunkQuery): string {
  const keyList = key.map((name) => pg.escapeIdentifier(name)).join(', ');
  const where = after === null ? '' : ` WHERE (${keyList}) > (${after.map((value) => pg.escapeLiteral(value)).join(', ')})`;
  const select = `SELECT ${columns.map((name) => pg.escapeIdentifier(name)).join(', ')} FROM ${quoteTable(table)}${where} ORDER BY ${keyList} LIMIT ${limit}`;
  return `COPY (${select}) TO STDOUT`;
}

export function buildCopyTable(table: TableRef, columns: readonly string[]): string {
  return `COPY (SELECT ${columns.map((name) => pg.escapeIdentifier(name)).join(', ')} FROM ${quoteTable(table)}) TO STDOUT`;
}

/** Columns of one row by its key: for large values that the log did not send. Parameters are the key, in text form. */
export function buildSelectRow(table: TableRef, columns: readonly string[], key: readonly { readonly name: string; readonly declaration: string }[]): string {
  const where = key.map(({ name, declaration }, index) => `${pg.escapeIdentifier(name)} = $${index + 1}::text::${declaration}`).join(' AND ');
  return `SELECT ${columns.map((name) => `${pg.escapeIdentifier(name)}::text`).join(', ')} FROM ${quoteTable(table)} WHERE ${where}`;
}
