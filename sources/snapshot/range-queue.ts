import type { RangeProgress } from '../../shared/connector/source.ts';

/** Cuts a range that is too much for one worker in two; undefined where it is not. */
export type Split = (range: RangeProgress) => readonly [first: RangeProgress, remainder: RangeProgress] | undefined;

/**
 * What is still to be read of one table, shared among workers.
 *
 * A worker takes a range and moves its beginning on with each chunk that was published: so `rest` is at any time what a
 * restart has to read, and the chunks that are in flight are all that is read twice.
 */
export class RangeQueue {
  #ranges: RangeProgress[];
  readonly #held = new Set<RangeProgress>();

  constructor(ranges: readonly RangeProgress[]) {
    this.#ranges = [...ranges];
  }

  get rest(): readonly RangeProgress[] {
    return this.#ranges;
  }

  get isDone(): boolean {
    return this.#ranges.length === 0;
  }

  get hasFree(): boolean {
    return this.#ranges.length > this.#held.size;
  }

  /** The first range that nobody has, or the first part of it. `advance` and `finish` say how far it was read. */
  take(split: Split): RangeProgress | undefined {
    const place = this.#ranges.findIndex((range) => !this.#held.has(range));
    const range = this.#ranges[place];
    if (range === undefined) return undefined;
    const parts = split(range);
    if (parts !== undefined) this.#ranges.splice(place, 1, ...parts);
    const taken = parts?.[0] ?? range;
    this.#held.add(taken);
    return taken;
  }

  /** The range as it is after a chunk that ended at `after`; undefined where the ranges were dropped meanwhile. */
  advance(range: RangeProgress, after: readonly string[]): RangeProgress | undefined {
    const place = this.#ranges.indexOf(range);
    if (place < 0) return undefined;
    const next = { ...range, after };
    this.#ranges = this.#ranges.with(place, next);
    this.#held.delete(range);
    this.#held.add(next);
    return next;
  }

  /** Gives a range back; another worker goes on with it. */
  release(range: RangeProgress): void {
    this.#held.delete(range);
  }

  has(range: RangeProgress): boolean {
    return this.#held.has(range);
  }

  finish(range: RangeProgress): void {
    this.#held.delete(range);
    this.#ranges = this.#ranges.filter((other) => other !== range);
  }

  /** Nothing is left to be read; who has a range finds it gone. */
  clear(): void {
    this.#held.clear();
    this.#ranges = [];
  }
}
