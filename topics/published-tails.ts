import { comparePositions, type SourcePosition } from '../shared/record/position.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import type { Registry } from './avro/registry.ts';
import { parseTableSchema } from './avro/table-schemas.ts';
import { schemaIdOf, WIRE_HEADER_BYTES } from './avro/wire-format.ts';
import { EnvelopeDecoder } from './envelope-decoder.ts';
import type { LogReader } from './kafka/log-reader.ts';

/**
 * The last position in each partition that the latest transactions wrote, so that nothing is written twice.
 *
 * The stored position would be enough if a transaction's end were never delayed. With clients of Kafka's first
 * transaction protocol a delayed EndTxn can, rarely, end the following transaction too early (KAFKA-17754): then
 * records are visible that the stored position does not cover. Each record carries its position, so it shows.
 */
export class PublishedTails {
  readonly #tails = new Map<string, SourcePosition>();
  #highest: SourcePosition | undefined;

  async read(reader: Pick<LogReader, 'readLast' | 'partitionCount'>, registry: Pick<Registry, 'schema'>, topics: Iterable<string>): Promise<void> {
    for (const topic of topics) {
      const partitions = await reader.partitionCount(topic);
      for (let partition = 0; partition < partitions; partition++) {
        const last = await reader.readLast(topic, partition, 'committed');
        if (last?.value == null) continue;
        const schema = await registry.schema(schemaIdOf(last.value, topic));
        this.#add(topic, partition, new EnvelopeDecoder(parseTableSchema(schema, topic), topic).position(last.value, WIRE_HEADER_BYTES));
      }
    }
  }

  #add(topic: string, partition: number, position: SourcePosition): void {
    this.#tails.set(`${topic}/${partition}`, position);
    if (this.#highest === undefined || comparePositions(position, this.#highest) > 0) this.#highest = position;
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
}
