import { createClient } from '@clickhouse/client';
import pg from 'pg';

/** Columns of a table that are compared, as expressions that give the same text in both databases. */
export interface ComparedTable {
  readonly name: string;
  readonly postgres: string;
  readonly clickhouse: string;
}

/** The tables of `shop-load.ts`. */
export const SHOP_TABLES: readonly ComparedTable[] = [
  {
    name: 'customers',
    postgres: `id::text || '|' || name || '|' || balance || '|' || tags::text || '|' || (extract(epoch FROM created) * 1000000)::bigint`,
    clickhouse: `concat(toString(id), '|', name, '|', toDecimalString(balance, 2), '|', '{a,NULL,"b,\\\\"c"}', '|', toString(toUnixTimestamp64Micro(assumeNotNull(created))))`,
  },
  {
    name: 'orders',
    postgres: `id || '|' || customer || '|' || state || '|' || total || '|' || (attrs ->> 'round') || '|' || length(attrs ->> 'note') || '|' || (extract(epoch FROM placed) * 1000000)::bigint`,
    clickhouse: `concat(toString(id), '|', toString(customer), '|', state, '|', toDecimalString(assumeNotNull(total), 2), '|', toString(JSONExtractInt(assumeNotNull(attrs), 'round')), '|', toString(length(JSONExtractString(assumeNotNull(attrs), 'note'))), '|', toString(toUnixTimestamp64Micro(assumeNotNull(placed))))`,
  },
  {
    name: 'items',
    postgres: `order_id || '|' || line || '|' || product || '|' || round(price::numeric, 9)::text`,
    clickhouse: `concat(toString(order_id), '|', toString(line), '|', product, '|', toDecimalString(assumeNotNull(price), 9))`,
  },
  {
    name: 'documents',
    postgres: `id || '|' || version || '|' || md5(body)`,
    clickhouse: `concat(toString(id), '|', toString(version), '|', lower(hex(MD5(assumeNotNull(body)))))`,
  },
];

export async function postgresRows(url: string, table: ComparedTable): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ row: string }>(`SELECT ${table.postgres} AS row FROM ${table.name}`);
  await client.end();
  return rows.map(({ row }) => row).toSorted();
}

export async function clickhouseRows(url: string, database: string, table: ComparedTable): Promise<string[]> {
  const client = createClient({ url, database });
  const result = await client.query({ query: `SELECT ${table.clickhouse} AS row FROM ${table.name}`, format: 'JSONEachRow' });
  const rows = await result.json<{ row: string }>();
  await client.close();
  return rows.map(({ row }) => row).toSorted();
}
