import { isRowRecord, type CdcRecord, type RowRecord } from './record.ts';
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
export function mergeByKey(records: readonly CdcRecord[]): MergedBatch {
  let truncatedBelow = 0;
  let pending = new Map<string, Pending>();
  let sequence = 0;
  for (const record of records) {
    if (record.kind === 'truncate') {
      truncatedBelow = Math.max(truncatedBelow, record.version);
      pending = withoutOlder(pending, truncatedBelow);
    } else if (isRowRecord(record) && record.version >= truncatedBelow) {
      const key = record.table.key.length === 0 ? String(sequence++) : imageOf(record).keyText();
      mergeInto(pending, key, record);
    }
  }
  return { truncatedBelow, rows: [...pending.values()].map(toState) };
}

/** Of a topic of several partitions, rows of a later version may stand before a truncate. */
function withoutOlder(pending: Map<string, Pending>, version: number): Map<string, Pending> {
  return new Map([...pending].filter(([, { record }]) => record.version >= version));
}

function mergeInto(pending: Map<string, Pending>, key: string, record: RowRecord): void {
  const earlier = pending.get(key);
  if (earlier === undefined) {
    pending.set(key, { record, values: null });
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

function imageOf(record: RowRecord) {
  const image = record.after ?? record.before;
  if (image === null) throw new TypeError(`a ${record.kind} of ${record.table.qualifiedName} without a row`);
  return image;
}
