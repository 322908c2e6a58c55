import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { isCdcError } from '../../shared/errors/cdc-error.ts';
import type { LogOverview } from '../../topics/kafka/log-overview.ts';
import { isControlTopic } from '../../topics/names.ts';
import { CommandFailure } from '../terminal.ts';
import type { ConnectorProcess } from './connector-process.ts';

const POLL_MS = 200;

export interface CatchUp {
  readonly source: ConnectorProcess;
  readonly sourceUrl: string;
  readonly slot: string;
  readonly sourceName: string;
  /** Consumer groups of the sinks. */
  readonly groups: readonly string[];
  readonly overview: LogOverview;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits until everything that is committed in the source database now is in the targets: first until the source's
 * snapshot is done, and it has confirmed the present end of the database's log, which it does only after the broker
 * has it; then until the sinks' groups have committed the ends of all table topics, which they do only after their
 * targets have it.
 */
export async function untilCaughtUp(options: CatchUp): Promise<void> {
  const client = new pg.Client({ connectionString: options.sourceUrl, application_name: 'dbmazz demo' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    // A transaction of its own: the source confirms ends of transactions at once, and the end of a quiet log in its own time.
    const { rows } = await client.query<{ lsn: string }>(`SELECT pg_logical_emit_message(true, 'dbmazz-demo', '')::text AS lsn`);
    const end = rows[0]?.lsn ?? '0/0';
    await poll(options, async () => unpublished(client, options, end));
  } finally {
    await client.end().catch(() => undefined);
  }
  await poll(options, async () => unread(options));
}

/** What the source has not published yet, in words. */
async function unpublished(client: pg.Client, { source, slot }: CatchUp, lsn: string): Promise<readonly string[]> {
  await source.refresh();
  const { done = 0, tables = 0 } = source.status?.snapshot ?? {};
  if (tables === 0 || done < tables) return [`the snapshot (${done} of ${tables} tables are done)`];
  const { rows } = await client.query<{ done: boolean }>('SELECT confirmed_flush_lsn >= $2::pg_lsn AS done FROM pg_replication_slots WHERE slot_name = $1', [
    slot,
    lsn,
  ]);
  return rows[0]?.done === true ? [] : ['the source to publish everything'];
}

/** What the sinks have not written yet, in words. */
async function unread({ overview, sourceName, groups }: CatchUp): Promise<readonly string[]> {
  const topics = (await overview.topics()).filter((topic) => topic.startsWith(`${sourceName}.`) && !isControlTopic(topic));
  const lags = await Promise.all(groups.map(async (group) => (await overview.lagOf(group, topics)).map((lag) => ({ group, ...lag }))));
  return lags.flat().flatMap(({ group, topic, lag }) => (lag === 0 ? [] : [`group ${group} to read ${lag} offsets of ${topic}`]));
}

/** A broker that has only just started does not know its groups yet. */
function asAwaited(error: unknown): readonly string[] {
  if (isCdcError(error) && error.action === 'retry') return [`an answer (${error.message})`];
  throw error;
}

/** Asks again and again what is still awaited. */
async function poll({ withinMs, signal }: CatchUp, awaited: () => Promise<readonly string[]>): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const rest = await awaited().catch(asAwaited);
    if (rest.length === 0) return;
    if (performance.now() > deadline) throw new CommandFailure(`Waited ${withinMs / 1000} s in vain for ${rest.join(', for ')}.`);
    await delay(POLL_MS, undefined, { signal });
  }
}
