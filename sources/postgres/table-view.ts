import type { Client } from 'pg';
import type { TableRef } from '../../shared/record/table-schema.ts';
import { type CatalogTable, describeTables } from './catalog.ts';
import { buildLock } from './statements.ts';

/** SQLSTATEs of a table and of a schema that are not there. */
const GONE = new Set(['42P01', '3F000']);

/** One table as one transaction sees it. */
export interface TableView {
  readonly table: CatalogTable;
  /** Which transactions it sees, as `pg_current_snapshot()` says it. */
  readonly snapshot: string;
  /** No transaction that it sees was committed behind this place of the log. */
  readonly lsn: string;
}

/** Opens a transaction that sees one state of a table, until `closeView`; undefined where the table is gone. */
export async function openView(client: Client, ref: TableRef): Promise<TableView | undefined> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const isThere = await lock(client, ref);
  // What is written but not yet flushed is visible as well (synchronous_commit = off): so the place of insertion.
  const { rows } = isThere
    ? await client.query<Omit<TableView, 'table'>>('SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_insert_lsn()::text AS lsn')
    : { rows: [] };
  const [seen] = rows;
  const [table] = seen === undefined ? [] : await describeTables(client, [ref]);
  if (seen !== undefined && table !== undefined) return { table, ...seen };
  await client.query('ROLLBACK');
  return undefined;
}

export async function closeView(client: Client): Promise<void> {
  await client.query('COMMIT');
}

async function lock(client: Client, ref: TableRef): Promise<boolean> {
  try {
    await client.query(buildLock(ref));
    return true;
  } catch (error) {
    if (GONE.has(String((error as { code?: unknown }).code))) return false;
    throw error;
  }
}
