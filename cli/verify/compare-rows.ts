import { createHash } from 'node:crypto';
import type { Cell } from './canonical.ts';
import type { CompareRows } from './key-order.ts';

export type CanonicalRow = readonly Cell[];

export interface Difference {
  readonly kind: 'missing' | 'extra' | 'different';
  /** The row's key as `name=value`, or its place where the table has none. */
  readonly key: string;
  /** Columns whose values differ. */
  readonly columns: readonly string[];
}

export interface Comparison {
  readonly rows: number;
  readonly targetRows: number;
  /** Over all cells in the order of the key; equal on both sides where nothing differs. */
  readonly checksum: string;
  readonly targetChecksum: string;
  readonly differences: number;
  /** The first few of them. */
  readonly examples: readonly Difference[];
}

export interface ComparisonPlan {
  readonly columns: readonly string[];
  /** Places of the key columns; of all columns where the table has no key. */
  readonly key: readonly number[];
  readonly compare: CompareRows;
  /** Told of every difference, in the order of the key: the source's row or the target's only one, and how many rows of the source came before. */
  readonly onDifference?: ((kind: Difference['kind'], row: CanonicalRow, place: number) => void) | undefined;
}

const MAX_EXAMPLES = 10;

/**
 * Compares two streams of rows that are sorted alike, in the memory of one row of each. Where a table has no key every
 * column is part of it, so that a row twice here and once there is one difference.
 */
export async function compareRows(plan: ComparisonPlan, source: AsyncIterable<CanonicalRow>, target: AsyncIterable<CanonicalRow>): Promise<Comparison> {
  const [left, right] = [new Side(source), new Side(target)];
  const found = new Differences(plan);
  try {
    await Promise.all([left.next(), right.next()]);
    while (left.row !== undefined || right.row !== undefined) {
      const order = orderOf(left.row, right.row, plan.compare);
      if (order < 0) found.add('missing', left.row, left.count);
      else if (order > 0) found.add('extra', right.row, left.count);
      else found.compare(left.row, right.row, left.count);
      if (order <= 0) await left.next();
      if (order >= 0) await right.next();
    }
  } finally {
    await Promise.all([left.close(), right.close()]);
  }
  return {
    rows: left.count,
    targetRows: right.count,
    checksum: left.checksum(),
    targetChecksum: right.checksum(),
    differences: found.count,
    examples: found.examples,
  };
}

function orderOf(a: CanonicalRow | undefined, b: CanonicalRow | undefined, compare: CompareRows): number {
  if (a === undefined) return 1;
  return b === undefined ? -1 : compare(a, b);
}

class Side {
  readonly #rows: AsyncIterator<CanonicalRow>;
  readonly #hash = createHash('sha256');
  row: CanonicalRow | undefined;
  count = 0;

  constructor(rows: AsyncIterable<CanonicalRow>) {
    this.#rows = rows[Symbol.asyncIterator]();
  }

  async next(): Promise<void> {
    const { done, value } = await this.#rows.next();
    this.row = done === true ? undefined : value;
    if (this.row === undefined) return;
    this.count++;
    this.#hash.update(JSON.stringify(this.row));
  }

  checksum(): string {
    return this.#hash.digest('hex').slice(0, 16);
  }

  async close(): Promise<void> {
    await this.#rows.return?.();
  }
}

class Differences {
  readonly #plan: ComparisonPlan;
  readonly examples: Difference[] = [];
  count = 0;

  constructor(plan: ComparisonPlan) {
    this.#plan = plan;
  }

  add(kind: Difference['kind'], row: CanonicalRow = [], place = 0, columns: readonly string[] = []): void {
    this.count++;
    this.#plan.onDifference?.(kind, row, place);
    if (this.examples.length < MAX_EXAMPLES) this.examples.push({ kind, key: this.#keyOf(row), columns });
  }

  compare(source: CanonicalRow | undefined, target: CanonicalRow | undefined, place: number): void {
    const columns = this.#plan.columns.filter((_, place) => source?.[place] !== target?.[place]);
    if (columns.length > 0) this.add('different', source, place, columns);
  }

  #keyOf(row: CanonicalRow): string {
    return this.#plan.key.map((place) => `${this.#plan.columns[place]}=${row[place] ?? 'null'}`).join(', ');
  }
}
