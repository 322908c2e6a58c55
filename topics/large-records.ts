import { CdcError } from '../shared/errors/cdc-error.ts';
import type { RowRecord } from '../shared/record/record.ts';
import type { EnvelopeScope } from './envelope-encoder.ts';
import { compress, type Compression } from './kafka/compression.ts';
import type { RecordAppender } from './kafka/transactional-producer.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** A batch that weighs no more than this has no record that could be too large for a broker. */
export const ROOMY_BYTES = 384 * 1024;
/** A record above this gets a batch of its own: what lies in the batch before it must not make it too large. */
const LARGE_BYTES = 256 * 1024;
/** What a batch and a record have around key and value. */
const FRAME_BYTES = 512;

/** Whether there has to be room made for a record. */
export function isLarge({ before, after }: RowRecord): boolean {
  return (before?.byteLength ?? 0) + (after?.byteLength ?? 0) >= LARGE_BYTES;
}

export interface LargeRecordParts {
  readonly catalog: TopicCatalog;
  readonly producer: RecordAppender;
  readonly compression: Compression;
}

/**
 * Sends on what lies in the batches, where a large record would come behind it, and throws `VALUE_OUT_OF_RANGE` where the
 * broker would refuse that record: once it has, the whole transaction is lost.
 */
export async function makeRoom(record: RowRecord, scope: EnvelopeScope, { catalog, producer, compression }: LargeRecordParts): Promise<void> {
  await producer.flush();
  const limit = await catalog.batchLimit(record.table);
  const publisher = catalog.publisherOf(record.table);
  if (limit === undefined || publisher.weigh(record, scope, ({ length }) => length) + FRAME_BYTES <= limit.bytes) return;
  const weight = publisher.weigh(record, scope, (bytes) => compress(compression, bytes).length) + FRAME_BYTES;
  if (compression !== 'none' && weight <= limit.bytes) return;
  const { bytes, setting } = limit;
  throw new CdcError(
    'VALUE_OUT_OF_RANGE',
    `A record of ${record.table.qualifiedName} weighs ${weight} bytes; topic ${publisher.topic} takes ${bytes}, by ${setting}.`,
    {
      context: { table: record.table.qualifiedName, topic: publisher.topic, bytes: weight, limit: bytes },
      remedy: `Raise ${setting} above ${weight}, or leave the large column out with EXCLUDE_COLUMNS; then take a new snapshot of the table.`,
    },
  );
}
