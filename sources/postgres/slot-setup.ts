import type { Client } from 'pg';
import type { Checkpoint } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { runReplicationCommand, toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { isLost, lostRemedy, type SlotState } from './findings.ts';
import { formatBigLsn, parseLsn } from './parser.ts';
import { buildAlterFailover, CREATE_FAILOVER_SLOT, CREATE_SLOT, CURRENT_LSN, DROP_SLOT, SLOT_STATE } from './statements.ts';

/** The first version whose standbys can take slots over. */
const FAILOVER_VERSION = 170_000;

export function hasHistory({ position, snapshot }: Checkpoint): boolean {
  return position !== null || snapshot !== null;
}

/** Positions only rise: another server, or an older state of it, would have its changes taken for ones that are published. */
export async function assertSameLog(client: Client, config: PostgresSourceConfig, { position }: Checkpoint): Promise<void> {
  if (position === null) return;
  const { rows } = await client.query<{ lsn: string }>(CURRENT_LSN);
  const end = formatBigLsn(parseLsn(rows[0]?.lsn ?? '0/0'));
  if (end >= position.transaction) return;
  throw new CdcError(
    'POSITION_INVALID',
    `The topics of ${config.name} stand at ${position.transaction}, but the log of the source ends at ${end}: it is another server, or was restored from an older state.`,
    { context: { slot: config.slot }, remedy: 'Check SOURCE_URL; if the server was restored, start under a new SOURCE_NAME to take a new snapshot.' },
  );
}

export interface SlotSetup {
  readonly config: PostgresSourceConfig;
  /** Of the server. */
  readonly version: number;
  readonly from: Checkpoint;
  readonly log: Logger;
}

/** Makes the slot where it is missing, or lost and to be made anew. Whether it did. Throws `POSITION_LOST`. */
export async function ensureSlot(client: Client, { config, version, from, log }: SlotSetup): Promise<boolean> {
  const slot = await readSlot(client, config.slot);
  if (slot !== undefined && !isLost(slot)) {
    await alignFailover(config, slot, log);
    return false;
  }
  if (hasHistory(from) && !isStartingOver(from)) throw lostSlot(config, from);
  if (slot !== undefined) {
    await client.query(DROP_SLOT, [config.slot]);
    log.warn({ slot: config.slot, reason: slot.invalidation_reason }, 'dropped the lost replication slot: every table is read anew');
  }
  await createSlot(client, { config, version, from, log });
  return true;
}

/** Stored by `planAnew` before the slot is made: so nothing is lost where the process ends in between. */
function isStartingOver({ snapshot }: Checkpoint): boolean {
  const tables = Object.values(snapshot?.tables ?? {});
  return tables.length > 0 && tables.every((table) => table.startsOver);
}

function lostSlot(config: PostgresSourceConfig, { position }: Checkpoint): CdcError {
  const place = position === null ? 'have a part of its snapshot' : `stand at ${position.transaction}`;
  return new CdcError(
    'POSITION_LOST',
    `Replication slot ${config.slot} is gone, but the topics of ${config.name} ${place}: the changes since then cannot be read.`,
    {
      context: { slot: config.slot },
      remedy: lostRemedy(config),
    },
  );
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
