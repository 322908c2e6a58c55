import { createRequire } from 'node:module';
import { crc32c } from '@node-rs/crc32';
import { type Compression, decompress } from '../topics/kafka/compression.ts';
import type { FetchedRecord, PackedRecords } from '../topics/kafka/fetched-record.ts';
import { ABSENT, rangeOf, RecordBatchBuilder, type RecordHeader } from '../topics/kafka/record-batch.ts';

export interface WantedRecord {
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

export interface BatchOptions {
  readonly compression?: Compression;
  readonly producerId?: bigint;
  readonly firstOffset?: number;
  readonly isControl?: boolean;
  readonly isLogAppendTime?: boolean;
}

/** A record batch as the broker gives it: our builder's, with the fields that the broker fills in. */
export function buildBatch(records: readonly WantedRecord[], options: BatchOptions = {}): Buffer {
  const builder = new RecordBatchBuilder();
  for (const { timestampMs, key, value, headers } of records) builder.append(timestampMs, rangeOrAbsent(key), rangeOrAbsent(value), headers);
  const bytes = Buffer.from(builder.finish({ producerId: options.producerId ?? 7n, producerEpoch: 3, firstSequence: 11 }, options.compression ?? 'none'));
  bytes.writeBigInt64BE(BigInt(options.firstOffset ?? 0), 0);
  if (options.isControl === true) bytes[22] = (bytes[22] as number) | 0x20;
  if (options.isLogAppendTime === true) bytes[22] = (bytes[22] as number) | 0x08;
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

function rangeOrAbsent(bytes: Buffer | null) {
  return bytes === null ? ABSENT : rangeOf(bytes);
}

/** What kafkajs' own decoder says of a batch. */
export interface DecodedBatch {
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly firstOffset: string;
  readonly lastOffsetDelta: number;
  readonly inTransaction: boolean;
  readonly isControlBatch: boolean;
  readonly records: readonly DecodedRecord[];
}

export interface DecodedRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly offset: string;
  readonly timestamp: string;
  readonly headers: Readonly<Record<string, Buffer | readonly Buffer[]>>;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

const require = createRequire(import.meta.url);

const BATCH_DECODER = 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
export const CONSUMER_BATCH = 'kafkajs/src/consumer/batch.js';

/** A module of kafkajs as it was published, also where something of ours has taken its place since or will do so. */
export function loadOriginal<T>(path: string): T {
  const filename = require.resolve(path);
  const present = require.cache[filename];
  delete require.cache[filename];
  const original = require(path) as T;
  delete require.cache[filename];
  if (present !== undefined) require.cache[filename] = present;
  return original;
}

const KafkaDecoder = require('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => object;

/** Decodes with kafkajs' own code; the codecs that it leaves to its users are ours. */
export async function decodeByKafkajs(bytes: Buffer): Promise<DecodedBatch> {
  const { Codecs: codecs, Types } = require('kafkajs/src/protocol/message/compression/index.js') as {
    Codecs: Record<number, unknown>;
    Types: { readonly Snappy: number; readonly LZ4: number; readonly ZSTD: number };
  };
  const missing = { snappy: Types.Snappy, lz4: Types.LZ4, zstd: Types.ZSTD } as const;
  for (const codec of ['snappy', 'lz4', 'zstd'] as const)
    codecs[missing[codec]] = () => ({ decompress: async (compressed: Buffer) => decompress(codec, compressed) });
  return loadOriginal<(decoder: object) => Promise<DecodedBatch>>(BATCH_DECODER)(new KafkaDecoder(bytes));
}

/** A partition's part of a fetch's answer, whose length stands before it, among `beside` more bytes of other partitions. */
export async function decodeAnswer(bytes: Buffer, beside = 0): Promise<PackedRecords> {
  const decode = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js') as (decoder: object) => Promise<PackedRecords>;
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return decode(new KafkaDecoder(Buffer.concat([length, bytes, Buffer.alloc(beside)])));
}

/** Decodes with what is in place of it now. */
export async function decodeByOurs(bytes: Buffer): Promise<{ readonly records: readonly FetchedRecord[] }> {
  return { records: [...(await decodeAnswer(bytes))] };
}
