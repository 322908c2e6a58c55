import type { Client } from 'pg';
import type { Checkpoint } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { runReplicationCommand } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { isLost, lostMessage, type SlotState } from './findings.ts';
import { type LogPlace, parseLogPlace, type ServerLog } from './log-place.ts';
import { formatBigLsn, parseLsn } from './parser.ts';
import { buildTimelineHistory, LOG_END, SYSTEM_IDENTIFIER } from './statements.ts';

/** A log as it is now. */
export interface CurrentLog extends ServerLog {
  /** Where it ends, in the form of positions. */
  readonly end: string;
}

export async function readServerLog(client: Client): Promise<CurrentLog> {
  const { rows } = await client.query<{ lsn: string; file: string }>(LOG_END);
  const [{ lsn, file } = { lsn: '0/0', file: '' }] = rows;
  return { system: await readSystem(client), timeline: Number.parseInt(file.slice(0, 8), 16), end: formatBigLsn(parseLsn(lsn)) };
}

/** Null where the user may not ask, as on some managed services. */
async function readSystem(client: Client): Promise<string | null> {
  try {
    const { rows } = await client.query<{ system: string }>(SYSTEM_IDENTIFIER);
    return rows[0]?.system ?? null;
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith('42')) return null;
    throw error;
  }
}

/** Positions only rise: another server, or an older state of it, would have its changes taken for ones that are published. */
export function assertSameLog(config: PostgresSourceConfig, { position, log }: Checkpoint, now: CurrentLog): void {
  const { system = null } = parseLogPlace(log) ?? {};
  if (system !== null && now.system !== null && system !== now.system && !isAccepted(config)) throw otherSystem(config, system, now.system);
  if (position === null || now.end >= position.transaction) return;
  throw new CdcError(
    'POSITION_INVALID',
    `The topics of ${config.name} stand at ${position.transaction}, but the log of the source ends at ${now.end}: it is another server, or was restored from an older state.`,
    { context: { slot: config.slot }, remedy: 'Check SOURCE_URL; if the server was restored, start under a new SOURCE_NAME to take a new snapshot.' },
  );
}

function otherSystem({ name, slot }: PostgresSourceConfig, before: string, now: string): CdcError {
  return new CdcError(
    'POSITION_INVALID',
    `The topics of ${name} hold changes of database system ${before}, but SOURCE_URL leads to database system ${now}: another cluster, whose log has nothing to do with theirs.`,
    {
      context: { slot },
      remedy:
        'Check SOURCE_URL. If the cluster was made anew, start under a new SOURCE_NAME to take a new snapshot; ' +
        'if pg_upgrade has carried it and its slot over, start once with ON_SLOT_LOST=accept.',
    },
  );
}

/** Whether the user vouches for a slot that stands elsewhere than the topics. */
export function isAccepted({ settings }: PostgresSourceConfig): boolean {
  return settings.ON_SLOT_LOST === 'accept';
}

export interface LossInput {
  readonly config: PostgresSourceConfig;
  readonly from: Checkpoint;
  readonly slot: SlotState | undefined;
  readonly now: CurrentLog;
  /** The id of the publication, before we made or changed anything; undefined where there is none. */
  readonly publication: string | undefined;
}

/** Of a source that has run before: how history was lost, as a sentence; undefined where it was not. */
export async function findLoss({ config, from, slot, now, publication }: LossInput): Promise<string | undefined> {
  if (slot === undefined) return `Replication slot ${config.slot} is gone, but ${standing(config, from)}: the changes since then cannot be read.`;
  if (isLost(slot)) return lostMessage(config.slot, slot);
  const place = parseLogPlace(from.log);
  if (place === undefined) return undefined;
  return (await findFork(config, place, now)) ?? findJump(config, place, slot) ?? findOther(config, place, publication);
}

/**
 * From PostgreSQL 18 on, changes of a time in which there was no publication are passed over without a word. One that is missing
 * is made by us, and its tables are read anew; unless nothing is to be.
 */
function findOther({ publication: name, settings }: PostgresSourceConfig, { publication: before }: LogPlace, now: string | undefined): string | undefined {
  if (before === undefined || before.id === now || (now === undefined && settings.SNAPSHOT_MODE !== 'never')) return undefined;
  const what = now === undefined ? 'is gone' : 'is another one than before: it was made anew, or SOURCE_PUBLICATION_NAME names another';
  return `Publication ${name} ${what}. Changes from before it was there are not in the stream.`;
}

function standing({ name }: PostgresSourceConfig, { position }: Checkpoint): string {
  return `the topics of ${name} ${position === null ? 'have a part of its snapshot' : `stand at ${position.transaction}`}`;
}

/** We store how far we have read before we confirm it, so a slot that begins behind that was moved or made by somebody else. */
function findJump({ name, slot }: PostgresSourceConfig, { end }: LogPlace, { confirmed_flush_lsn: confirmed }: SlotState): string | undefined {
  const begin = formatBigLsn(parseLsn(confirmed ?? '0/0'));
  if (begin <= end) return undefined;
  return `Replication slot ${slot} begins at ${begin}, but the topics of ${name} have the log up to ${end} alone: the slot was made anew or moved meanwhile, and what lies between cannot be read.`;
}

/** A standby that was promoted goes on from what it had: changes that the topics have beyond that are none of its own. */
async function findFork(config: PostgresSourceConfig, { timeline, end }: LogPlace, now: CurrentLog): Promise<string | undefined> {
  if (timeline === now.timeline) return undefined;
  const fork = await readFork(config, timeline, now.timeline);
  if (fork !== undefined && end <= fork) return undefined;
  const where = fork === undefined ? 'which does not descend from it' : `which left it at ${fork}`;
  return `The topics of ${config.name} have the log up to ${end} of timeline ${timeline}, but the source is on timeline ${now.timeline}, ${where}: a standby that lacked the last changes was promoted, or an older state restored.`;
}

/** Where a timeline ended on the way to the present one; undefined where it is no part of that. */
async function readFork(config: PostgresSourceConfig, timeline: number, now: number): Promise<string | undefined> {
  if (now < timeline) return undefined;
  const [row] = await runReplicationCommand(config, buildTimelineHistory(now));
  const lines = String(row?.['content'] ?? '').split('\n');
  const found = lines.map((line) => line.trim().split(/\s+/)).find(([ancestor]) => Number(ancestor) === timeline);
  return found?.[1] === undefined ? undefined : formatBigLsn(parseLsn(found[1]));
}
