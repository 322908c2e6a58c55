import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from, to } from 'pg-copy-streams';
import { CHANGES_A_TRANSACTION, ORDER_COLUMNS, ORDER_VALUES } from '../workloads.ts';

/**
 * The limit of a PostgreSQL sink: the changes of the backlog already prepared as COPY text in memory, loaded by the
 * database's own means: one COPY into a staging table and one MERGE of the last change of each key.
 */
const META_COLUMNS = 'dbmazz_op_type text, dbmazz_is_deleted bool, dbmazz_synced_at timestamptz, dbmazz_cdc_version bigint';
const NAMES = `id, ${namesOf(ORDER_COLUMNS)}, ${namesOf(META_COLUMNS)}`;

export async function preparePostgres(url: string, changes: number): Promise<readonly Buffer[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const chunks: Buffer[] = [];
    const stream = client.query(to(`COPY (${buildChanges(changes / CHANGES_A_TRANSACTION)}) TO STDOUT`));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(stream, 'end');
    return chunks;
  } finally {
    await client.end();
  }
}

/** Gives the seconds that it took. */
export async function loadPrepared(url: string, chunks: readonly Buffer[]): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`CREATE TABLE loaded (id bigint PRIMARY KEY, ${ORDER_COLUMNS}, ${META_COLUMNS})`);
    await client.query(`CREATE UNLOGGED TABLE staging (id bigint, ${ORDER_COLUMNS}, ${META_COLUMNS})`);
    const startedAt = performance.now();
    await client.query('BEGIN');
    await pipeline(Readable.from(chunks), client.query(from('COPY staging FROM STDIN')));
    await client.query(MERGE);
    await client.query('COMMIT');
    return (performance.now() - startedAt) / 1000;
  } finally {
    await client.end();
  }
}

const MERGE = `MERGE INTO loaded USING (SELECT DISTINCT ON (id) * FROM staging ORDER BY id, dbmazz_cdc_version DESC) AS s ON loaded.id = s.id
  WHEN MATCHED AND s.dbmazz_is_deleted THEN DELETE
  WHEN MATCHED THEN UPDATE SET (${NAMES}) = ROW (${NAMES.split(', ')
    .map((name) => `s.${name}`)
    .join(', ')})
  WHEN NOT MATCHED AND NOT s.dbmazz_is_deleted THEN INSERT (${NAMES}) VALUES (${NAMES.split(', ')
    .map((name) => `s.${name}`)
    .join(', ')})`;

/** As the workload makes them: 80 inserts, 15 updates and 5 deletes a transaction. */
function buildChanges(transactions: number): string {
  const part = (
    operation: string,
    first: number,
    last: number,
    order: number,
  ) => `SELECT o.*, '${operation}', ${operation === 'd'}, now(), i * ${CHANGES_A_TRANSACTION} + ${order} + n.g
    FROM generate_series(1, ${transactions}) i, generate_series(${first}, ${last}) AS n(g), LATERAL (SELECT i::bigint * 80 AS base) b, LATERAL (SELECT ${ORDER_VALUES}) o`;
  return [part('c', 0, 79, 0), part('u', 0, 14, 80), part('d', 75, 79, 20)].join(' UNION ALL ');
}

function namesOf(columns: string): string {
  return columns
    .split(/,\s+/)
    .map((column) => column.trim().split(' ')[0] ?? '')
    .join(', ');
}
