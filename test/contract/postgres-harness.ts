import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { SINK_OPTIONS } from '../../shared/config/sink-options.ts';
import { META_COLUMNS, type Sink } from '../../shared/connector/sink.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { qualified, quoteName } from '../../sinks/postgres/identifiers.ts';
import { postgresSink } from '../../sinks/postgres/mod.ts';
import { canonicalJson } from './canonical.ts';
import type { ContractSettings, LiveRow, SinkHarness } from './sink-contract.ts';

export interface PostgresHarness extends SinkHarness {
  readonly url: string;
  readonly schema: string;
  createSink(settings: ContractSettings & Readonly<Record<string, string>>): Sink;
  /** Rows of any query; cells as text, as PostgreSQL prints them. */
  query(sql: string): Promise<readonly Record<string, string | null>[]>;
}

/** The server of the test run (`POSTGRES_URL`), and a database of our own in it, so that the schema is our own as well. */
export async function openHarness(): Promise<PostgresHarness> {
  const server = process.env['POSTGRES_URL'];
  if (server === undefined) throw new Error('POSTGRES_URL is not set: the integration tests need a server.');
  const database = `test_${randomBytes(4).toString('hex')}`;
  await administer(server, `CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'UTF8'`);
  const url = Object.assign(new URL(server), { pathname: `/${database}` }).href;
  const pool = new pg.Pool({ connectionString: url, max: 2, types: { getTypeParser: () => (text: string | null) => text } });
  pool.on('error', () => undefined);
  const query = async (sql: string) => (await pool.query<Record<string, string | null>>(sql)).rows;
  const schema = 'landing';
  return {
    url,
    schema,
    query,
    createSink: (settings) => createSink({ SINK_URL: url, SINK_SCHEMA: schema, ...settings }),
    liveRows: async (table, target) => liveRows(query, table, qualified(schema, target)),
    close: async () => {
      await pool.end();
      await administer(server, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    },
  };
}

export function createSink(environment: Readonly<Record<string, string>>): Sink {
  const { settings, problems } = readOptions({ ...SINK_OPTIONS, ...postgresSink.options }, { SINK_NAME: 'test', SINK_TOPICS: 'test.*', ...environment });
  throwIfProblems(problems);
  return postgresSink.create(settings, { log: silentLogger() });
}

async function administer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function liveRows(query: PostgresHarness['query'], table: TableSchema, target: string): Promise<readonly LiveRow[]> {
  const columns = table.columns.map(({ name, dataType }, index) => `${show(dataType, quoteName(name))} AS c${index}`);
  const meta = Object.values(META_COLUMNS).map((name) => `${quoteName(name)}::text AS ${name}`);
  const rows = await query(`SELECT ${[...columns, ...meta].join(', ')} FROM ${target}`);
  return rows.map((row) => ({
    values: Object.fromEntries(table.columns.map(({ name, dataType }, index) => [name, spell(dataType, row[`c${index}`] ?? null)])),
    opType: String(row[META_COLUMNS.opType]),
    isDeleted: row[META_COLUMNS.isDeleted] === 'true',
    version: Number(row[META_COLUMNS.version]),
  }));
}

function show(type: DataType, name: string): string {
  switch (type.kind) {
    case 'bytes':
      return `encode(${name}, 'hex')`;
    case 'timestamp':
      return `to_char(${name}, 'YYYY-MM-DD HH24:MI:SS.US')`;
    case 'timestampTz':
      return `to_char(${name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`;
    case 'time':
      return `to_char(${name}, 'HH24:MI:SS.US')`;
    case 'array':
      return `CASE WHEN ${name} IS NOT NULL THEN array_to_json(ARRAY(SELECT ${show(type.element, 'item')}::text FROM unnest(${name}) WITH ORDINALITY AS u (item, nth) ORDER BY nth))::text END`;
    default:
      return `${name}::text`;
  }
}

/** From PostgreSQL's spelling to the canonical one. */
function spell(type: DataType, text: string | null): string | null {
  if (text === null) return null;
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return String(Number(text));
    case 'json':
    case 'jsonb':
      return canonicalJson(text);
    case 'array':
      return JSON.stringify((JSON.parse(text) as (string | null)[]).map((item) => spell(type.element, item)));
    default:
      return text;
  }
}
