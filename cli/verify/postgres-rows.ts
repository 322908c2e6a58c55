import pg, { type Client } from 'pg';
import Cursor from 'pg-cursor';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ColumnDef } from '../../shared/record/table-schema.ts';
import type { ServerTls } from '../../shared/tls/server-tls.ts';
import { errorCodeOf } from '../../sinks/postgres/sqlstate.ts';
import { type Cell, finishPostgres, type TargetLimits } from './canonical.ts';
import type { CanonicalRow } from './compare-rows.ts';
import { buildPostgresQuery, type PostgresQuery } from './postgres-cells.ts';

/** The text forms that canonical texts rest on, whatever the server's or the user's defaults. */
const SESSION = [
  'datestyle=ISO',
  'intervalstyle=postgres',
  'timezone=UTC',
  'bytea_output=hex',
  'extra_float_digits=3',
  'statement_timeout=0',
  'idle_in_transaction_session_timeout=0',
];
const CONNECT_TIMEOUT_MS = 10_000;
/** What is asked for at once, unless rows are large. */
const MAX_ROWS = 1000;
const FETCH_BYTES = 4 * 1024 * 1024;

/** A database to read from; `setting` is the name of the setting that has its URL. */
export interface ReaderAddress {
  readonly connectionString: string;
  readonly tls: ServerTls;
  readonly setting: string;
}

/** A connection for reading. */
export async function connectReader({ connectionString, tls, setting }: ReaderAddress): Promise<Client> {
  const client = new pg.Client({
    connectionString,
    ssl: await tls.driverTls(),
    application_name: 'dbmazz verify',
    options: SESSION.map((value) => `-c ${value}`).join(' '),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // A connection that breaks while nothing is asked of it shows at the next query.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw toReaderError(await tls.explain(error), `connecting to ${setting}`);
  }
}

export function toReaderError(error: unknown, doing: string): CdcError {
  if (error instanceof CdcError) return error;
  const state = String((error as { code?: unknown }).code ?? '');
  return new CdcError(errorCodeOf(state) ?? 'CONNECTION_LOST', `PostgreSQL did not do what was asked while ${doing}.`, {
    cause: error,
    context: { sqlState: state },
  });
}

/** The rows of a table in canonical text, sorted, a few at a time. */
export async function* readPostgres(client: Client, query: PostgresQuery, limits: TargetLimits): AsyncGenerator<CanonicalRow> {
  const { schema, name } = query.table;
  const finish = finisher(query.columns, limits);
  const cursor = client.query(new Cursor<Cell[]>(buildPostgresQuery(query), [], { rowMode: 'array', types: { getTypeParser: () => String } }));
  try {
    for (let count = MAX_ROWS; ;) {
      const rows = await cursor.read(count);
      if (rows.length === 0) return;
      count = nextCount(rows);
      for (const row of rows) yield finish(row);
    }
  } catch (error) {
    throw toReaderError(error, `reading ${schema}.${name}`);
  } finally {
    await cursor.close().catch(() => undefined);
  }
}

/** So many rows of this size as fit the memory of one fetch. */
function nextCount(rows: readonly (readonly Cell[])[]): number {
  let characters = 1;
  for (const row of rows) for (const cell of row) characters += cell?.length ?? 0;
  return Math.max(1, Math.min(MAX_ROWS, Math.floor((FETCH_BYTES * rows.length) / characters)));
}

function finisher(columns: readonly ColumnDef[], limits: TargetLimits): (row: Cell[]) => CanonicalRow {
  const finishes = columns.map((column) => finishPostgres(column, limits));
  return (row) => row.map((cell, place) => finishes[place]?.(cell) ?? null);
}
