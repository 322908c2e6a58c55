import { mergeByKey, type RowState } from '../../shared/record/merge-by-key.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { Records, RowKind, RowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import type { StagedRow } from './row-encoder.ts';

/** A batch of one table, reduced to what goes into its staging table. */
export interface StagedBatch {
  readonly truncatedBelow: number;
  readonly rows: readonly StagedRow[];
  /** Rows that a reader of the target sees changed: the two halves of an update count once. */
  readonly changes: number;
  /** Rows that are to disappear from the target. */
  readonly removals: number;
  readonly hasUnchanged: boolean;
  /** The highest version of a removal; 0 for none. */
  readonly newestRemoval: number;
  /** The lowest version of a row, where all are inserts and reads and so most likely new to the target; else 0. */
  readonly allNewFrom: number;
}

const OPS: Readonly<Record<RowKind, string>> = { insert: 'c', update: 'u', delete: 'd', read: 'r' };

/** Marks the old row of an update of a table without a key. */
const REPLACED = 'x';

export function stageBatch(records: Records, deleteMode: 'hard' | 'soft'): StagedBatch {
  const { truncatedBelow, rows: states } = mergeByKey(records);
  const isKeyless = states[0]?.record.table.key.length === 0;
  const rows = isKeyless ? stageKeyless(states) : stageKeyed(states, records, deleteMode);
  const removals = rows.filter(({ op }) => op === REPLACED || (op === 'd' && (deleteMode === 'hard' || isKeyless)));
  const hasUnchanged = rows.some(({ unchanged }) => unchanged !== null);
  const isAllNew = truncatedBelow === 0 && !hasUnchanged && rows.every(({ op }) => op === 'c' || op === 'r');
  return {
    truncatedBelow,
    rows,
    changes: rows.filter(({ op }) => op !== REPLACED).length,
    removals: removals.length,
    hasUnchanged,
    newestRemoval: removals.reduce((newest, { version }) => Math.max(newest, version), 0),
    allNewFrom: isAllNew ? rows.reduce((oldest, { version }) => Math.min(oldest, version), Infinity) : 0,
  };
}

function stageKeyed(states: readonly RowState[], records: Records, deleteMode: 'hard' | 'soft'): readonly StagedRow[] {
  const writer = new RowWriter();
  const lastRows = deleteMode === 'soft' ? lastRowsOf(states, records) : undefined;
  return states.map((state) => {
    if (lastRows === undefined || !state.isDeleted) return toStaged(state.record, rowOf(state, writer));
    const last = lastRows.get(imageOf(state.record).keyText());
    return last === undefined ? markedByKey(state) : toStaged(state.record, rowOf(last, writer));
  });
}

function toStaged({ kind, version }: RowRecord, row: Row): StagedRow {
  return { row, op: OPS[kind], version, unchanged: row.unchanged };
}

/** The row as it was sent, or as it became by merging: only a row with unchanged values ever does. */
function rowOf(state: RowState, writer: RowWriter): Row {
  const image = imageOf(state.record);
  return image.unchanged === null ? image : writer.row(state.record.table, state.values);
}

/** What a row looked like before the delete that ends it, where the batch has it: a soft delete keeps these values. */
function lastRowsOf(states: readonly RowState[], records: Records): ReadonlyMap<string, RowState> {
  if (!states.some(({ isDeleted }) => isDeleted)) return new Map();
  const { rows } = mergeByKey([...records].filter(({ kind }) => kind !== 'delete'));
  return new Map(rows.map((state) => [imageOf(state.record).keyText(), state]));
}

/** A soft delete of which the batch has only the key, or the old row: what is not in it keeps what the target has. */
function markedByKey({ record, values }: RowState): StagedRow {
  const absent = values.flatMap((value, index) => (value === null || value === UNCHANGED ? [index] : []));
  return { row: imageOf(record), op: 'd', version: record.version, unchanged: absent.length === 0 ? null : absent };
}

function stageKeyless(states: readonly RowState[]): readonly StagedRow[] {
  const writer = new RowWriter();
  return states.flatMap(({ record }) => {
    const { before, after, version, kind } = record;
    const written = after === null ? [] : [{ row: whole(after, before, writer), op: OPS[kind], version, unchanged: null }];
    if (before === null) return written;
    return [{ row: before, op: after === null ? 'd' : REPLACED, version, unchanged: null }, ...written];
  });
}

/** Without a key the old row comes whole, and has what the database did not send with the new one. */
function whole(after: Row, before: Row | null, writer: RowWriter): Row {
  if (after.unchanged === null || before === null) return after;
  const known = before.values();
  return writer.row(
    after.table,
    after.values().map((value, index) => (value === UNCHANGED ? (known[index] ?? null) : value)),
  );
}

function imageOf(record: RowRecord): Row {
  const image = record.after ?? record.before;
  if (image === null) throw new TypeError(`a ${record.kind} of ${record.table.qualifiedName} without a row`);
  return image;
}
