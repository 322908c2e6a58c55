import { keyRangesAt, type Row } from './row.ts';
import type { TableSchema } from './table-schema.ts';

/** Of its own in each process: nobody can prepare keys that all fall together. */
const SEED = Math.trunc(Math.random() * 0x7fffffff);
const PRIME = 0x01000193;
const FREE = 0;

const FIRST_KEY_BYTES = 16;

/**
 * Numbers the keys of rows in the order in which they are first seen. Each key that is new is copied, as it is in the
 * row, behind the one before it, and compared there: no text and no entry of a map is made for any of them.
 */
export class KeyIndex {
  #hashes: Int32Array;
  /** By hash: a number plus one. */
  #slots: Int32Array;
  /** The bytes of all keys, and where that of each number ends. */
  #keys: Buffer;
  #ends: Int32Array;
  #size = 0;
  /** Where the key columns of a row lie. */
  #ranges: Int32Array;

  constructor(keyColumns: number, expected: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(expected, 8) * 2));
    this.#slots = new Int32Array(size);
    this.#hashes = new Int32Array(size / 2);
    this.#ends = new Int32Array(size / 2);
    this.#keys = Buffer.allocUnsafeSlow((size / 2) * FIRST_KEY_BYTES);
    this.#ranges = new Int32Array(keyColumns * 2);
  }

  get size(): number {
    return this.#size;
  }

  /** So many keys fit before it grows. */
  get capacity(): number {
    return this.#hashes.length;
  }

  /** Begins anew, in the same memory where that is enough. */
  reset(keyColumns: number, expected: number): void {
    this.#ranges = new Int32Array(keyColumns * 2);
    this.#size = 0;
    this.#slots.fill(FREE);
    while (this.#hashes.length < expected) this.#grow();
  }

  /** The number of the row's key; a new one is `size` as it was before. */
  numberOf({ table, bytes, start }: Row): number {
    return this.numberAt(table, bytes, start);
  }

  /** The same of a row that starts at `start`. */
  numberAt(table: TableSchema, bytes: Buffer, start: number): number {
    keyRangesAt(table, bytes, start, this.#ranges);
    const from = this.#size === 0 ? 0 : (this.#ends[this.#size - 1] as number);
    const end = this.#copyKey(bytes, from);
    const hash = hashOf(this.#keys, from, end);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = (this.#slots[slot] as number) - 1;
      if (found < 0) return this.#add(slot, hash, end);
      if (this.#hashes[found] === hash && this.#isSameKey(found, from, end)) return found;
    }
  }

  /** Its values by themselves say where they end, so no two keys have the same bytes. */
  #copyKey(bytes: Buffer, from: number): number {
    const ranges = this.#ranges;
    let to = from;
    for (let place = 0; place < ranges.length; place += 2) {
      const end = ranges[place + 1] as number;
      let at = ranges[place] as number;
      if (to + end - at > this.#keys.length) this.#growKeys(to, end - at);
      for (const keys = this.#keys; at < end; at++) keys[to++] = bytes[at] as number;
    }
    return to;
  }

  #isSameKey(number: number, from: number, end: number): boolean {
    const keys = this.#keys;
    const start = number === 0 ? 0 : (this.#ends[number - 1] as number);
    if ((this.#ends[number] as number) - start !== end - from) return false;
    for (let at = from, other = start; at < end; at++, other++) if (keys[at] !== keys[other]) return false;
    return true;
  }

  #add(slot: number, hash: number, end: number): number {
    const number = this.#size++;
    this.#hashes[number] = hash;
    this.#ends[number] = end;
    this.#slots[slot] = number + 1;
    if (this.#size === this.#hashes.length) this.#grow();
    return number;
  }

  #growKeys(used: number, missing: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#keys.length * 2, used + missing));
    this.#keys.copy(larger, 0, 0, used);
    this.#keys = larger;
  }

  #grow(): void {
    this.#hashes = twice(this.#hashes);
    this.#ends = twice(this.#ends);
    this.#slots = new Int32Array(this.#hashes.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#size; number++) {
      let slot = (this.#hashes[number] as number) & mask;
      while (this.#slots[slot] !== FREE) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = SEED;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), PRIME);
  // The low bits choose the slot: the high ones are to have a say in them.
  return hash ^ (hash >>> 15);
}

function twice(numbers: Int32Array): Int32Array {
  const larger = new Int32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
