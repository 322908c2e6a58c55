import { KeyIndex } from './key-index.ts';
import { isRowRecord, type Records, type RowRecord } from './record.ts';
import type { Row } from './row.ts';
import type { TableSchema } from './table-schema.ts';
import { UNCHANGED, type Value } from './value.ts';

/** What a batch leaves of one row of a table with a key; of a table without one, one change. */
export interface RowState {
  /** The last change of the row in this batch. */
  readonly record: RowRecord;
  readonly isDeleted: boolean;
  /** One value a column: the row, or for a deleted one its key. `UNCHANGED` only where the batch does not know it. */
  readonly values: readonly Value[];
}

export interface MergedBatch {
  /** Rows of the target with a version below this are gone; 0 for none. Rows in `rows` have a higher one. */
  readonly truncatedBelow: number;
  readonly rows: readonly RowState[];
}

interface Pending {
  record: RowRecord;
  values: Value[] | null;
}

/**
 * Reduces the records of one table to the last state of each row, in the order in which rows were first seen.
 *
 * An unchanged value is taken from an earlier record of the same row in the batch where there is one. What comes
 * before a truncate, by version, is dropped. Records of other kinds are passed over. Of a table without a key nothing is merged.
 */
export function mergeByKey(records: Pick<Records, 'length' | typeof Symbol.iterator>): MergedBatch {
  let truncatedBelow = 0;
  let pending: Pending[] = [];
  let index: KeyIndex | undefined;
  for (const record of records) {
    if (record.kind === 'truncate') {
      truncatedBelow = Math.max(truncatedBelow, record.version);
      // Of a topic of several partitions, rows of a later version may stand before a truncate.
      pending = pending.filter(({ record: { version } }) => version >= truncatedBelow);
      index = undefined;
    } else if (isRowRecord(record) && record.version >= truncatedBelow) {
      index ??= indexOf(pending, record.table, records.length);
      mergeInto(pending, index, record);
    }
  }
  return { truncatedBelow, rows: pending.map(toState) };
}

/** Empty at the beginning; after a truncate with the rows that it left. */
function indexOf(pending: readonly Pending[], { key }: TableSchema, expected: number): KeyIndex {
  const index = new KeyIndex(key.length, expected);
  if (key.length > 0) for (const { record } of pending) index.numberOf(imageOf(record));
  return index;
}

function mergeInto(pending: Pending[], index: KeyIndex, record: RowRecord): void {
  const earlier = record.table.key.length === 0 ? undefined : pending[index.numberOf(imageOf(record))];
  if (earlier === undefined) {
    pending.push({ record, values: null });
    return;
  }
  const knows = record.after?.unchanged != null && earlier.record.after !== null;
  const values = knows ? fillUnchanged(imageOf(record).values(), earlier) : null;
  earlier.record = record;
  earlier.values = values;
}

function fillUnchanged(values: Value[], earlier: Pending): Value[] {
  const known = earlier.values ?? imageOf(earlier.record).values();
  return values.map((value, index) => (value === UNCHANGED ? (known[index] ?? null) : value));
}

function toState({ record, values }: Pending): RowState {
  return new MergedRow(record, values);
}

/** Decodes the row only when its values are asked for: a sink may pass most rows on as bytes. */
class MergedRow implements RowState {
  readonly record: RowRecord;
  readonly isDeleted: boolean;
  #values: readonly Value[] | null;

  constructor(record: RowRecord, values: readonly Value[] | null) {
    this.record = record;
    this.isDeleted = record.after === null;
    this.#values = values;
  }

  get values(): readonly Value[] {
    this.#values ??= imageOf(this.record).values();
    return this.#values;
  }
}

function imageOf(record: RowRecord): Row {
  const image = record.after ?? record.before;
  if (image === null) throw new TypeError(`a ${record.kind} of ${record.table.qualifiedName} without a row`);
  return image;
}
