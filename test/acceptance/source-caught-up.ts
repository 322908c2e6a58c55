import pg from 'pg';
import type { ConnectorProcess } from './connector-process.ts';

/** Resolves when a source has read its tables, and published all that is committed in its database up to now. */
export async function sourceCaughtUp(source: ConnectorProcess, url: string, limitMs?: number): Promise<void> {
  const end = await markEnd(url);
  await source.until(({ position, snapshot }) => typeof position === 'string' && position >= end && isSnapshotDone(snapshot), 'the end of the log', limitMs);
}

/** A transaction of its own at the end of the log, so that the source's position comes past all the others. */
async function markEnd(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ lsn: string }>(`SELECT pg_logical_emit_message(true, 'test', '')::text AS lsn`);
  await client.end();
  const [high = '', low = ''] = (rows[0]?.lsn ?? '').split('/');
  return `${high.padStart(8, '0')}/${low.padStart(8, '0')}`;
}

function isSnapshotDone(snapshot: unknown): boolean {
  const { tables } = (snapshot ?? {}) as { tables?: Record<string, { state: string }> };
  return tables !== undefined && Object.values(tables).every(({ state }) => state === 'done');
}
