import type { Checkpoint } from '../../shared/connector/sink.ts';
import type { Binding } from './binding.ts';
import { buildKeep } from './checkpoints.ts';
import type { Doing, Session } from './client.ts';
import type { PostgresSinkConfig } from './config.ts';
import { qualified, quoteName } from './identifiers.ts';
import { buildAppend } from './keyless-statements.ts';
import { encodeRows, encodeTargetRows } from './row-encoder.ts';
import type { StagedBatch } from './staging.ts';
import {
  buildCopy,
  buildCopyIntoTarget,
  buildEmptyStaging,
  buildForget,
  buildMerge,
  buildRaiseGuard,
  buildReadGuard,
  buildTableLock,
  buildTruncate,
  deletedTableOf,
  offsetsTableOf,
  tablesTableOf,
  type Guard,
} from './statements.ts';

export interface Batch extends StagedBatch {
  readonly binding: Binding;
  /** To be kept in the same transaction. */
  readonly checkpoint: Checkpoint | undefined;
  /** Whether it is time to forget deletes of long ago. */
  readonly isForgetting: boolean;
  /** Whether to try first if all rows are new to the target. */
  readonly mayBeNew: boolean;
}

export interface Written {
  readonly bytes: number;
  /** `conflict`: the staging table was the way, after an attempt that met a row that is there already. */
  readonly way: 'direct' | 'staged' | 'conflict';
}

/**
 * Writes a batch in one transaction.
 *
 * Rows go to a staging table of this connection, and from there to the target by versions that are compared row by
 * row. What is deleted or truncated is remembered in the same transaction. Batches that remember something exclude
 * each other and all others of the table, in whichever process: no older change of a row can slip in between.
 *
 * A batch of nothing but new rows, as in a snapshot, goes straight into the target, which costs the server about half. Its key's
 * index refuses the whole if a single row is there already; then the staging table is the way.
 */
export async function writeBatch(session: Session, config: PostgresSinkConfig, batch: Batch): Promise<Written> {
  const doing = doingWrite(config, batch.binding);
  const end = [...(batch.checkpoint === undefined ? [] : [buildKeep(config, batch.checkpoint)]), 'COMMIT'];
  const outcome = batch.mayBeNew ? await writeNew(session, doing, { batch, end }) : 'staged';
  if (typeof outcome === 'number') return { bytes: outcome, way: 'direct' };
  return { bytes: await writeStaged(session, doing, { batch, config, end }), way: outcome };
}

function doingWrite({ user }: PostgresSinkConfig, { schema, name }: Binding): Doing {
  const tables = `${qualified(schema, name)}, ${deletedTableOf(schema)}, ${tablesTableOf(schema)}, ${offsetsTableOf(schema)}`;
  return {
    what: `write to ${schema}.${name}`,
    table: name,
    grant: `GRANT SELECT, INSERT, UPDATE, DELETE ON ${tables} TO ${quoteName(user)};`,
  };
}

interface Ended {
  readonly batch: Batch;
  /** The statements that end the transaction. */
  readonly end: readonly string[];
}

/** The bytes that were sent; or why the rows are not surely new, and then nothing was written. */
async function writeNew(session: Session, doing: Doing, { batch, end }: Ended): Promise<number | 'staged' | 'conflict'> {
  const { binding, rows, allNewFrom } = batch;
  await session.run(doing, ['BEGIN']);
  const guard = await readGuard(session, doing, binding, false);
  const isSure = allNewFrom > guard.newestDelete && allNewFrom >= guard.truncatedBelow;
  const chunks = encodeTargetRows(binding, rows, guard.nowMicros);
  const bytes = isSure ? await session.copyUnlessConflict(doing, buildCopyIntoTarget(binding), chunks) : undefined;
  await session.run(doing, bytes === undefined ? ['ROLLBACK'] : end);
  return bytes ?? (isSure ? 'conflict' : 'staged');
}

interface StagedWrite extends Ended {
  readonly config: PostgresSinkConfig;
}

async function writeStaged(session: Session, doing: Doing, { batch, config, end }: StagedWrite): Promise<number> {
  const { binding, rows, removals, truncatedBelow } = batch;
  const staging = await session.stagingFor(binding, doing);
  await session.run(doing, ['BEGIN']);
  const bytes = rows.length === 0 ? 0 : await session.copy(doing, buildCopy(staging), encodeRows(binding, rows));
  const guard = await readGuard(session, doing, binding, removals > 0 || truncatedBelow > 0);
  await session.run(doing, [...buildWrite(batch, { staging, guard, ...config }), ...end]);
  return bytes;
}

async function readGuard(session: Session, doing: Doing, binding: Binding, isExclusive: boolean): Promise<Guard & { readonly nowMicros: number }> {
  const [row] = await session.rows(doing, buildTableLock(binding.schema, binding.name, isExclusive), buildReadGuard(binding));
  return { newestDelete: Number(row?.['newest_delete'] ?? 0), truncatedBelow: Number(row?.['truncated_below'] ?? 0), nowMicros: Number(row?.['now_micros']) };
}

interface WriteOptions {
  readonly staging: string;
  readonly guard: Guard;
  readonly deleteMode: 'hard' | 'soft';
  readonly tombstoneDays: number;
}

function buildWrite(batch: Batch, options: WriteOptions): readonly string[] {
  const { binding, rows, truncatedBelow, newestRemoval, isForgetting } = batch;
  const isRemembered = truncatedBelow > 0 || newestRemoval > 0;
  return [
    ...(isRemembered ? [buildRaiseGuard(binding, { newestDelete: newestRemoval, truncatedBelow })] : []),
    ...(truncatedBelow > 0 ? buildTruncate(binding, truncatedBelow, options.deleteMode) : []),
    ...(rows.length > 0 ? [...buildRows(batch, options), buildEmptyStaging(options.staging)] : []),
    ...(isForgetting ? [buildForget(binding, options.tombstoneDays)] : []),
  ];
}

function buildRows({ binding, rows, removals, hasUnchanged }: Batch, options: WriteOptions): readonly string[] {
  if (binding.key.length === 0) return buildAppend(binding, { ...options, hasRemovals: removals > 0 });
  return buildMerge(binding, { ...options, hasUnchanged, hasDeletes: removals > 0, hasUpserts: rows.length > removals });
}
