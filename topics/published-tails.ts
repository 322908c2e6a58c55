import { comparePositions, type SourcePosition } from '../shared/record/position.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import type { Registry } from './avro/registry.ts';
import { parseTableSchema } from './avro/table-schemas.ts';
import { schemaIdOf, WIRE_HEADER_BYTES } from './avro/wire-format.ts';
import { EnvelopeDecoder } from './envelope-decoder.ts';
import type { FetchedMessage } from './kafka/kafkajs-internals.ts';
import type { LogReader } from './kafka/log-reader.ts';

/** Topics whose ends are read side by side. */
const TOPICS_AT_ONCE = 16;

/**
 * What stands at the ends of the partitions when a source starts: so that nothing is written twice, and that
 * row_version starts above all that was ever written, aborted records included.
 *
 * The stored position would be enough if a transaction's end were never delayed. With clients of Kafka's first
 * transaction protocol a delayed EndTxn can, rarely, end the following transaction too early (KAFKA-17754): then
 * records are visible that the stored position does not cover. Each record carries its position and its row_version, so
 * it shows: what has a higher row_version than the stored one was written after it.
 */
export class PublishedTails {
  readonly #tails = new Map<string, SourcePosition>();
  #highest: SourcePosition | undefined;
  #highestVersion = 0;

  /** `storedVersion` is the row_version of the stored position; undefined where none is stored, and nothing is left out. */
  async read(
    parts: { readonly reader: Pick<LogReader, 'readLast' | 'partitionCount'>; readonly registry: Pick<Registry, 'schema'> },
    topics: readonly string[],
    storedVersion: number | undefined,
  ): Promise<void> {
    const readTopic = async (topic: string) => {
      for (let partition = 0, count = await parts.reader.partitionCount(topic); partition < count; partition++) {
        const place = { topic, partition };
        const attempted = await this.#decode(parts.registry, topic, await parts.reader.readLast(topic, partition, 'uncommitted'));
        if (attempted === undefined) continue;
        this.#highestVersion = Math.max(this.#highestVersion, attempted.version);
        if (storedVersion === undefined || attempted.version <= storedVersion) continue;
        const committed = await this.#decode(parts.registry, topic, await parts.reader.readLast(topic, partition, 'committed'));
        if (committed !== undefined && committed.version > storedVersion) this.#add(place, committed.position);
      }
    };
    for (let first = 0; first < topics.length; first += TOPICS_AT_ONCE) await Promise.all(topics.slice(first, first + TOPICS_AT_ONCE).map(readTopic));
  }

  /** The highest row_version that any reader can have seen; 0 for none. */
  get highestVersion(): number {
    return this.#highestVersion;
  }

  /** False once every tail has been passed. */
  get isActive(): boolean {
    return this.#highest !== undefined;
  }

  /** Whether a record of this place in the log is in the partition already. */
  has(topic: string, partition: number, record: CdcRecord): boolean {
    if (this.#highest === undefined || record.kind === 'read') return false;
    if (comparePositions(record.position, this.#highest) > 0) {
      this.#highest = undefined;
      return false;
    }
    const tail = this.#tails.get(`${topic}/${partition}`);
    return tail !== undefined && comparePositions(record.position, tail) <= 0;
  }

  async #decode(registry: Pick<Registry, 'schema'>, topic: string, last: FetchedMessage | undefined) {
    if (last?.value == null) return undefined;
    const schema = await registry.schema(schemaIdOf(last.value, topic));
    return new EnvelopeDecoder(parseTableSchema(schema, topic), topic).decode(last.value, WIRE_HEADER_BYTES);
  }

  #add({ topic, partition }: { readonly topic: string; readonly partition: number }, position: SourcePosition): void {
    this.#tails.set(`${topic}/${partition}`, position);
    if (this.#highest === undefined || comparePositions(position, this.#highest) > 0) this.#highest = position;
  }
}
