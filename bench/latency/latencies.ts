import { percentile } from '../measure.ts';

export interface LatencyFigures {
  readonly records: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Gathers how long each row of a round took, each row once; what belongs to earlier rounds is left out. */
export class Latencies {
  readonly #seen = new Set<number>();
  readonly #latencies: number[] = [];
  readonly #firstId: number;
  readonly #count: number;
  readonly #complete = Promise.withResolvers<void>();

  constructor(firstId: number, count: number) {
    this.#firstId = firstId;
    this.#count = count;
  }

  add(id: number, committedAtMs: number, arrivedAtMs: number): void {
    if (id < this.#firstId || this.#seen.has(id)) return;
    this.#seen.add(id);
    this.#latencies.push(arrivedAtMs - committedAtMs);
    if (this.#seen.size === this.#count) this.#complete.resolve();
  }

  /** The lowest id that has not come yet. */
  get lowestMissing(): number {
    let id = this.#firstId;
    while (this.#seen.has(id)) id++;
    return id;
  }

  get isComplete(): boolean {
    return this.#seen.size >= this.#count;
  }

  /** Resolves when all have come. */
  async figures(withinMs: number): Promise<LatencyFigures> {
    const limit = setTimeout(
      () => this.#complete.reject(new Error(`of ${this.#count} rows ${this.#seen.size} have come after ${withinMs / 1000} s`)),
      withinMs,
    );
    await this.#complete.promise.finally(() => clearTimeout(limit));
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return { records: sorted.length, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), maxMs: sorted.at(-1) ?? Number.NaN };
  }
}

/** By the system's clock, with its fraction. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
