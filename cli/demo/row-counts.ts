import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import pg from 'pg';
import type { TableView } from './picture.ts';
import { SHOP_TABLES } from './shop-schema.ts';

/** Counts the rows of the shop's tables in the source and in both targets, for the screen. */
export class RowCounts {
  readonly #source: pg.Client;
  readonly #copy: pg.Client;
  readonly #clickhouse: ClickHouseClient;
  #rows: readonly TableView[] = SHOP_TABLES.map((table) => ({ table, rows: [undefined, undefined, undefined] }));
  #counting: Promise<void> | undefined;

  constructor(urls: { readonly source: string; readonly copy: string; readonly clickhouse: string; readonly database: string }) {
    this.#source = clientFor(urls.source);
    this.#copy = clientFor(urls.copy);
    this.#clickhouse = createClient({ url: urls.clickhouse, database: urls.database, request_timeout: 5000, log: { level: ClickHouseLogLevel.OFF } });
  }

  get tables(): readonly TableView[] {
    return this.#rows;
  }

  async open(): Promise<void> {
    await Promise.all([this.#source.connect(), this.#copy.connect()]);
  }

  /** One count at a time; a target without the tables yet has no counts. */
  async refresh(): Promise<void> {
    this.#counting ??= this.#count().finally(() => (this.#counting = undefined));
    await this.#counting;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#source.end(), this.#copy.end(), this.#clickhouse.close()]);
  }

  async #count(): Promise<void> {
    const counts = await Promise.all([countPostgres(this.#source), this.#countClickHouse(), countPostgres(this.#copy)]);
    this.#rows = SHOP_TABLES.map((table) => ({ table, rows: counts.map((count) => count.get(table)) }));
  }

  async #countClickHouse(): Promise<ReadonlyMap<string, number>> {
    try {
      const rows: { name: string; rows: string }[] = [];
      const tables = await this.#clickhouse.query({
        query: "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'",
        format: 'JSONEachRow',
      });
      for (const { name } of await tables.json<{ name: string }>()) {
        const answer = await this.#clickhouse.query({ query: `SELECT '${name}' AS name, toString(count()) AS rows FROM \`${name}\``, format: 'JSONEachRow' });
        rows.push(...(await answer.json<{ name: string; rows: string }>()));
      }
      return new Map(rows.map(({ name, rows: count }) => [name, Number(count)]));
    } catch {
      return new Map();
    }
  }
}

function clientFor(connectionString: string): pg.Client {
  const client = new pg.Client({ connectionString, application_name: 'dbmazz demo', query_timeout: 5000 });
  client.on('error', () => undefined);
  return client;
}

async function countPostgres(client: pg.Client): Promise<ReadonlyMap<string, number>> {
  try {
    const { rows: tables } = await client.query<{ name: string }>('SELECT relname AS name FROM pg_stat_user_tables WHERE relname = ANY ($1)', [
      [...SHOP_TABLES],
    ]);
    if (tables.length === 0) return new Map();
    const selects = tables.map(({ name }) => `SELECT '${name}' AS name, count(*)::int AS rows FROM ${pg.escapeIdentifier(name)}`);
    const { rows } = await client.query<{ name: string; rows: number }>(selects.join(' UNION ALL '));
    return new Map(rows.map(({ name, rows: count }) => [name, count]));
  } catch {
    return new Map();
  }
}
