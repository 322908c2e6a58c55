import { KeyIndex } from './key-index.ts';
import { AFTER_START, BEFORE_START, type ChangeRun, KIND_CODES, NO_ROW, type PackedChanges, PLACES } from './packed-changes.ts';

let spare: KeyIndex | undefined;

/** Which changes of a batch are the last of their rows. */
export interface LastChanges {
  readonly changes: PackedChanges;
  /** 1 at the place of each that is, in the order of the batch. */
  readonly isLast: Uint8Array;
  readonly count: number;
}

/**
 * The last change of each row where that is all that merging comes to; null where it is more: a truncate, a value that the
 * database did not send, a table without a key. Makes nothing a change.
 */
export function lastByKey(changes: PackedChanges): LastChanges | null {
  const keyColumns = changes.runs[0]?.table.key.length ?? 0;
  if (keyColumns === 0 || changes.has(KIND_CODES.truncate) || changes.runs.some(hasUnchanged)) return null;
  const index = indexFor(keyColumns, changes.length);
  const isLast = new Uint8Array(changes.length).fill(1);
  /** Of each number of a key, the place of its last change so far, plus one. */
  const last = new Int32Array(changes.length);
  let place = 0;
  for (const { table, bytes, numbers, from, end } of changes.runs) {
    const { places } = numbers;
    for (let at = from * PLACES; at < end * PLACES; at += PLACES) {
      const after = places[at + AFTER_START] as number;
      const number = index.numberAt(table, bytes, after === NO_ROW ? (places[at + BEFORE_START] as number) : after);
      const earlier = last[number] as number;
      if (earlier > 0) isLast[earlier - 1] = 0;
      last[number] = ++place;
    }
  }
  return { changes, isLast, count: index.size };
}

/** Used again for batches of about the same size: its memory is several times a batch's number of changes. */
function indexFor(keyColumns: number, expected: number): KeyIndex {
  if (spare === undefined || spare.capacity > 4 * Math.max(expected, 1000)) spare = new KeyIndex(keyColumns, expected);
  else spare.reset(keyColumns, expected);
  return spare;
}

function hasUnchanged({ numbers }: ChangeRun): boolean {
  return numbers.unchanged.size > 0;
}
