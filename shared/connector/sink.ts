import type { SourcePosition } from '../record/position.ts';
import type { Records } from '../record/record.ts';
import type { TableSchema } from '../record/table-schema.ts';
import type { Finding } from './finding.ts';

export interface SinkCapabilities {
  readonly supportsUpsert: boolean;
  readonly supportsDelete: boolean;
  readonly supportsSchemaEvolution: boolean;
  readonly supportsTransactions: boolean;
  readonly loadingModel: 'streaming' | 'batch' | 'stagedBatch';
  readonly minBatchSize?: number | undefined;
  readonly maxBatchSize?: number | undefined;
  readonly optimalFlushIntervalMs: number;
}

export interface SinkResult {
  /** Rows written to the target after merging; 0 for an empty batch. */
  readonly recordsWritten: number;
  readonly bytesWritten: number;
  /** The position of the batch's last record; null for an empty batch. */
  readonly lastPosition: SourcePosition | null;
}

/** Up to where a batch brings a topic. */
export interface Checkpoint {
  readonly topic: string;
  /** A topic that was deleted and made again has another one. */
  readonly topicId: string;
  /** By partition, the offset of the record after the last one. */
  readonly offsets: ReadonlyMap<number, bigint>;
}

/**
 * What a target that can do so keeps of checkpoints: in the transaction that writes the rows, so that a sink goes on
 * where its rows end, also where the broker has lost the offsets of its group.
 */
export interface CheckpointStore {
  read(topics: readonly string[]): Promise<readonly Checkpoint[]>;
  /** When an operator has set the group's offsets to other places, which shall be gone on with. */
  forget(topics: readonly string[]): Promise<void>;
}

/**
 * Writes records to one target. The runner drives it: `validateConnection`, then `setup` and `writeBatch`, `close`.
 *
 * - A batch holds row changes and truncates of one table in one schema, in the order of the topic. Calls for one table
 *   come one after the other; calls for different tables come in parallel.
 * - When `writeBatch` resolves, the batch is durable in the target: the runner then commits the offsets. When it
 *   rejects, the same records may come again, alone or in another batch, and so may records that were written long
 *   ago. Writing them again changes nothing: a row with a higher `dbmazz_cdc_version` is never overwritten by a lower.
 * - Nothing of the records is looked at once `writeBatch` has resolved: their memory is used for others then.
 * - A deleted row stays deleted when older changes of it are repeated.
 * - An unchanged value keeps what the target has; it never becomes null.
 * - An empty batch writes nothing and says so.
 * - Errors are coded: the runner retries `CONNECTION_LOST`, `TARGET_BUSY` and `TIMEOUT`; the sink itself does not.
 *   `RECORD_REJECTED` and `VALUE_OUT_OF_RANGE` mean that the batch cannot be written as it is, and that none of it was.
 */
export interface Sink {
  readonly name: string;

  capabilities(): SinkCapabilities;

  /** Checks connection, version, rights, and changes nothing. */
  validateConnection(): Promise<readonly Finding[]>;

  /**
   * Makes the target ready for tables in these schemas: creates what is missing, adds missing columns. Called before
   * the first batch of a table and again when its schema changes. Repeating it changes nothing.
   */
  setup(schemas: readonly TableSchema[]): Promise<void>;

  /**
   * The runner gives `PackedChanges`, whose records are made when they are come to; whoever has a few gives an array.
   * `checkpoint` is only given to sinks that have `checkpoints`, and to be kept with the batch or not at all.
   */
  writeBatch(records: Records, checkpoint?: Checkpoint): Promise<SinkResult>;

  readonly checkpoints?: CheckpointStore;

  close(): Promise<void>;
}

/** Columns that every target table carries beside the source's own. */
export const META_COLUMNS = {
  /** `c`, `u`, `d` or `r`, as in the envelope. */
  opType: 'dbmazz_op_type',
  isDeleted: 'dbmazz_is_deleted',
  syncedAt: 'dbmazz_synced_at',
  version: 'dbmazz_cdc_version',
} as const;
