import type { Row } from './row.ts';

/** Of its own in each process: nobody can prepare keys that all fall together. */
const SEED = Math.trunc(Math.random() * 0x7fffffff);
const PRIME = 0x01000193;
const FREE = 0;

/**
 * Numbers the keys of rows in the order in which they are first seen. Keys are compared as bytes where they lie: no text
 * and no entry of a map is made for any of them.
 */
export class KeyIndex {
  /** Of each number, the row that it was given for. */
  readonly #rows: Row[] = [];
  #hashes: Int32Array;
  /** By hash: a number plus one. */
  #slots: Int32Array;
  /** Where the key columns of two rows lie. */
  readonly #ranges: Int32Array;
  readonly #others: Int32Array;

  constructor(keyColumns: number, expected: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(expected, 8) * 2));
    this.#slots = new Int32Array(size);
    this.#hashes = new Int32Array(size / 2);
    this.#ranges = new Int32Array(keyColumns * 2);
    this.#others = new Int32Array(keyColumns * 2);
  }

  get size(): number {
    return this.#rows.length;
  }

  /** The number of the row's key; a new one is `size` as it was before. */
  numberOf(row: Row): number {
    row.keyRanges(this.#ranges);
    const hash = this.#hash(row.bytes);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = (this.#slots[slot] as number) - 1;
      if (found < 0) return this.#add(row, hash, slot);
      if (this.#hashes[found] === hash && this.#isSameKey(row.bytes, this.#rows[found] as Row)) return found;
    }
  }

  #add(row: Row, hash: number, slot: number): number {
    const number = this.#rows.length;
    this.#rows.push(row);
    this.#hashes[number] = hash;
    this.#slots[slot] = number + 1;
    if (this.#rows.length === this.#hashes.length) this.#grow();
    return number;
  }

  #grow(): void {
    const hashes = new Int32Array(this.#hashes.length * 2);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#slots = new Int32Array(hashes.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#rows.length; number++) {
      let slot = (hashes[number] as number) & mask;
      while (this.#slots[slot] !== FREE) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }

  #hash(bytes: Buffer): number {
    const ranges = this.#ranges;
    let hash = SEED;
    for (let place = 0; place < ranges.length; place += 2) {
      const end = ranges[place + 1] as number;
      for (let at = ranges[place] as number; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), PRIME);
    }
    // The low bits choose the slot: the high ones are to have a say in them.
    return hash ^ (hash >>> 15);
  }

  #isSameKey(bytes: Buffer, row: Row): boolean {
    const [ranges, others] = [this.#ranges, this.#others];
    row.keyRanges(others);
    for (let place = 0; place < ranges.length; place += 2) {
      const [start, end, other] = [ranges[place] as number, ranges[place + 1] as number, others[place] as number];
      if (end - start !== (others[place + 1] as number) - other) return false;
      for (let at = start; at < end; at++) if (bytes[at] !== row.bytes[other + at - start]) return false;
    }
    return true;
  }
}
