import { createRequire } from 'node:module';
import { crc32c } from '@node-rs/crc32';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { assembleAnswers } from './answer-bytes.ts';
import { answerMemory } from './answer-memory.ts';
import { COMPRESSION_ID, type Compression, decompress } from './compression.ts';
import { FetchedRecord, PackedRecords, type RecordRun, scanRecords } from './fetched-record.ts';
import { quietTimers } from './quiet-timers.ts';
import { createRequest } from './request-bytes.ts';
import { shareConnects } from './shared-connect.ts';
import { indexTopics } from './topic-index.ts';

/**
 * How fetched record batches are read: in place of kafkajs' own decoder, which makes several objects and 64-bit
 * helpers a record (bench/results: Kafka to nowhere). Same messages, same names; the checksum is looked at as well.
 *
 * It exports the kafkajs that has them. `fast-fetch.test.ts` holds it against the original.
 */
const require = createRequire(import.meta.url);

const HEADER_BYTES = 61;
const LOG_OVERHEAD = 12;
/** Less than this is no batch, also for kafkajs. */
const LEAST_BATCH_BYTES = 49;
const MAGIC_AT = 16;
const MAGIC = 2;
/** From this part of an answer on, a partition's records stay in it: one of five. */
const LARGE_PART = 5;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const CODEC_BITS = 0x07;
const LOG_APPEND_TIME = 0x08;
const IN_TRANSACTION = 0x10;
const CONTROL = 0x20;
const ABORT_MARK = Buffer.from([0, 0, 0, 0]);
const NOTHING = new PackedRecords([]);

interface FetchDecoder {
  readonly buffer: Buffer;
  readonly offset: number;
  forward(bytes: number): void;
  readInt32(): number;
  canReadBytes(bytes: number): boolean;
}

/** All records of a partition in an answer, in place of kafkajs' own; what stands cut off at its end comes with the next one. */
async function decodeMessages(decoder: FetchDecoder): Promise<PackedRecords> {
  const size = decoder.readInt32();
  if (size <= 0 || !decoder.canReadBytes(size)) return NOTHING;
  const bytes = ownBytes(decoder.buffer, decoder.offset, decoder.offset + size);
  decoder.forward(size);
  const runs: RecordRun[] = [];
  for (let at = 0; bytes.length - at >= LEAST_BATCH_BYTES;) {
    const end = endOfBatch(bytes, at);
    if (end > bytes.length) break;
    const run = readBatch(bytes, at, end);
    // Compaction leaves batches without records.
    if (run.end > 0) runs.push(run);
    at = end;
  }
  return new PackedRecords(runs, runs.length === 0 ? undefined : answerMemory.lease(bytes));
}

function endOfBatch(bytes: Buffer, start: number): number {
  return start + LOG_OVERHEAD + bytes.readInt32BE(start + 8);
}

/** The records of the whole batch from `start` to `end`. */
function readBatch(bytes: Buffer, start: number, end: number): RecordRun {
  if (bytes[start + MAGIC_AT] !== MAGIC) throw new CdcError('PARSE_FAILED', 'Records are in a format of before Kafka 0.11, which is not read here.');
  if (crc32c(bytes.subarray(start + ATTRIBUTES_AT, end)) !== bytes.readUInt32BE(start + CRC_AT))
    throw new Error('a record batch has another checksum than it says: it was damaged on the way or on disk');
  const attributes = bytes.readInt16BE(start + ATTRIBUTES_AT);
  const context = {
    baseOffset: Number(bytes.readBigInt64BE(start)),
    firstTimestamp: Number(bytes.readBigInt64BE(start + 27)),
    maxTimestamp: Number(bytes.readBigInt64BE(start + 35)),
    producerId: String(bytes.readBigInt64BE(start + 43)),
    isLogAppendTime: (attributes & LOG_APPEND_TIME) !== 0,
    inTransaction: (attributes & IN_TRANSACTION) !== 0,
    isControlBatch: (attributes & CONTROL) !== 0,
  };
  const count = bytes.readInt32BE(start + 57);
  const codec = codecOf(attributes & CODEC_BITS);
  if (codec === 'none') return scanRecords(bytes, start + HEADER_BYTES, count, context);
  return scanRecords(decompress(codec, bytes.subarray(start + HEADER_BYTES, end)), 0, count, context);
}

/**
 * A partition's part of an answer. Where it is a small one it is copied: its records may wait for a while, and would keep
 * all of the answer in memory.
 */
function ownBytes(answer: Buffer, start: number, end: number): Buffer {
  const part = answer.subarray(start, end);
  return part.length * LARGE_PART >= answer.length ? part : Buffer.concat([part]);
}

function codecOf(id: number): Compression {
  for (const [codec, known] of Object.entries(COMPRESSION_ID)) if (known === id) return codec as Compression;
  throw new CdcError('PARSE_FAILED', `Records are compressed with a codec that is not read here (number ${id}).`, {
    remedy: 'Write them with gzip, snappy, lz4, zstd or none; records that are there already stay as they are.',
  });
}

interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

interface PartitionData {
  readonly partition: number;
  readonly highWatermark: string;
  readonly abortedTransactions?: readonly AbortedTransaction[] | null;
  readonly messages: PackedRecords;
}

/** One partition of a fetch, as kafkajs' consumer wants it: without control records and, read committed, without aborted ones. */
class FetchedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly fetchedOffset: string;
  readonly rawMessages: PackedRecords;
  readonly messagesWithinOffset: PackedRecords;
  readonly messages: PackedRecords;

  constructor(topic: string, fetchedOffset: string | number, { partition, highWatermark, abortedTransactions, messages }: PartitionData) {
    this.topic = topic;
    this.partition = partition;
    this.highWatermark = highWatermark;
    this.fetchedOffset = String(fetchedOffset);
    this.rawMessages = messages;
    // A batch is fetched whole, so the first ones may lie before the offset that was asked for.
    this.messagesWithinOffset = messages.fromOffset(Number(fetchedOffset));
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
    return this.isEmpty() && this.messagesWithinOffset.runs.some(isMark);
  }

  isEmptyDueToLogCompactedMessages(): boolean {
    return this.rawMessages.length > 0 && this.isEmptyIncludingFiltered();
  }

  firstOffset(): string | null {
    return this.messagesWithinOffset.at(0)?.offset ?? null;
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
function withoutAborted(records: PackedRecords, aborted: readonly AbortedTransaction[]): PackedRecords {
  if (aborted.length === 0 && !records.runs.some(isMark)) return records;
  const waiting = aborted
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<string>();
  const kept = records.runs.filter((run) => {
    // A batch is of one transaction whole.
    const lastOffset = new FetchedRecord(run, run.end - 1).offsetNumber;
    for (let next = waiting[0]; next !== undefined && lastOffset >= next.firstOffset; next = waiting[0]) {
      open.add(next.producerId);
      waiting.shift();
    }
    const { producerId, inTransaction } = run.context;
    if (isMark(run)) {
      if (new FetchedRecord(run, run.from).key?.equals(ABORT_MARK) === true) open.delete(producerId);
      return false;
    }
    return !(inTransaction && open.has(producerId));
  });
  return new PackedRecords(kept, records.release);
}

function isMark({ context }: RecordRun): boolean {
  return context.isControlBatch;
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
install('kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js', decodeMessages);
install('kafkajs/src/consumer/batch.js', FetchedBatch);
install('kafkajs/src/protocol/request.js', createRequest);
quietTimers();
shareConnects();
indexTopics();
assembleAnswers();

/** kafkajs with these parts in it. */
export const kafkajs = require('kafkajs') as typeof import('kafkajs');
