import type { SinkSettings } from '../../shared/config/sink-options.ts';
import type { Checkpoint, Sink } from '../../shared/connector/sink.ts';
import { CdcError, toCdcError } from '../../shared/errors/cdc-error.ts';
import type { PackedChanges } from '../../shared/record/packed-changes.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { DeadLetterQueue } from '../../topics/dead-letters.ts';
import type { Lane, LaneBatch } from './lane.ts';
import type { Origins } from './origins.ts';

export interface Written {
  readonly records: number;
  readonly bytes: number;
}

/** Writes one lane's batches: prepares the target for a schema, writes, and sets aside what the target refuses. */
export class TableWriter {
  readonly #sink: Sink;
  readonly #settings: SinkSettings;
  readonly #deadLetters: Pick<DeadLetterQueue, 'put'>;
  readonly #onSetAside: (topic: string, error: CdcError) => void;

  constructor(parts: {
    readonly sink: Sink;
    readonly settings: SinkSettings;
    readonly deadLetters: Pick<DeadLetterQueue, 'put'>;
    readonly onSetAside: (topic: string, error: CdcError) => void;
  }) {
    this.#sink = parts.sink;
    this.#settings = parts.settings;
    this.#deadLetters = parts.deadLetters;
    this.#onSetAside = parts.onSetAside;
  }

  /** Resolves when all records are durable in the target or set aside. */
  async write(lane: Lane, { records, origins, checkpoint }: LaneBatch): Promise<Written> {
    let [written, bytes, from] = [0, 0, 0];
    for (const part of records.byTable()) {
      const table = part.runs[0]?.table;
      if (table !== undefined && lane.schema !== table) await this.#prepare(lane, table);
      const end = from + part.length;
      // Only the last part brings the topic to where the batch ends.
      const result = await this.#writePart({ topic: lane.topic, records: part, origins, from }, end === records.length ? checkpoint : undefined);
      written += result.records;
      bytes += result.bytes;
      from = end;
    }
    return { records: written, bytes };
  }

  async #prepare(lane: Lane, table: TableSchema): Promise<void> {
    await this.#sink.setup([table]);
    lane.schema = table;
  }

  async #writePart(part: BatchPart, checkpoint: Checkpoint | undefined): Promise<Written> {
    try {
      const result = await this.#sink.writeBatch(part.records, this.#sink.checkpoints === undefined ? undefined : checkpoint);
      return { records: result.recordsWritten, bytes: result.bytesWritten };
    } catch (error) {
      const failure = toCdcError(error);
      if (failure.action !== 'setAside') throw locate(failure, part);
      if (part.records.length > 1) return this.#writeHalves(part, checkpoint);
      if (this.#settings.ON_BAD_RECORD !== 'dead-letter') throw locate(failure, part);
      return this.#setAside(part, failure);
    }
  }

  /**
   * The target refuses a batch as a whole: halving it finds the records that are to blame, each with about twice as many
   * attempts as the batch can be halved. What lies before the first of them is written, whatever becomes of it.
   */
  async #writeHalves(part: BatchPart, checkpoint: Checkpoint | undefined): Promise<Written> {
    const { records, from } = part;
    const middle = Math.floor(records.length / 2);
    const first = await this.#writePart({ ...part, records: records.slice(0, middle) }, undefined);
    const second = await this.#writePart({ ...part, records: records.slice(middle), from: from + middle }, checkpoint);
    return { records: first.records + second.records, bytes: first.bytes + second.bytes };
  }

  async #setAside({ topic, origins, from }: BatchPart, error: CdcError): Promise<Written> {
    const { partition, origin } = origins.at(from);
    const { offset, key, value } = origin;
    await this.#deadLetters.put([{ topic, partition, offset, key, value, error }]);
    this.#onSetAside(topic, error);
    return { records: 0, bytes: 0 };
  }
}

/** Records of one schema that lie together in a batch. */
interface BatchPart {
  readonly topic: string;
  readonly records: PackedChanges;
  readonly origins: Origins;
  /** The place of the first of them in the batch. */
  readonly from: number;
}

/** The error, with where its records are. */
function locate(error: CdcError, { topic, records, origins, from }: BatchPart): CdcError {
  const [first, last] = [origins.at(from), origins.at(from + records.length - 1)];
  const place =
    records.length === 1
      ? { partition: first.partition, offset: first.origin.offset }
      : { fromOffset: `${first.partition}/${first.origin.offset}`, toOffset: `${last.partition}/${last.origin.offset}` };
  const context = { ...error.context, topic, ...place };
  return new CdcError(error.code, error.message, { remedy: error.remedy, context, cause: error.cause });
}
