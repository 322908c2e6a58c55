import { createClient } from '@clickhouse/client';
import pg from 'pg';
import { type Latencies, nowMs } from './latencies.ts';

/** How exact a time of arrival is: the target is asked this often. */
export const WATCH_EVERY_MS = 20;

interface Pulse {
  readonly id: number | string;
  readonly at_micros: number | string;
}

/** Asks a target for rows from an id on. */
export interface PulseTarget {
  rowsFrom(id: number): Promise<readonly Pulse[]>;
  close(): Promise<void>;
}

/** Asks the target again and again until all rows of a round are there. */
export async function watchTarget(target: PulseTarget, latencies: Latencies): Promise<void> {
  while (!latencies.isComplete) {
    // A row is counted from the moment at which the question was asked that found it: the answer's way is not the sink's.
    const askedAtMs = nowMs();
    for (const { id, at_micros: micros } of await target.rowsFrom(latencies.lowestMissing)) latencies.add(Number(id), Number(micros) / 1000, askedAtMs);
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS));
  }
}

export function watchedPostgres(url: string): PulseTarget {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  return {
    rowsFrom: async (id) => ifThere(async () => (await pool.query<Pulse>('SELECT id, at_micros FROM pulse WHERE id >= $1', [id])).rows),
    close: () => pool.end(),
  };
}

export function watchedClickHouse(url: string, database: string): PulseTarget {
  const client = createClient({ url, database });
  return {
    rowsFrom: async (id) =>
      ifThere(async () => (await client.query({ query: `SELECT id, at_micros FROM pulse WHERE id >= ${id}`, format: 'JSONEachRow' })).json<Pulse>()),
    close: () => client.close(),
  };
}

/** The sink makes the table when it writes for the first time. */
async function ifThere(ask: () => Promise<readonly Pulse[]>): Promise<readonly Pulse[]> {
  try {
    return await ask();
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === '42P01' || code === '60') return [];
    throw error;
  }
}
