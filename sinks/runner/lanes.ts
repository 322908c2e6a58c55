import { Lane } from './lane.ts';

/** The lanes of a sink, by topic. */
export class Lanes {
  readonly #byTopic = new Map<string, Lane>();
  readonly #flushBytes: number;

  constructor(flushBytes: number) {
    this.#flushBytes = flushBytes;
  }

  get all(): ReadonlyMap<string, Lane> {
    return this.#byTopic;
  }

  values(): Iterable<Lane> {
    return this.#byTopic.values();
  }

  /** Made at its first use. */
  of(topic: string): Lane {
    let lane = this.#byTopic.get(topic);
    if (lane === undefined) {
      lane = new Lane(topic);
      this.#byTopic.set(topic, lane);
    }
    return lane;
  }

  get isFull(): boolean {
    return this.#memory(isRunning) >= this.#flushBytes;
  }

  /** A lane that is stuck takes in no more, and does not hold back the others until very much is stuck. */
  get hasRoom(): boolean {
    return this.#memory(isRunning) < 2 * this.#flushBytes && this.#memory(() => true) < 4 * this.#flushBytes;
  }

  get allStopped(): boolean {
    return [...this.#byTopic.values()].every(({ state, partitions }) => state === 'stopped' || partitions === 0);
  }

  #memory(counts: (lane: Lane) => boolean): number {
    let sum = 0;
    for (const lane of this.#byTopic.values()) if (counts(lane)) sum += lane.memory;
    return sum;
  }
}

function isRunning({ state }: Lane): boolean {
  return state === 'running';
}
