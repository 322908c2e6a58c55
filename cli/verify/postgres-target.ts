import pg, { type Client } from 'pg';
import { targetTableName } from '../../shared/config/sink-options.ts';
import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import type { PostgresSinkConfig } from '../../sinks/postgres/config.ts';
import { NO_LIMITS } from './canonical.ts';
import { connectReader, readPostgres, toReaderError } from './postgres-rows.ts';
import type { VerifyTarget } from './verify-target.ts';

const COLUMNS = `
  SELECT attname AS name FROM pg_attribute
  WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;

export async function openPostgresTarget(config: PostgresSinkConfig): Promise<VerifyTarget> {
  const client = await connectReader({ connectionString: config.url.reveal(), tls: config.tls, setting: 'SINK_URL' });
  const targetOf = (table: TableRef): TableRef => ({ schema: config.schema, name: targetTableName(config.tablePattern, table) });
  return {
    name: 'postgres',
    limits: NO_LIMITS,
    columnsOf: async (table) => columnsOf(client, targetOf(table)),
    rows: (table, wanted) => readPostgres(client, { table: targetOf(table), ...wanted, deletedColumn: META_COLUMNS.isDeleted }, NO_LIMITS),
    close: async () => client.end().catch(() => undefined),
  };
}

async function columnsOf(client: Client, { schema, name }: TableRef): Promise<readonly string[] | undefined> {
  try {
    const { rows } = await client.query<{ name: string }>(COLUMNS, [`${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`]);
    return rows.length === 0 ? undefined : rows.map((row) => row.name);
  } catch (error) {
    throw toReaderError(error, `describing ${schema}.${name}`);
  }
}
