import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';

/** What a window may hold; beyond it the chunk is read again instead. */
export interface WindowLimits {
  readonly maxKeys: number;
  /** Of rows that came without some of their values. */
  readonly maxBytes: number;
}

const MAX_LOST = 500_000;
const LIMITS: WindowLimits = { maxKeys: 500_000, maxBytes: 32 * 1024 * 1024 };

/** Tells whether a transaction's changes were already in what a chunk read. */
export type IsVisible = (transaction: number) => boolean;

/**
 * Lets a chunk of rows meet the change stream, for one table.
 *
 * A chunk is read from the table while the stream goes on; after it, the source writes a mark into the log. When the
 * mark comes back on the stream, every change that was committed before the mark has passed. Of the rows of the chunk
 * those are then stale whose key was changed by a transaction that the chunk's read did not see: `select` leaves them
 * out, since the stream has published their newer state. All other rows are published at that place of the stream:
 * what a row shows was committed before the mark, and what changes it afterwards comes after the mark.
 *
 * One kind of stale row has to go out all the same: where the stream's newer state came without a large value that did
 * not change, nobody downstream has that value yet. It stands in the chunk's row, so the two make up the row as it is
 * at the mark.
 *
 * Several chunks may be under way. What one of them does not need any more may still be needed by another whose read
 * began earlier, so `forget` is told what all of them see.
 *
 * Which transactions a read has seen is asked of the database's own snapshot, not of watermarks: in PostgreSQL a
 * commit can be in the log, and on the stream, well before it becomes visible to queries (with a synchronous standby,
 * seconds), so a low watermark alone would let stale rows through.
 */
export class ChunkWindow {
  readonly #limits: WindowLimits;
  readonly #touched = new Map<string, number>();
  /** Touched rows that nobody downstream has in full, as far as the stream has told them. */
  readonly #partial = new Map<string, Row>();
  /** Transactions whose keys are not known any more. */
  readonly #lost = new Set<number>();
  #partialBytes = 0;
  #truncatedBy: number | undefined;

  constructor(limits: WindowLimits = LIMITS) {
    this.#limits = limits;
  }

  /** Notes a row image of a change on the stream. Of several transactions of one key the last one counts. */
  touch(transaction: number, row: Row): void {
    const key = row.keyText();
    const earlier = this.#partial.get(key);
    if (row.unchanged !== null && (earlier !== undefined || !this.#touched.has(key))) this.#keep(key, earlier, row);
    else if (earlier !== undefined) this.#forgetPartial(key);
    this.#touched.set(key, transaction);
    if (this.#touched.size > this.#limits.maxKeys || this.#partialBytes > this.#limits.maxBytes) this.#overflow();
  }

  /** Notes that all rows were removed. */
  truncate(transaction: number): void {
    this.#clear();
    this.#lost.clear();
    this.#truncatedBy = transaction;
  }

  /**
   * Notes that what the stream has brought up to here does not count, a truncate of ours being behind it: who reads the
   * table has to see all of it.
   */
  startOver(): void {
    this.#overflow();
  }

  /** Forgets what no read needs that sees at least these transactions: neither one that is under way nor a later one. */
  forget(isVisible: IsVisible): void {
    for (const transaction of this.#lost) if (isVisible(transaction)) this.#lost.delete(transaction);
    if (this.#truncatedBy !== undefined && isVisible(this.#truncatedBy)) this.#truncatedBy = undefined;
    for (const [key, transaction] of this.#touched) {
      if (!isVisible(transaction)) continue;
      this.#touched.delete(key);
      this.#forgetPartial(key);
    }
  }

  /** The rows of a chunk to publish at its mark, themselves where all of them are; undefined when the chunk has to be read again. */
  select<Rows extends Iterable<Row>>(rows: Rows, isVisible: IsVisible): Rows | readonly Row[] | undefined {
    for (const transaction of this.#lost) if (!isVisible(transaction)) return undefined;
    if (this.#truncatedBy !== undefined && !isVisible(this.#truncatedBy)) return [];
    if (this.#touched.size === 0) return rows;
    const fresh: Row[] = [];
    for (const row of rows) {
      const key = row.keyText();
      const transaction = this.#touched.get(key);
      const partial = this.#partial.get(key);
      if (transaction === undefined || isVisible(transaction)) fresh.push(row);
      else if (partial === undefined) continue;
      else if (isSameTable(partial, row)) fresh.push(complete(partial, row));
      else return undefined;
    }
    return fresh;
  }

  #keep(key: string, earlier: Row | undefined, row: Row): void {
    this.#forgetPartial(key);
    const isAltered = earlier !== undefined && !isSameTable(earlier, row);
    if (isAltered) this.#lose(this.#touched.get(key));
    const known = complete(row, isAltered ? undefined : earlier);
    if (known.unchanged === null) return;
    this.#partial.set(key, known);
    this.#partialBytes += known.byteLength;
  }

  /** The oldest is let go: no transaction stays invisible while so many others come. */
  #lose(transaction: number | undefined): void {
    if (transaction !== undefined) this.#lost.add(transaction);
    const [oldest] = this.#lost;
    if (this.#lost.size > MAX_LOST && oldest !== undefined) this.#lost.delete(oldest);
  }

  #forgetPartial(key: string): void {
    this.#partialBytes -= this.#partial.get(key)?.byteLength ?? 0;
    this.#partial.delete(key);
  }

  #overflow(): void {
    for (const transaction of this.#touched.values()) this.#lose(transaction);
    this.#clear();
  }

  #clear(): void {
    this.#touched.clear();
    this.#partial.clear();
    this.#partialBytes = 0;
  }
}

function isSameTable(a: Row, b: Row): boolean {
  return a.table === b.table || a.table.fingerprint === b.table.fingerprint;
}

/** A row with what it lacks taken from another image of it, in memory of its own. */
function complete(row: Row, other: Row | undefined): Row {
  const others: readonly Value[] = other?.values() ?? [];
  const values = row.values().map((value, index) => (value === UNCHANGED ? (others[index] ?? (other === undefined ? UNCHANGED : null)) : value));
  return new RowWriter(row.byteLength + (other?.byteLength ?? 0)).row(row.table, values);
}
