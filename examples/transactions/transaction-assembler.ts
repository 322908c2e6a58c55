/** A record of a table topic. */
export interface Change {
  readonly op: 'c' | 'u' | 'd' | 'r' | 't';
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
  /** null for what a snapshot has read: that belongs to no transaction. */
  readonly transaction: { readonly id: string; readonly total_order: bigint } | null;
}

/** A record of the transaction topic. */
export interface TransactionMark {
  readonly status: 'BEGIN' | 'END';
  readonly id: string;
  readonly ts_ms: bigint;
  /** Of END: how many changes the transaction has, in all tables together. */
  readonly event_count: bigint | null;
}

export interface WholeTransaction {
  readonly id: string;
  readonly committedAt: string;
  readonly changes: readonly { readonly topic: string; readonly op: Change['op']; readonly before: unknown; readonly after: unknown }[];
}

interface Ended {
  readonly id: string;
  readonly count: number;
  readonly committedAt: string;
}

/**
 * Puts transactions together again. Changes come from many partitions, in any order between them; END says how many
 * there are. The transaction topic has one partition, so its ENDs stand in the order of the commits: a transaction is
 * handed on when it is whole and all before it were. Memory holds what has not been handed on yet.
 */
export class TransactionAssembler {
  readonly #handOn: (transaction: WholeTransaction) => void;
  /** By transaction, then by place in it: a TRUNCATE is in every partition of its table, and counts once. */
  readonly #changes = new Map<string, Map<number, WholeTransaction['changes'][number]>>();
  readonly #ended: Ended[] = [];

  constructor(handOn: (transaction: WholeTransaction) => void) {
    this.#handOn = handOn;
  }

  addChange(topic: string, { op, before, after, transaction }: Change): void {
    if (transaction === null) return;
    const changes = this.#changes.get(transaction.id) ?? new Map();
    this.#changes.set(transaction.id, changes.set(Number(transaction.total_order), { topic, op, before, after }));
    this.#handOnWhole();
  }

  addMark({ status, id, ts_ms: ms, event_count: count }: TransactionMark): void {
    if (status === 'BEGIN') return;
    this.#ended.push({ id, count: Number(count ?? 0), committedAt: new Date(Number(ms)).toISOString() });
    this.#handOnWhole();
  }

  #handOnWhole(): void {
    for (let first = this.#ended[0]; first !== undefined; first = this.#ended[0]) {
      const changes = this.#changes.get(first.id);
      if ((changes?.size ?? 0) < first.count) return;
      const inOrder = [...(changes ?? [])].toSorted(([a], [b]) => a - b).map(([, change]) => change);
      this.#changes.delete(first.id);
      this.#ended.shift();
      this.#handOn({ id: first.id, committedAt: first.committedAt, changes: inOrder });
    }
  }
}
