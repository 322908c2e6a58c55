const WINDOW_MS = 2500;
const POINTS = 24;
const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** How fast a total grows: over the last seconds, and a short history to draw. */
export class Rate {
  readonly #samples: { readonly at: number; readonly total: number }[] = [];
  readonly #history: number[] = [];
  #highest = 0;

  add(total: number, atMs: number): void {
    this.#samples.push({ at: atMs, total });
    while (this.#samples.length > 2 && atMs - (this.#samples[0]?.at ?? atMs) > WINDOW_MS) this.#samples.shift();
    this.#history.push(this.perSecond);
    if (this.#history.length > POINTS) this.#history.shift();
    this.#highest = Math.max(this.#highest, this.perSecond);
  }

  get perSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return Math.max(0, ((last.total - first.total) / (last.at - first.at)) * 1000);
  }

  get highest(): number {
    return this.#highest;
  }

  sparkline(): string {
    const top = Math.max(1, ...this.#history);
    return this.#history.map((value) => BARS[Math.min(BARS.length - 1, Math.floor((value / top) * BARS.length))] ?? '').join('');
  }
}

/** The value that half (0.5), 95 % (0.95) … of the values do not exceed; undefined for none. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
