import pg from 'pg';
import type { KeyTexts } from '../../shared/connector/source.ts';
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

/** Where tables are that are named ($1 schemas, $2 names, pairwise) or known by their id ($3). */
export const LOCATE_TABLES = `
  SELECT c.oid::text AS id, n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = ANY ($3::oid[]) OR (n.nspname, c.relname) IN (SELECT * FROM unnest($1::name[], $2::name[])) AND c.relkind IN ('r', 'p')`;

/** Types by what they come down to: a domain's base type, and its modifier where the domain sets one. */
const BASE_TYPES = `
  base_types AS (
    SELECT t.oid AS start, t.oid, t.typtype, t.typbasetype, NULL::int AS modifier, t.typndims FROM pg_type t
    UNION ALL
    SELECT b.start, t.oid, t.typtype, t.typbasetype, coalesce(b.modifier, nullif(d.typtypmod, -1)), greatest(b.typndims, t.typndims)
    FROM base_types b JOIN pg_type d ON d.oid = b.oid AND d.typtype = 'd' JOIN pg_type t ON t.oid = d.typbasetype
  )`;

/** The type of a column `a`: its base `b`, of an array the element's base `eb`, and with both what carries it, `s`. */
const TYPE_JOINS = `
  JOIN base_types b ON b.start = a.atttypid AND b.typtype <> 'd'
  JOIN pg_type t ON t.oid = b.oid
  LEFT JOIN base_types eb ON eb.start = t.typelem AND t.typinput = 'array_in'::regproc AND eb.typtype <> 'd'
  JOIN pg_type s ON s.oid = coalesce(eb.oid, t.oid)`;

const TYPE_FIELDS = `
    a.atttypid::int8 AS type_id, a.atttypmod AS type_modifier, format_type(a.atttypid, a.atttypmod) AS declaration,
    eb.oid IS NOT NULL AS is_array, coalesce(nullif(a.attndims, 0), b.typndims, 0) AS dimensions, s.typname AS type_name, s.typtype AS type_category,
    CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE coalesce(b.modifier, eb.modifier, -1) END AS base_modifier,
    (SELECT coalesce(array_agg(l.enumlabel::text ORDER BY l.enumsortorder), '{}') FROM pg_enum l WHERE l.enumtypid = s.oid) AS enum_values`;

/** What is known of tables ($1 schemas, $2 names, pairwise): one row a column. An index may carry columns beyond its key. */
export const DESCRIBE_TABLES = `
  WITH RECURSIVE wanted AS (SELECT * FROM unnest($1::text[], $2::text[]) AS w(schema, name)), ${BASE_TYPES}
  SELECT n.nspname AS schema, c.relname AS name, c.oid::int8 AS table_id, c.relreplident AS replica_identity, c.relkind AS kind,
    has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS can_select, pg_has_role(c.relowner, 'USAGE') AS is_owner,
    row_security_active(c.oid) AS has_row_security, coalesce(pk.indimmediate, false) AS has_immediate_key,
    greatest(c.reltuples, 0)::float8 AS expected_rows, pg_table_size(c.oid)::float8 AS table_bytes,
    a.attname AS column_name, a.attnotnull AS not_null, a.attgenerated <> '' AS is_generated, a.attgenerated = 's' AS is_stored, ${TYPE_FIELDS},
    array_position((pk.indkey::int2[])[0:pk.indnkeyatts - 1], a.attnum) AS primary_place,
    array_position((ri.indkey::int2[])[0:ri.indnkeyatts - 1], a.attnum) AS identity_place
  FROM wanted w
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  ${TYPE_JOINS}
  LEFT JOIN pg_index pk ON pk.indrelid = c.oid AND pk.indisprimary
  LEFT JOIN pg_index ri ON ri.indrelid = c.oid AND ri.indisreplident
  ORDER BY 1, 2, a.attnum`;

/** What is known of types ($1 their ids, $2 modifiers, pairwise), apart from any table; those that were dropped are missing. */
export const DESCRIBE_TYPES = `
  WITH RECURSIVE ${BASE_TYPES}
  SELECT ${TYPE_FIELDS} FROM unnest($1::oid[], $2::int4[], array_fill(0, ARRAY[cardinality($1)])) AS a(atttypid, atttypmod, attndims) ${TYPE_JOINS}`;

/** What is unique in tables ($1 schemas, $2 names, pairwise): one row an index that holds for all rows. */
export const UNIQUE_KEYS = `
  SELECT n.nspname AS schema, c.relname AS name, ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum = ANY ((u.indkey::int2[])[0:u.indnkeyatts - 1])) AS columns
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
  JOIN pg_index u ON u.indrelid = c.oid AND u.indisunique AND u.indisvalid AND u.indpred IS NULL AND u.indexprs IS NULL`;

/** $1 the roles by which managed services are told. */
export const SERVER_FACTS = `
  SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level, current_user AS "user",
    current_database() AS database, r.rolsuper OR r.rolreplication OR EXISTS (
      SELECT FROM pg_roles m WHERE m.rolname IN ('rds_replication', 'azure_replication') AND pg_has_role(m.oid, 'MEMBER')) AS can_replicate,
    r.rolsuper AS is_superuser, pg_is_in_recovery() AS is_standby, has_database_privilege(current_database(), 'CREATE') AS can_create,
    current_setting('max_replication_slots')::int AS max_slots, (SELECT count(*)::int FROM pg_replication_slots) AS used_slots,
    (SELECT m.rolname::text FROM pg_roles m WHERE m.rolname = ANY ($1) LIMIT 1) AS service_role
  FROM pg_roles r WHERE r.rolname = current_user`;

export const SLOT_STATE = `
  SELECT slot_name, plugin, slot_type, database, active, active_pid, confirmed_flush_lsn::text, restart_lsn::text, wal_status,
    to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason, (to_jsonb(s) ->> 'failover')::boolean AS failover,
    (SELECT concat_ws(' ', nullif(a.application_name, ''), 'at ' || a.client_addr) FROM pg_stat_activity a WHERE a.pid = s.active_pid) AS active_by
  FROM pg_replication_slots s WHERE slot_name = $1`;

/** Writes a mark ($1 prefix, $2 content) and flushes the log: only a transaction with a number does that, and the stream gets no more than is flushed. */
export const WRITE_MARK = 'SELECT pg_logical_emit_message(false, $1, $2), pg_current_xact_id()';

export const CREATE_SLOT = `SELECT lsn::text FROM pg_create_logical_replication_slot($1, 'pgoutput')`;

/** PostgreSQL 17: standbys that synchronise slots have it too. */
export const CREATE_FAILOVER_SLOT = `SELECT lsn::text FROM pg_create_logical_replication_slot($1, 'pgoutput', failover => true)`;

export const DROP_SLOT = 'SELECT pg_drop_replication_slot($1)';

/** Where the log ends, and its file there: its name begins with the timeline. */
export const LOG_END = 'SELECT lsn::text, pg_walfile_name(lsn) AS file FROM pg_current_wal_lsn() AS lsn';

export const SYSTEM_IDENTIFIER = 'SELECT system_identifier::text AS system FROM pg_control_system()';

/**
 * Partitions of tables ($2 their ids) that were attached by transactions from $1 on (null for none), and, in each row and in one
 * alone where there are none, before which transaction all are over.
 */
export const ATTACHED_PARTITIONS = `
  SELECT s.horizon, a.*
  FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon, pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS next) s
  LEFT JOIN (
    SELECT pg_partition_root(c.oid)::oid::text AS root_id, n.nspname AS part_schema, c.relname AS part_name, i.xmin::text AS attached_by,
      age(i.xmin) AS attached_age, pg_get_partition_constraintdef(c.oid) AS condition
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relispartition AND c.relkind IN ('r', 'p') AND pg_partition_root(c.oid) = ANY ($2::oid[])
  ) a ON a.attached_age <= s.next - $1::int8 + 1`;

/** A command of the replication protocol (PostgreSQL manual, 54.4): where earlier timelines ended. */
export function buildTimelineHistory(timeline: number): string {
  return `TIMELINE_HISTORY ${timeline}`;
}

/** A command of the replication protocol (PostgreSQL manual, 54.4). */
export function buildAlterFailover(slot: string, failover: boolean): string {
  return `ALTER_REPLICATION_SLOT ${pg.escapeIdentifier(slot)} (FAILOVER ${failover})`;
}

/** What the server keeps for a slot, in bytes from the beginning of the log. */
export const SLOT_HEALTH = `
  SELECT s.active, s.wal_status, s.safe_wal_size::float8 AS safe_bytes, to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')::float8 AS current,
    pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::float8 AS confirmed, pg_wal_lsn_diff(s.restart_lsn, '0/0')::float8 AS restart,
    (SELECT nullif(setting::float8, -1) * 1048576 FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS budget_bytes
  FROM pg_replication_slots s WHERE slot_name = $1`;

/** A table to read from. */
export interface ReadTable {
  readonly ref: TableRef;
  readonly isPartitioned: boolean;
}

/**
 * To come first in a transaction that reads: a rewriting ALTER TABLE or a TRUNCATE that commits between the snapshot of
 * a transaction and its read makes the table look empty to it (PostgreSQL manual, 13.6 "Caveats").
 */
export function buildLock(table: TableRef): string {
  return `LOCK TABLE ${quoteTable(table)} IN ACCESS SHARE MODE`;
}

export interface ChunkQuery {
  readonly table: ReadTable;
  readonly columns: readonly string[];
  /** Columns in whose order rows are read; null for the order in which they lie in the file (`ctid`). */
  readonly key: readonly string[] | null;
  /** Where the range begins and ends, in text form; null for the ends of the table. */
  readonly after: readonly string[] | null;
  readonly end: readonly string[] | null;
  /** A further condition, already checked. */
  readonly where: string | null;
  readonly limit: number;
  readonly isBinary: boolean;
}

/** What a session reads chunks with: the planner may take no way that has another order than the one asked for. */
export const READ_IN_ORDER = 'SET enable_seqscan = off; SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0; SET jit = off';

/**
 * The next rows of a range. In the file's order each has its place (`ctid`) as a last column; a scan of
 * a range of places gives them in that order, and a sort would read the whole range for each chunk.
 */
export function buildCopyChunk({ table, columns, key, after, end, where, limit, isBinary }: ChunkQuery): string {
  const place = key === null ? 'ctid' : `(${quoteColumns(key)})`;
  const conditions = [
    ...(after === null ? [] : [`${place} > (${literals(after)})`]),
    ...(end === null ? [] : [`${place} <= (${literals(end)})`]),
    ...(where === null ? [] : [`(${where}\n)`]),
  ];
  const condition = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const [list, order] = key === null ? [`${quoteColumns(columns)}, ctid`, ''] : [quoteColumns(columns), ` ORDER BY ${quoteColumns(key)}`];
  return buildCopy(`SELECT ${list} FROM ${rowsOf(table)}${condition}${order} LIMIT ${limit}`, isBinary);
}

/** Asks the server whether a condition is one, in the form in which chunks have it; reads nothing. To be sent as a prepared statement, which is one alone. */
export function buildCheckCondition(table: ReadTable, where: string): string {
  return `SELECT 1 FROM ${rowsOf(table)} WHERE (${where}\n) LIMIT 0`;
}

function literals(values: readonly string[]): string {
  return values.map((value) => pg.escapeLiteral(value)).join(', ');
}

/** The files that a table ($1 its id) lies in, one a partition: size, and whether large values lie beside it. */
export const LIST_FILES = `
  SELECT n.nspname AS schema, c.relname AS name, c.oid::text AS id, pg_relation_filenode(c.oid)::text AS filenode,
    (pg_relation_size(c.oid) / current_setting('block_size')::int)::float8 AS blocks,
    coalesce(am.amname = 'heap', false) AS is_heap, coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) > 0 AS has_large_values
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam
  WHERE c.relkind = 'r' AND (c.oid = $1 OR c.oid IN (SELECT relid FROM pg_partition_tree($1) WHERE isleaf))
  ORDER BY c.oid`;

/** Transactions that hold a lock for writing on a table ($1 its id) or a part of it. */
export const LIST_WRITERS = `
  SELECT virtualtransaction AS id FROM pg_locks
  WHERE locktype = 'relation' AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (relation = $1 OR relation IN (SELECT relid FROM pg_partition_tree($1)))`;

/** Keys of about so many rows that divide a table in equal parts, in text form and in their order. */
export function buildSampleKeys(table: ReadTable, key: readonly string[], { percent, parts }: { readonly percent: number; readonly parts: number }): string {
  const texts = key.map((name, place) => `${pg.escapeIdentifier(name)}::text AS k${place}`).join(', ');
  const sample = `SELECT ${quoteColumns(key)}, ntile(${parts}) OVER (ORDER BY ${quoteColumns(key)}) AS part FROM ${rowsOf(table)} TABLESAMPLE SYSTEM (${percent})`;
  return `SELECT DISTINCT ON (part) ${texts} FROM (${sample}) s WHERE part < ${parts} ORDER BY part, ${key.map((name) => `${pg.escapeIdentifier(name)} DESC`).join(', ')}`;
}

export function buildCopyTable({ table, columns, where, isBinary }: Pick<ChunkQuery, 'table' | 'columns' | 'where' | 'isBinary'>): string {
  return buildCopy(`SELECT ${quoteColumns(columns)} FROM ${rowsOf(table)}${where === null ? '' : ` WHERE (${where}\n)`}`, isBinary);
}

/** One row by its key, in text form. */
export function buildCopyRow(table: ReadTable, columns: readonly (string | null)[], key: readonly { readonly name: string; readonly text: string }[]): string {
  const where = key.map(({ name, text }) => `${pg.escapeIdentifier(name)} = ${pg.escapeLiteral(text)}`).join(' AND ');
  const selected = columns.map((name) => (name === null ? 'NULL' : pg.escapeIdentifier(name))).join(', ');
  return buildCopy(`SELECT ${selected} FROM ${rowsOf(table)} WHERE ${where}`);
}

/**
 * Which of these keys no published row has: each with its key columns and no other value. They are told by a row of the table's own type,
 * whatever that of its key is.
 */
export function buildCopyAbsent(
  table: ReadTable,
  columns: readonly (string | null)[],
  wanted: { readonly keys: readonly KeyTexts[]; readonly where: string | null },
): string {
  const { keys, where } = wanted;
  const rows = `json_populate_recordset(NULL::${quoteTable(table.ref)}, ${pg.escapeLiteral(JSON.stringify(keys))}) AS dbmazz_wanted`;
  const of = (name: string) => `dbmazz_wanted.${pg.escapeIdentifier(name)}`;
  const selected = columns.map((name) => (name === null ? 'NULL' : of(name))).join(', ');
  const match = Object.keys(keys[0] ?? {}).map((name) => `${pg.escapeIdentifier(table.ref.name)}.${pg.escapeIdentifier(name)} = ${of(name)}`);
  const conditions = [...match, ...(where === null ? [] : [`(${where}\n)`])];
  return buildCopy(`SELECT ${selected} FROM ${rows} WHERE NOT EXISTS (SELECT FROM ${rowsOf(table)} WHERE ${conditions.join(' AND ')})`);
}

/** The columns that a table has now. */
export const COLUMN_NAMES = `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`;

function buildCopy(select: string, isBinary = false): string {
  return `COPY (${select}) TO STDOUT${isBinary ? ' (FORMAT binary)' : ''}`;
}

/** The log tells of tables that inherit from a table under their own names, so they are not read with it. */
function rowsOf({ ref, isPartitioned }: ReadTable): string {
  return isPartitioned ? quoteTable(ref) : `ONLY ${quoteTable(ref)}`;
}

function quoteColumns(names: readonly string[]): string {
  return names.map((name) => pg.escapeIdentifier(name)).join(', ');
}
