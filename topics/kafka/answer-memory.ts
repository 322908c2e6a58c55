/** Smaller answers are many and short-lived: they are no matter. */
const LEAST_BYTES = 256 * 1024;
const MEBIBYTE = 1024 * 1024;
/** Memory that is free and was not wanted for so long is given back. */
const KEEP_MS = 3000;

interface Slab {
  readonly bytes: Buffer;
  /** How many parts of it somebody still reads. */
  leases: number;
}

/**
 * Memory for answers of brokers, used again when nobody reads the last answer in it any more.
 *
 * V8 collects the whole heap each time that some ten megabytes were allocated outside of it: of a backlog, with every
 * answer. Whoever reads an answer takes leases on it and says when they end; memory that somebody forgets about is not
 * used again, and freed as any other.
 */
export class AnswerMemory {
  readonly #now: () => number;
  readonly #slabs = new WeakMap<ArrayBufferLike, Slab>();
  #free: Slab[] = [];
  #wantedAt = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** So many bytes, with anything in them. */
  take(length: number): Buffer {
    if (length < LEAST_BYTES) {
      if (this.#free.length > 0 && this.#now() - this.#wantedAt > KEEP_MS) this.#free = [];
      return Buffer.allocUnsafeSlow(length);
    }
    this.#wantedAt = this.#now();
    const place = this.#free.findIndex(({ bytes }) => bytes.length >= length && bytes.length <= length * 4);
    const [slab = this.#newSlab(length)] = place < 0 ? [] : this.#free.splice(place, 1);
    return slab.bytes.subarray(0, length);
  }

  /** For part of an answer: it stays as it is until the function that this gives is called. Undefined for memory that is not of here. */
  lease(part: Buffer): (() => void) | undefined {
    const slab = this.#slabs.get(part.buffer);
    if (slab === undefined) return undefined;
    slab.leases++;
    let isEnded = false;
    return () => {
      if (isEnded) return;
      isEnded = true;
      if (--slab.leases === 0) this.#free.push(slab);
    };
  }

  #newSlab(length: number): Slab {
    const slab = { bytes: Buffer.allocUnsafeSlow(Math.ceil(length / MEBIBYTE) * MEBIBYTE), leases: 0 };
    this.#slabs.set(slab.bytes.buffer, slab);
    return slab;
  }
}

/** Of this process. */
export const answerMemory = new AnswerMemory();
