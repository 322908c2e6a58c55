import type { Row } from '../../shared/record/row.ts';

/** More touched keys than this are not kept: the chunk is read again instead. */
const MAX_KEYS = 500_000;

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
 * Which transactions a read has seen is asked of the database's own snapshot, not of watermarks: in PostgreSQL a
 * commit can be in the log, and on the stream, well before it becomes visible to queries (with a synchronous standby,
 * seconds), so a low watermark alone would let stale rows through.
 */
export class ChunkWindow {
  #touched = new Map<string, number>();
  #hasOverflowed = false;

  /** Notes a change on the stream. Of several transactions of one key the last one counts. */
  touch(transaction: number, row: Row): void {
    if (this.#touched.size >= MAX_KEYS) {
      this.#touched = new Map();
      this.#hasOverflowed = true;
    }
    this.#touched.set(row.keyText(), transaction);
  }

  /** The rows to publish at the mark; undefined when the chunk has to be read again. Forgets what no later read needs. */
  select(rows: readonly Row[], isVisible: IsVisible): readonly Row[] | undefined {
    const isLost = this.#hasOverflowed;
    this.#hasOverflowed = false;
    const fresh = isLost ? undefined : rows.filter((row) => !this.#isStale(row, isVisible));
    for (const [key, transaction] of this.#touched) if (isVisible(transaction)) this.#touched.delete(key);
    return fresh;
  }

  #isStale(row: Row, isVisible: IsVisible): boolean {
    if (this.#touched.size === 0) return false;
    const transaction = this.#touched.get(row.keyText());
    return transaction !== undefined && !isVisible(transaction);
  }
}
