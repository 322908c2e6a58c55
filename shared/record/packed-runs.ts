/** What stands in a row in the same memory: the places from `from` to before `end`. */
interface Run {
  readonly from: number;
  readonly end: number;
}

/** Things in order that are kept as runs of numbers beside their bytes: an object is made of one when it is come to. */
export abstract class PackedRuns<R extends Run, T> implements Iterable<T> {
  readonly runs: readonly R[];
  readonly length: number;

  constructor(runs: readonly R[]) {
    this.runs = runs;
    this.length = runs.reduce((sum, { from, end }) => sum + end - from, 0);
  }

  protected abstract unpack(run: R, place: number): T;

  /** As of an array: a negative place counts from the end. */
  at(place: number): T | undefined {
    let rest = place < 0 ? place + this.length : place;
    if (rest < 0) return undefined;
    for (const run of this.runs) {
      const count = run.end - run.from;
      if (rest < count) return this.unpack(run, run.from + rest);
      rest -= count;
    }
    return undefined;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (const run of this.runs) for (let place = run.from; place < run.end; place++) yield this.unpack(run, place);
  }
}
