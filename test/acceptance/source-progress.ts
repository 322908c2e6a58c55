import pg from 'pg';

/** Where the log of a PostgreSQL database ends now, as the status of a source writes positions. */
export async function endOfLog(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ lsn: string }>(`SELECT pg_logical_emit_message(true, 'test', '')::text AS lsn`);
  await client.end();
  const [high = '', low = ''] = (rows[0]?.lsn ?? '').split('/');
  return `${high.padStart(8, '0')}/${low.padStart(8, '0')}`;
}

export function isSnapshotDone(snapshot: unknown): boolean {
  const tables = Object.values((snapshot as { tables?: Record<string, { state: string }> } | null)?.tables ?? {});
  return tables.length > 0 && tables.every(({ state }) => state === 'done');
}
