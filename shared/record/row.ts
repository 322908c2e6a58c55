import { isTooLong, tooLong } from '../errors/cdc-error.ts';
import { RowReader, skipValue } from './row-reader.ts';
import type { TableSchema } from './table-schema.ts';
import { UNCHANGED, type Value } from './value.ts';

/** Columns of a key for which nothing is allocated. */
const USUAL_KEY = 8;
const SCRATCH = new Int32Array(USUAL_KEY * 2);

/**
 * One image of one row: positional, immutable, decoded only when asked.
 *
 * It holds its bytes by reference, in memory that it shares with its neighbours.
 */
export class Row {
  readonly table: TableSchema;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Indexes of the columns whose value the database did not send; null for none. */
  readonly unchanged: readonly number[] | null;

  constructor(table: TableSchema, bytes: Buffer, start: number, end: number, unchanged: readonly number[] | null) {
    this.table = table;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.unchanged = unchanged;
  }

  get byteLength(): number {
    return this.end - this.start;
  }

  /**
   * One value a column, in table order; `UNCHANGED` where the database did not send it. Throws `VALUE_OUT_OF_RANGE` where
   * one is longer than a text can be in this process.
   */
  values(): Value[] {
    const values = this.#decode();
    if (this.unchanged !== null) for (const index of this.unchanged) values[index] = UNCHANGED;
    return values;
  }

  #decode(): Value[] {
    try {
      return new RowReader(this.bytes, this.start).row(this.table);
    } catch (error) {
      const { qualifiedName: table } = this.table;
      throw isTooLong(error) ? tooLong(`A value of ${table}`, error, { table }) : error;
    }
  }

  /** The values of the key columns, in key order. */
  keyValues(): Value[] {
    const values = this.values();
    return this.table.key.map((index) => values[index] ?? null);
  }

  /** Where each key column's bytes lie, in key order: pairs of start and end, written into `ranges`. */
  keyRanges(ranges: Int32Array): void {
    keyRangesAt(this.table, this.bytes, this.start, ranges);
  }

  /** The key as text that is equal exactly for equal keys; '' for a table without a key. For maps, not for people. */
  keyText(): string {
    const { length } = this.table.key;
    const ranges = length <= USUAL_KEY ? SCRATCH : new Int32Array(length * 2);
    this.keyRanges(ranges);
    let text = '';
    for (let place = 0; place < length * 2; place += 2) {
      text += this.bytes.latin1Slice(ranges[place], ranges[place + 1]);
    }
    return text;
  }
}

/** The same of a row that starts at `start`. */
export function keyRangesAt({ skips, key, keyPlaces }: TableSchema, bytes: Buffer, start: number, ranges: Int32Array): void {
  let at = start;
  let missing = key.length;
  for (let index = 0; missing > 0; index++) {
    const skip = skips[index] as number;
    if (skip < 0) {
      const place = (keyPlaces[index] as number) * 2;
      ranges[place] = at;
      at = skipValue(bytes, at, ~skip);
      ranges[place + 1] = at;
      missing--;
    } else {
      at = bytes[at] === 0 ? at + 1 : skipValue(bytes, at + 1, skip);
    }
  }
}
