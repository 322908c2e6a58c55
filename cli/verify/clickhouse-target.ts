import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import { type ClickHouseConfig, targetNames } from '../../sinks/clickhouse/config.ts';
import { toTargetError } from '../../sinks/clickhouse/errors.ts';
import { finishClickHouse } from './canonical.ts';
import { buildClickHouseQuery, CLICKHOUSE_LIMITS, type ClickHouseQuery } from './clickhouse-cells.ts';
import type { CanonicalRow } from './compare-rows.ts';
import type { RowsWanted, VerifyTarget } from './verify-target.ts';

const REQUEST_TIMEOUT_MS = 3_600_000;

/** Also for a table that was there before the sink, which has no view over it. */
export function openClickHouseTarget(config: ClickHouseConfig): VerifyTarget {
  const client = createClient({
    url: config.url,
    username: config.user,
    password: config.password.reveal(),
    application: 'dbmazz verify',
    request_timeout: REQUEST_TIMEOUT_MS,
    log: { level: ClickHouseLogLevel.OFF },
  });
  const target = { client, database: config.database };
  const nameOf = (table: TableRef): string => targetNames(config, table).view;
  return {
    name: 'clickhouse',
    limits: CLICKHOUSE_LIMITS,
    columnsOf: async (table) => columnsOf(target, nameOf(table)),
    rows: (table, wanted) => readClickHouse(target, nameOf(table), wanted),
    close: async () => client.close(),
  };
}

interface Target {
  readonly client: ClickHouseClient;
  readonly database: string;
}

async function columnsOf(target: Target, table: string): Promise<readonly string[] | undefined> {
  const rows = await ask<{ name: string }>(
    target,
    table,
    'SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position',
  );
  return rows.length === 0 ? undefined : rows.map(({ name }) => name);
}

async function* readClickHouse(target: Target, table: string, { columns, sortedBy }: RowsWanted): AsyncGenerator<CanonicalRow> {
  const [found] = await ask<{ engine: string }>(target, table, 'SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}');
  const needsFinal = found?.engine.includes('MergeTree') ?? false;
  const query: ClickHouseQuery = { database: target.database, table, columns, sortedBy, needsFinal, deletedColumn: META_COLUMNS.isDeleted };
  const finishes = columns.map((column) => finishClickHouse(column, CLICKHOUSE_LIMITS));
  try {
    const result = await target.client.query({ query: buildClickHouseQuery(query), format: 'JSONCompactEachRow' });
    for await (const rows of result.stream<unknown[]>()) {
      for (const row of rows) yield row.json().map((cell, place) => finishes[place]?.(cell) ?? null);
    }
  } catch (error) {
    throw toTargetError(error, { action: `reading ${target.database}.${table}`, hasTimedOut: false });
  }
}

async function ask<T>({ client, database }: Target, table: string, query: string): Promise<readonly T[]> {
  try {
    const result = await client.query({ query, format: 'JSONEachRow', query_params: { database, table } });
    return await result.json<T>();
  } catch (error) {
    throw toTargetError(error, { action: `describing ${database}.${table}`, hasTimedOut: false });
  }
}
