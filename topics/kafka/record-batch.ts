import { crc32c } from '@node-rs/crc32';
import { compress, COMPRESSION_ID, type Compression } from './compression.ts';

const HEADER_BYTES = 61;
const CRC_START = 21;
const TRANSACTIONAL = 0x10;
const MAGIC = 2;

/** Part of a buffer; `bytes` null for an absent key or value. Reused by its owner, so it is read at once. */
export interface ByteRange {
  bytes: Buffer | null;
  start: number;
  end: number;
}

export const ABSENT: ByteRange = { bytes: null, start: 0, end: 0 };

export function rangeOf(bytes: Buffer): ByteRange {
  return { bytes, start: 0, end: bytes.length };
}

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer;
}

export interface BatchIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
}

/** What all builders of a process may hold between batches: of thousands of partitions, each would keep its own for ever. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;
const FIRST_BYTES = 1024;
const NOTHING = Buffer.alloc(0);
let held = 0;

/** Bytes that the builders of this process hold. */
export function heldBytes(): number {
  return held;
}

/**
 * Builds one Kafka record batch, format version 2, straight into bytes: no object per record.
 *
 * Layout: Kafka documentation, "Message Format", "Record Batch". `finish` fills in the header of what was appended;
 * after that the builder can be started anew with `reset`.
 */
export class RecordBatchBuilder {
  #buffer: Buffer = NOTHING;
  #position = HEADER_BYTES;
  /** How large the batch was that the buffer was given up after. */
  #lastBytes = FIRST_BYTES;
  #count = 0;
  #firstTimestampMs = 0;
  #maxTimestampMs = 0;

  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#position;
  }

  reset(): void {
    if (held > MAX_HELD_BYTES) {
      held -= this.#buffer.length;
      this.#lastBytes = Math.max(this.#position, FIRST_BYTES);
      this.#buffer = NOTHING;
    }
    this.#position = HEADER_BYTES;
    this.#count = 0;
  }

  /** Appends a record; an absent value is a tombstone. The bytes are copied. */
  append(timestampMs: number, key: ByteRange, value: ByteRange, headers: readonly RecordHeader[]): void {
    if (this.#count === 0) this.#firstTimestampMs = this.#maxTimestampMs = timestampMs;
    else if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const timestampDelta = timestampMs - this.#firstTimestampMs;
    const length = 1 + sizeOfVarint(timestampDelta) + sizeOfVarint(this.#count) + sizeOfRange(key) + sizeOfRange(value) + sizeOfHeaders(headers);
    this.#reserve(length + 5);
    this.#varint(length);
    this.#buffer[this.#position++] = 0;
    this.#varint(timestampDelta);
    this.#varint(this.#count);
    this.#range(key);
    this.#range(value);
    this.#headers(headers);
    this.#count++;
  }

  /** The whole batch. The bytes are valid until the next `reset` and `append`. */
  finish(identity: BatchIdentity, compression: Compression): Buffer {
    const batch = compression === 'none' ? this.#buffer.subarray(0, this.#position) : this.#compressed(compression);
    batch.writeBigInt64BE(0n, 0);
    batch.writeInt32BE(batch.length - 12, 8);
    batch.writeInt32BE(-1, 12);
    batch[16] = MAGIC;
    batch.writeInt16BE(COMPRESSION_ID[compression] | TRANSACTIONAL, 21);
    batch.writeInt32BE(this.#count - 1, 23);
    batch.writeBigInt64BE(BigInt(this.#firstTimestampMs), 27);
    batch.writeBigInt64BE(BigInt(this.#maxTimestampMs), 35);
    batch.writeBigInt64BE(identity.producerId, 43);
    batch.writeInt16BE(identity.producerEpoch, 51);
    batch.writeInt32BE(identity.firstSequence, 53);
    batch.writeInt32BE(this.#count, 57);
    batch.writeUInt32BE(crc32c(batch.subarray(CRC_START)), 17);
    return batch;
  }

  #compressed(compression: Compression): Buffer {
    const records = compress(compression, this.#buffer.subarray(HEADER_BYTES, this.#position));
    return Buffer.concat([Buffer.alloc(HEADER_BYTES), records]);
  }

  #headers(headers: readonly RecordHeader[]): void {
    this.#varint(headers.length);
    for (const { key, value } of headers) {
      this.#range(rangeOf(Buffer.from(key)));
      this.#range(rangeOf(value));
    }
  }

  #range({ bytes, start, end }: ByteRange): void {
    if (bytes === null) return this.#varint(-1);
    this.#varint(end - start);
    this.#position += bytes.copy(this.#buffer, this.#position, start, end);
  }

  /** Zig-zag; deltas and lengths stay within 31 bits. */
  #varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.#buffer[this.#position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#position++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#position + bytes, this.#lastBytes));
    this.#buffer.copy(larger, 0, 0, this.#position);
    held += larger.length - this.#buffer.length;
    this.#buffer = larger;
  }
}

function sizeOfVarint(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  return zigzag < 0x80 ? 1 : zigzag < 0x4000 ? 2 : zigzag < 0x200000 ? 3 : zigzag < 0x10000000 ? 4 : 5;
}

function sizeOfRange({ bytes, start, end }: ByteRange): number {
  return bytes === null ? 1 : sizeOfVarint(end - start) + (end - start);
}

function sizeOfHeaders(headers: readonly RecordHeader[]): number {
  let size = sizeOfVarint(headers.length);
  for (const { key, value } of headers) {
    const length = Buffer.byteLength(key);
    size += sizeOfVarint(length) + length + sizeOfVarint(value.length) + value.length;
  }
  return size;
}
