import type { IsVisible } from './chunk-window.ts';

/** A chunk from before its read begins until its mark has passed. */
export interface ReadUnderWay {
  readonly table: string;
  sees: IsVisible;
}

/**
 * The chunks that are in flight: so that no window forgets what one of them needs.
 *
 * A read that has only been announced will see at least what any read before it has seen: what a database shows to
 * queries grows.
 */
export class ReadsUnderWay {
  readonly #reads = new Set<ReadUnderWay>();
  #latest: IsVisible = () => false;

  /** To be called before the read begins. */
  begin(table: string): ReadUnderWay {
    const read = { table, sees: this.#latest };
    this.#reads.add(read);
    return read;
  }

  /** Says what the read sees, once it has begun. */
  opened(read: ReadUnderWay, sees: IsVisible): void {
    read.sees = sees;
    this.#latest = sees;
  }

  end(read: ReadUnderWay): void {
    this.#reads.delete(read);
  }

  /** Whether a transaction is seen by `sees` and by every read of the table that is under way. */
  seenByAll(table: string, sees: IsVisible): IsVisible {
    const others = [...this.#reads].filter((read) => read.table === table);
    return (transaction) => sees(transaction) && others.every((read) => read.sees(transaction));
  }
}
