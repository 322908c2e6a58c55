import type { Client } from 'pg';
import type { Checkpoint } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { runReplicationCommand, toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { anewRemedy, isLost, lostRemedy, type SlotState } from './findings.ts';
import { type CurrentLog, findLoss, isAccepted } from './server-log.ts';
import { buildAlterFailover, CREATE_FAILOVER_SLOT, CREATE_SLOT, DROP_SLOT, SLOT_STATE } from './statements.ts';

/** The first version whose standbys can take slots over. */
const FAILOVER_VERSION = 170_000;

export function hasHistory({ position, snapshot }: Checkpoint): boolean {
  return position !== null || snapshot !== null;
}

export interface SlotSetup {
  readonly config: PostgresSourceConfig;
  /** Of the server. */
  readonly version: number;
  readonly from: Checkpoint;
  /** The log of the server. */
  readonly now: CurrentLog;
  /** The id of the publication, before we made or changed anything. */
  readonly publication: string | undefined;
  readonly log: Logger;
}

/** Makes the slot where it is missing, or lost and to be made anew. Whether it did. Throws `POSITION_LOST`. */
export async function ensureSlot(client: Client, setup: SlotSetup): Promise<boolean> {
  const { config, from, now, publication, log } = setup;
  const slot = await readSlot(client, config.slot);
  const loss = hasHistory(from) ? await findLoss({ config, from, slot, now, publication }) : undefined;
  const isUsable = slot !== undefined && !isLost(slot);
  if (isUsable && (loss === undefined || isAccepted(config))) {
    if (loss !== undefined) log.warn({ slot: config.slot }, `${loss} ON_SLOT_LOST is accept: going on from the slot.`);
    await alignFailover(config, slot, log);
    return false;
  }
  if (loss !== undefined && !isStartingOver(from)) {
    throw new CdcError('POSITION_LOST', loss, { context: { slot: config.slot }, remedy: lostRemedy(config, isUsable) });
  }
  if (slot !== undefined) {
    await client.query(DROP_SLOT, [config.slot]);
    log.warn({ slot: config.slot, reason: slot.invalidation_reason }, `dropped the replication slot: every table is read anew. ${loss ?? ''}`);
  }
  await createSlot(client, setup);
  return true;
}

/** Stored by `planAnew` before the slot is made: so nothing is lost where the process ends in between. */
function isStartingOver({ snapshot }: Checkpoint): boolean {
  const tables = Object.values(snapshot?.tables ?? {});
  return tables.length > 0 && tables.every((table) => table.startsOver);
}

/** SQLSTATEs: a slot, or a publication, is not there; a row is more than the server can send, by its size or that of one value's text. */
const UNREADABLE = new Set<unknown>(['42704', '54000', 'XX000']);

/**
 * Whether the next set-up finds a slot gone or lost that could not be read. One that is neither is dropped where its log has what
 * nothing makes up for: changes from before the publication was made (up to PostgreSQL 17), or one that cannot be sent.
 */
export async function letGo(client: Client, name: string, sqlState: unknown): Promise<boolean> {
  const slot = await readSlot(client, name);
  if (slot === undefined || isLost(slot)) return true;
  if (!UNREADABLE.has(sqlState)) return false;
  await client.query(DROP_SLOT, [name]);
  return true;
}

/** What is to be said of a slot that could not be read. */
export function lostWhileStreaming(config: PostgresSourceConfig, error: CdcError, isLetGo: boolean): CdcError {
  const details = { cause: error.cause, context: { ...error.context, slot: config.slot } };
  const remedy = error.code === 'POSITION_LOST' ? lostRemedy(config, false) : `${error.remedy} ${anewRemedy(config)}`;
  if (!isLetGo) return new CdcError('POSITION_LOST', error.message, { ...details, remedy });
  return new CdcError('SETUP_CHANGED', `${error.message} ON_SLOT_LOST is snapshot: every table is read anew.`, details);
}

async function createSlot(client: Client, { config, version, log }: SlotSetup): Promise<void> {
  log.info({ slot: config.slot }, 'creating the replication slot; this waits for transactions that are open in the database');
  const isFailover = config.settings.SOURCE_SLOT_FAILOVER && version >= FAILOVER_VERSION;
  const { rows } = await client.query<{ lsn: string }>(isFailover ? CREATE_FAILOVER_SLOT : CREATE_SLOT, [config.slot]).catch((error: unknown) => {
    throw toPostgresError(error, 'creating the replication slot');
  });
  log.info({ slot: config.slot, lsn: rows[0]?.lsn, failover: isFailover }, 'created the replication slot');
}

/** A slot of an earlier version, or of another setting. */
async function alignFailover(config: PostgresSourceConfig, { failover, active }: SlotState, log: Logger): Promise<void> {
  const wanted = config.settings.SOURCE_SLOT_FAILOVER;
  if (failover === null || failover === wanted || active) return;
  try {
    await runReplicationCommand(config, buildAlterFailover(config.slot, wanted));
    log.info({ slot: config.slot, failover: wanted }, 'changed the replication slot');
  } catch (error) {
    log.warn({ err: error, slot: config.slot }, 'the replication slot stays as it is: SOURCE_SLOT_FAILOVER could not be put into force');
  }
}

export async function readSlot(client: Client, name: string): Promise<SlotState | undefined> {
  const { rows } = await client.query<SlotState>(SLOT_STATE, [name]);
  return rows[0];
}
