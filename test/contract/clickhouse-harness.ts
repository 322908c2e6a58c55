import { randomBytes } from 'node:crypto';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { SINK_OPTIONS } from '../../shared/config/sink-options.ts';
import { META_COLUMNS, type Sink } from '../../shared/connector/sink.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { canonicalJson } from './canonical.ts';
import type { ContractSettings, LiveRow, SinkHarness } from './sink-contract.ts';
import { type ClickHouseConfig, type ClickHouseSettings, resolveConfig } from '../../sinks/clickhouse/config.ts';
import { clickhouseSink } from '../../sinks/clickhouse/mod.ts';
import { qualify, quoteName } from '../../sinks/clickhouse/statements.ts';

export interface ClickHouseHarness extends SinkHarness {
  readonly database: string;
  createSink(settings: ContractSettings & Readonly<Record<string, string>>): Sink;
  /** Rows of any query, cells as ClickHouse prints them in JSON. */
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
  run(sql: string): Promise<void>;
}

/** The server of the test run (`CLICKHOUSE_URL`), and a database of our own in it. */
export async function openHarness(): Promise<ClickHouseHarness> {
  const url = process.env['CLICKHOUSE_URL'];
  if (url === undefined) throw new Error('CLICKHOUSE_URL is not set: the integration tests need a server.');
  const database = `test_${randomBytes(4).toString('hex')}`;
  const client = createClient({ url, log: { level: ClickHouseLogLevel.OFF } });
  const query = async (sql: string) =>
    (await client.query({ query: sql, format: 'JSONEachRow', clickhouse_settings: { output_format_json_quote_64bit_integers: 1 } })).json<
      Record<string, unknown>
    >();
  const run = async (sql: string) => void (await client.command({ query: sql }));
  return {
    database,
    query,
    run,
    createSink: (settings) => createSink({ SINK_URL: url, SINK_DATABASE: database, ...settings }),
    liveRows: async (table, target) => liveRows(query, table, qualify(database, target)),
    close: async () => {
      await run(`DROP DATABASE IF EXISTS ${quoteName(database)}`);
      await client.close();
    },
  };
}

export function createSink(environment: Readonly<Record<string, string>>): Sink {
  return clickhouseSink.create(settingsOf(environment), { log: silentLogger() });
}

export function configOf(environment: Readonly<Record<string, string>>): ClickHouseConfig {
  return resolveConfig(settingsOf(environment));
}

function settingsOf(environment: Readonly<Record<string, string>>): ClickHouseSettings {
  const { settings, problems } = readOptions({ ...SINK_OPTIONS, ...clickhouseSink.options }, { SINK_NAME: 'test', SINK_TOPICS: 'test.*', ...environment });
  throwIfProblems(problems);
  return settings;
}

async function liveRows(query: ClickHouseHarness['query'], table: TableSchema, target: string): Promise<readonly LiveRow[]> {
  const columns = table.columns.map(({ name, dataType }) => `${show(dataType, quoteName(name))} AS ${quoteName(name)}`);
  const rows = await query(
    `SELECT ${[...columns, ...Object.values(META_COLUMNS).map((name) => `toString(${name}) AS ${name}`)].join(', ')} FROM ${target} FINAL`,
  );
  const plain = await query(`SELECT toString(count()) AS count FROM ${target}`);
  if (plain[0]?.['count'] !== String(rows.length))
    throw new Error(`${target} has ${String(plain[0]?.['count'])} rows without FINAL and ${rows.length} with it`);
  return rows.map((row) => ({
    values: Object.fromEntries(table.columns.map(({ name, dataType }) => [name, spell(dataType, (row[name] ?? null) as string | null)])),
    opType: String(row[META_COLUMNS.opType]),
    isDeleted: row[META_COLUMNS.isDeleted] === '1',
    version: Number(row[META_COLUMNS.version]),
  }));
}

function show(type: DataType, name: string): string {
  if (type.kind === 'bytes') return `lower(hex(${name}))`;
  if (type.kind !== 'array') return `toString(${name})`;
  return `toJSONString(arrayMap(x -> ${show(type.element, 'x')}, ${name}))`;
}

/** From ClickHouse's spelling to the canonical one. */
function spell(type: DataType, text: string | null): string | null {
  if (text === null) return null;
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return String(Number(text.replace('inf', 'Infinity').replace('nan', 'NaN')));
    case 'decimal':
      return withScale(text, type.scale);
    case 'json':
    case 'jsonb':
      return canonicalJson(text);
    case 'time':
      return text.includes('.') ? text.padEnd(15, '0') : `${text}.000000`;
    case 'array':
      return JSON.stringify((JSON.parse(text) as (string | null)[]).map((item) => spell(type.element, item)));
    default:
      return text;
  }
}

function withScale(text: string, scale: number): string {
  const [whole = '', fraction = ''] = text.split('.');
  return scale === 0 ? whole : `${whole}.${fraction.padEnd(scale, '0')}`;
}
