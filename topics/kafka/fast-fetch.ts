import { createRequire } from 'node:module';
import { crc32c } from '@node-rs/crc32';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { COMPRESSION_ID, type Compression, decompress } from './compression.ts';
import { quietTimers } from './quiet-timers.ts';
import { createRequest } from './request-bytes.ts';
import { shareConnects } from './shared-connect.ts';

/**
 * How fetched record batches are read: in place of kafkajs' own decoder, which makes several objects and 64-bit
 * helpers a record (bench/results: Kafka to nowhere). Same messages, same names; the checksum is looked at as well.
 *
 * It exports the kafkajs that has them. `fast-fetch.test.ts` holds it against the original.
 */
const require = createRequire(import.meta.url);

/** The client goes by this name: the rest comes with the next fetch. */
const PARTIAL = 'KafkaJSPartialMessageError';
const HEADER_BYTES = 61;
const LOG_OVERHEAD = 12;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const CODEC_BITS = 0x07;
const LOG_APPEND_TIME = 0x08;
const IN_TRANSACTION = 0x10;
const CONTROL = 0x20;
const ABORT_MARK = Buffer.from([0, 0, 0, 0]);

type Headers = Record<string, Buffer | Buffer[]>;
const NO_HEADERS: Headers = Object.freeze({});

interface BatchContext {
  readonly producerId: string;
  readonly inTransaction: boolean;
  readonly isControlBatch: boolean;
  readonly baseOffset: number;
  readonly firstTimestamp: number;
  readonly maxTimestamp: number;
  readonly isLogAppendTime: boolean;
}

/** One record, as a view on its batch; what is seldom asked for is worked out when it is. */
export class FetchedRecord {
  readonly headers: Headers;
  readonly batchContext: BatchContext;
  readonly attributes = 0;
  readonly offsetNumber: number;
  /** The memory that key and value lie in; an end below its start stands for null. */
  readonly bytes: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly #timestampDelta: number;

  constructor(place: RecordPlace) {
    this.batchContext = place.context;
    this.bytes = place.bytes;
    this.offsetNumber = place.offset;
    this.#timestampDelta = place.timestampDelta;
    this.keyStart = place.keyStart;
    this.keyEnd = place.keyEnd;
    this.valueStart = place.valueStart;
    this.valueEnd = place.valueEnd;
    this.headers = place.headers;
  }

  get key(): Buffer | null {
    return this.keyEnd < this.keyStart ? null : this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  get value(): Buffer | null {
    return this.valueEnd < this.valueStart ? null : this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  get offset(): string {
    return String(this.offsetNumber);
  }

  get timestamp(): string {
    const { isLogAppendTime, maxTimestamp, firstTimestamp } = this.batchContext;
    return String(isLogAppendTime ? maxTimestamp : firstTimestamp + this.#timestampDelta);
  }

  get isControlRecord(): boolean {
    return this.batchContext.isControlBatch;
  }
}

/** Where a record lies. One for all records of a batch: each copies what it keeps. */
interface RecordPlace {
  readonly context: BatchContext;
  readonly bytes: Buffer;
  offset: number;
  timestampDelta: number;
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
  headers: Headers;
}

interface FetchDecoder {
  readonly buffer: Buffer;
  readonly offset: number;
  forward(bytes: number): void;
}

/** Reads the record batch at the decoder's place, and moves the decoder behind it. */
async function decodeBatch(decoder: FetchDecoder): Promise<{ readonly records: readonly FetchedRecord[] }> {
  const start = decoder.offset;
  const end = start + LOG_OVERHEAD + decoder.buffer.readInt32BE(start + 8);
  if (end > decoder.buffer.length) throw Object.assign(new Error('the fetch ends within a record batch'), { name: PARTIAL });
  const bytes = ownBytes(decoder.buffer, start, end);
  decoder.forward(end - start);
  if (crc32c(bytes.subarray(ATTRIBUTES_AT)) !== bytes.readUInt32BE(CRC_AT))
    throw new Error('a record batch has another checksum than it says: it was damaged on the way or on disk');
  const attributes = bytes.readInt16BE(ATTRIBUTES_AT);
  const context = {
    baseOffset: Number(bytes.readBigInt64BE(0)),
    firstTimestamp: Number(bytes.readBigInt64BE(27)),
    maxTimestamp: Number(bytes.readBigInt64BE(35)),
    producerId: String(bytes.readBigInt64BE(43)),
    isLogAppendTime: (attributes & LOG_APPEND_TIME) !== 0,
    inTransaction: (attributes & IN_TRANSACTION) !== 0,
    isControlBatch: (attributes & CONTROL) !== 0,
  };
  const codec = codecOf(attributes & CODEC_BITS);
  const records = codec === 'none' ? bytes.subarray(HEADER_BYTES) : decompress(codec, bytes.subarray(HEADER_BYTES));
  return { records: new RecordScanner(records, context).records(bytes.readInt32BE(57)) };
}

/** A small part of a large answer is copied: its records may wait for a while, and would keep all of the answer in memory. */
function ownBytes(answer: Buffer, start: number, end: number): Buffer {
  const part = answer.subarray(start, end);
  return part.length * 2 > answer.length ? part : Buffer.concat([part]);
}

function codecOf(id: number): Compression {
  for (const [codec, known] of Object.entries(COMPRESSION_ID)) if (known === id) return codec as Compression;
  throw new CdcError('PARSE_FAILED', `Records are compressed with a codec that is not read here (number ${id}).`, {
    remedy: 'Write them with gzip, snappy, lz4, zstd or none; records that are there already stay as they are.',
  });
}

class RecordScanner {
  readonly #bytes: Buffer;
  readonly #place: RecordPlace;
  #at = 0;

  constructor(bytes: Buffer, context: BatchContext) {
    this.#bytes = bytes;
    this.#place = { context, bytes, offset: 0, timestampDelta: 0, keyStart: 0, keyEnd: 0, valueStart: 0, valueEnd: 0, headers: NO_HEADERS };
  }

  records(count: number): FetchedRecord[] {
    const records: FetchedRecord[] = [];
    for (let index = 0; index < count; index++) records.push(this.#record());
    return records;
  }

  #record(): FetchedRecord {
    const place = this.#place;
    const length = this.#varint();
    const end = this.#at + length;
    this.#at++;
    place.timestampDelta = this.#varint();
    place.offset = place.context.baseOffset + this.#varint();
    const keyLength = this.#varint();
    place.keyStart = this.#at;
    place.keyEnd = this.#at + keyLength;
    this.#at += Math.max(keyLength, 0);
    const valueLength = this.#varint();
    place.valueStart = this.#at;
    place.valueEnd = this.#at + valueLength;
    this.#at += Math.max(valueLength, 0);
    const headerCount = this.#varint();
    place.headers = headerCount === 0 ? NO_HEADERS : this.#headers(headerCount);
    this.#at = end;
    return new FetchedRecord(place);
  }

  #headers(count: number): Headers {
    const headers: Headers = {};
    for (let index = 0; index < count; index++) {
      const name = this.#sized()?.toString() ?? '';
      const value = this.#sized() ?? Buffer.alloc(0);
      const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
      headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
    }
    return headers;
  }

  #sized(): Buffer | null {
    const length = this.#varint();
    if (length < 0) return null;
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** Zig-zag; timestamps may be far apart, so beyond 28 bits it goes on with multiplication. */
  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] as number;
    let zigzag = byte & 0x7f;
    for (let factor = 0x80; byte > 0x7f; factor *= 0x80) {
      byte = bytes[this.#at++] as number;
      zigzag += (byte & 0x7f) * factor;
    }
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }
}

interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

interface PartitionData {
  readonly partition: number;
  readonly highWatermark: string;
  readonly abortedTransactions?: readonly AbortedTransaction[] | null;
  readonly messages: readonly FetchedRecord[];
}

/** One partition of a fetch, as kafkajs' consumer wants it: without control records and, read committed, without aborted ones. */
class FetchedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly fetchedOffset: string;
  readonly rawMessages: readonly FetchedRecord[];
  readonly messagesWithinOffset: readonly FetchedRecord[];
  readonly messages: readonly FetchedRecord[];

  constructor(topic: string, fetchedOffset: string | number, { partition, highWatermark, abortedTransactions, messages }: PartitionData) {
    this.topic = topic;
    this.partition = partition;
    this.highWatermark = highWatermark;
    this.fetchedOffset = String(fetchedOffset);
    this.rawMessages = messages;
    // A batch is fetched whole, so the first ones may lie before the offset that was asked for.
    const first = messages.findIndex(({ offsetNumber }) => offsetNumber >= Number(fetchedOffset));
    this.messagesWithinOffset = first < 0 ? [] : first === 0 ? messages : messages.slice(first);
    this.messages = withoutAborted(this.messagesWithinOffset, abortedTransactions ?? []);
  }

  isEmpty(): boolean {
    return this.messages.length === 0;
  }

  isEmptyIncludingFiltered(): boolean {
    return this.messagesWithinOffset.length === 0;
  }

  isEmptyDueToFiltering(): boolean {
    return this.isEmpty() && this.rawMessages.length > 0;
  }

  isEmptyControlRecord(): boolean {
    return this.isEmpty() && this.messagesWithinOffset.some(({ isControlRecord }) => isControlRecord);
  }

  isEmptyDueToLogCompactedMessages(): boolean {
    return this.rawMessages.length > 0 && this.isEmptyIncludingFiltered();
  }

  firstOffset(): string | null {
    return this.messagesWithinOffset[0]?.offset ?? null;
  }

  lastOffset(): string {
    if (this.isEmptyDueToLogCompactedMessages()) return this.fetchedOffset;
    return this.messagesWithinOffset.at(-1)?.offset ?? String(Number(this.highWatermark) - 1);
  }

  offsetLag(): string {
    return String(Number(this.highWatermark) - 1 - Number(this.lastOffset()));
  }

  offsetLagLow(): string {
    const first = this.firstOffset();
    return first === null ? '0' : String(Number(this.highWatermark) - 1 - Number(first));
  }
}

/**
 * Leaves out control records and the records of aborted transactions: those of a producer from the first offset of one
 * of its aborted transactions up to its next abort mark (KIP-98, "READ_COMMITTED"). Several producers may interleave.
 */
function withoutAborted(records: readonly FetchedRecord[], aborted: readonly AbortedTransaction[]): readonly FetchedRecord[] {
  const waiting = aborted
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<string>();
  return records.filter((record) => {
    for (let next = waiting[0]; next !== undefined && record.offsetNumber >= next.firstOffset; next = waiting[0]) {
      open.add(next.producerId);
      waiting.shift();
    }
    const { producerId, inTransaction, isControlBatch } = record.batchContext;
    if (isControlBatch) {
      if (record.key !== null && record.key.equals(ABORT_MARK)) open.delete(producerId);
      return false;
    }
    return !(inTransaction && open.size > 0 && open.has(producerId));
  });
}

function install(path: string, exports: unknown): void {
  const filename = require.resolve(path);
  const module = { id: filename, filename, loaded: true, exports, children: [], paths: [], path: '', parent: null, require, isPreloading: false };
  require.cache[filename] = module as unknown as NodeJS.Module;
}

/** Others in this process may have loaded kafkajs before: they keep theirs, and the topics get one of their own. */
function forgetLoaded(): void {
  for (const filename of Object.keys(require.cache)) if (/[\\/]node_modules[\\/]kafkajs[\\/]/.test(filename)) Reflect.deleteProperty(require.cache, filename);
}

forgetLoaded();
install('kafkajs/src/protocol/recordBatch/v0/decoder.js', decodeBatch);
install('kafkajs/src/consumer/batch.js', FetchedBatch);
install('kafkajs/src/protocol/request.js', createRequest);
quietTimers();
shareConnects();

/** kafkajs with these parts in it. */
export const kafkajs = require('kafkajs') as typeof import('kafkajs');
