import type { SinkSettings } from '../../shared/config/sink-options.ts';
import type { Checkpoint, Sink } from '../../shared/connector/sink.ts';
import { CdcError, toCdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { DeadLetterQueue } from '../../topics/dead-letters.ts';
import type { Delivered } from '../../topics/subscriber.ts';
import type { Lane, LaneBatch } from './lane.ts';

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
  async write(lane: Lane, { records, checkpoint }: LaneBatch): Promise<Written> {
    let [written, bytes] = [0, 0];
    const parts = splitBySchema(records);
    for (const [index, { table, part }] of parts.entries()) {
      if (lane.schema !== table) await this.#prepare(lane, table);
      // Only the last part brings the topic to where the batch ends.
      const result = await this.#writePart(lane.topic, part, index === parts.length - 1 ? checkpoint : undefined);
      written += result.records;
      bytes += result.bytes;
    }
    return { records: written, bytes };
  }

  async #prepare(lane: Lane, table: TableSchema): Promise<void> {
    await this.#sink.setup([table]);
    lane.schema = table;
  }

  async #writePart(topic: string, part: readonly Delivered[], checkpoint: Checkpoint | undefined): Promise<Written> {
    try {
      const records = part.map(({ record }) => record);
      const result = await this.#sink.writeBatch(records, this.#sink.checkpoints === undefined ? undefined : checkpoint);
      return { records: result.recordsWritten, bytes: result.bytesWritten };
    } catch (error) {
      const failure = toCdcError(error);
      if (failure.action !== 'setAside') throw locate(failure, topic, part);
      if (part.length > 1) return this.#writeHalves(topic, part, checkpoint);
      if (this.#settings.ON_BAD_RECORD !== 'dead-letter') throw locate(failure, topic, part);
      return this.#setAside(topic, part, failure);
    }
  }

  /**
   * The target refuses a batch as a whole: halving it finds the records that are to blame, each with about twice as many
   * attempts as the batch can be halved. What lies before the first of them is written, whatever becomes of it.
   */
  async #writeHalves(topic: string, part: readonly Delivered[], checkpoint: Checkpoint | undefined): Promise<Written> {
    const middle = Math.floor(part.length / 2);
    const first = await this.#writePart(topic, part.slice(0, middle), undefined);
    const second = await this.#writePart(topic, part.slice(middle), checkpoint);
    return { records: first.records + second.records, bytes: first.bytes + second.bytes };
  }

  async #setAside(topic: string, part: readonly Delivered[], error: CdcError): Promise<Written> {
    await this.#deadLetters.put(part.map(({ partition, origin: { offset, key, value } }) => ({ topic, partition, offset, key, value, error })));
    this.#onSetAside(topic, error);
    return { records: 0, bytes: 0 };
  }
}

/** The error, with where its records are. */
function locate(error: CdcError, topic: string, part: readonly Delivered[]): CdcError {
  const [first, last] = [part[0], part.at(-1)];
  if (first === undefined || last === undefined) return error;
  const place =
    part.length === 1
      ? { partition: first.partition, offset: first.origin.offset }
      : { fromOffset: `${first.partition}/${first.origin.offset}`, toOffset: `${last.partition}/${last.origin.offset}` };
  const context = { ...error.context, topic, ...place };
  return new CdcError(error.code, error.message, { remedy: error.remedy, context, cause: error.cause });
}

/** Records in runs of one schema, order kept. */
function splitBySchema(records: readonly Delivered[]): { readonly table: TableSchema; readonly part: readonly Delivered[] }[] {
  const parts: { table: TableSchema; part: Delivered[] }[] = [];
  for (const delivered of records) {
    const last = parts.at(-1);
    if (last?.table === delivered.record.table) last.part.push(delivered);
    else parts.push({ table: delivered.record.table, part: [delivered] });
  }
  return parts;
}
