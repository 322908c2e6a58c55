import avsc from 'avsc';
import { CdcError } from '../shared/errors/cdc-error.ts';
import type { AvroRecord } from '../topics/avro/types.ts';
import type { LogReader } from '../topics/kafka/log-reader.ts';
import type { ByteRange, RecordHeader } from '../topics/kafka/record-batch.ts';
import type { BatchLimit } from '../topics/kafka/topic-admin.ts';
import type { RecordAppender } from '../topics/kafka/transactional-producer.ts';

export interface MemoryRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
  state: 'open' | 'committed' | 'aborted';
}

/** The broker as far as one transactional producer and its reader see it, in memory. Topics of three parts have several partitions. */
export class MemoryLog implements RecordAppender, Pick<LogReader, 'readLast' | 'partitionCount'> {
  readonly records: MemoryRecord[] = [];
  readonly topics = new Set<string>();
  readonly needsFlush = false;
  readonly #partitions: number;

  constructor(partitions = 4) {
    this.#partitions = partitions;
  }

  async createMissing(definitions: readonly { readonly topic: string }[]): Promise<void> {
    for (const { topic } of definitions) this.topics.add(topic);
  }

  /** As for topics that we create. */
  async batchLimit(topic: string): Promise<BatchLimit> {
    return { bytes: 20 * 1024 * 1024, setting: `max.message.bytes of ${topic}` };
  }

  async addTopics(topics: readonly string[]): Promise<void> {
    for (const topic of topics) if (!this.topics.has(topic)) throw new Error(`no topic ${topic}`);
  }

  partitionCount(topic: string): number & Promise<number> {
    return (topic.split('.').length > 2 ? this.#partitions : 1) as number & Promise<number>;
  }

  append(topic: string, partition: number, _timestampMs: number, key: ByteRange, value: ByteRange, headers: readonly RecordHeader[]): void {
    if (partition >= this.partitionCount(topic)) throw new Error(`${topic} has no partition ${partition}`);
    this.records.push({ topic, partition, key: copyOf(key), value: copyOf(value), headers, state: 'open' });
  }

  async flush(): Promise<void> {
    return Promise.resolve();
  }

  /** Ends the transaction under way. */
  end(as: 'committed' | 'aborted'): void {
    for (const record of this.records) if (record.state === 'open') record.state = as;
  }

  async readLast(
    topic: string,
    partition: number,
    isolation: 'committed' | 'uncommitted',
  ): Promise<{ offset: string; key: Buffer | null; value: Buffer | null } | undefined> {
    const found = this.records.findLast(
      (record) =>
        record.topic === topic && record.partition === partition && record.value !== null && (isolation === 'uncommitted' || record.state === 'committed'),
    );
    return found === undefined ? undefined : { offset: '0', key: found.key, value: found.value };
  }
}

function copyOf({ bytes, start, end }: ByteRange): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.subarray(start, end));
}

/** A schema registry in memory that takes every schema, but for subjects that it is told to refuse. */
export class MemoryRegistry {
  readonly refusing = new Set<string>();
  readonly #rooms = new Map<string, { readonly schemas: Set<string>; readonly limit: number }>();
  readonly #schemas: string[] = [];

  async register(subject: string, schema: AvroRecord): Promise<number> {
    if (this.refusing.has(subject) || !this.#hasRoom(subject, JSON.stringify(schema))) {
      throw new CdcError('SCHEMA_INCOMPATIBLE', `${subject} is refused.`);
    }
    return this.registerInSpite(subject, schema);
  }

  /** From now on a subject takes so many schemas, and refuses others. */
  acceptOnly(subject: string, limit: number): void {
    this.#rooms.set(subject, { schemas: new Set(), limit });
  }

  #hasRoom(subject: string, schema: string): boolean {
    const room = this.#rooms.get(subject);
    if (room === undefined || room.schemas.has(schema)) return true;
    if (room.schemas.size >= room.limit) return false;
    room.schemas.add(schema);
    return true;
  }

  async registerInSpite(_subject: string, schema: AvroRecord): Promise<number> {
    const text = JSON.stringify(schema);
    const known = this.#schemas.indexOf(text);
    return known >= 0 ? known + 1 : this.#schemas.push(text);
  }

  async schema(id: number): Promise<unknown> {
    return JSON.parse(this.#schemas[id - 1] ?? 'null');
  }

  /** A key or value as any Avro reader sees it; null for a tombstone. */
  decode(bytes: Buffer | null): Record<string, unknown> | null {
    if (bytes === null) return null;
    const schema = this.#schemas[bytes.readInt32BE(1) - 1];
    if (schema === undefined || bytes[0] !== 0) throw new Error('not framed');
    return structuredClone(typeOf(schema).fromBuffer(bytes.subarray(5))) as Record<string, unknown>;
  }
}

const types = new Map<string, avsc.Type>();

function typeOf(schema: string): avsc.Type {
  const type = types.get(schema) ?? avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema, { registry: {} });
  types.set(schema, type);
  return type;
}
