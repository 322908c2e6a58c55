import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_INTERVAL_MS = 5000;
/** Share of the time between two looks in which the process did anything. */
const IDLE = 0.05;
const BUSY = 0.2;

interface CollectOptions {
  readonly type: 'major';
  readonly execution: 'sync';
  /** Also gives back the young generation, and what compiling has left. */
  readonly flavor: 'last-resort';
}

/**
 * Gives back what the start, or a busy time, has left in memory, once the process has become idle. V8 keeps the young
 * generation that was blown up until a collection that is to save memory, and an idle process comes to none for hours;
 * this one takes some tens of milliseconds, which nobody waits for then.
 */
export function trimHeapWhenIdle(): void {
  const trimmer = new IdleTrimmer(performance.eventLoopUtilization(), collectAll);
  setInterval(() => trimmer.look(performance.eventLoopUtilization()), LOOK_INTERVAL_MS).unref();
}

/** Trims once for each time that the process was busy, its start being one. */
export class IdleTrimmer {
  readonly #trim: () => void;
  #last: EventLoopUtilization;
  #isToTrim = true;

  constructor(start: EventLoopUtilization, trim: () => void) {
    this.#last = start;
    this.#trim = trim;
  }

  look(now: EventLoopUtilization): void {
    const { utilization } = performance.eventLoopUtilization(now, this.#last);
    if (utilization >= BUSY) this.#isToTrim = true;
    if (utilization < IDLE && this.#isToTrim) {
      this.#isToTrim = false;
      this.#trim();
    }
    this.#last = now;
  }
}

/** A full collection that is to save memory. */
export function collectAll(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: CollectOptions) => void;
  setFlagsFromString('--no-expose-gc');
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
