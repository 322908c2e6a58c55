import type { CommonSettings } from '../shared/config/common-options.ts';
import { CdcError, isCdcError } from '../shared/errors/cdc-error.ts';
import type { Logger } from '../shared/observe/log.ts';
import { pause } from '../shared/process/run-process.ts';
import type { RowRecord, TruncateRecord } from '../shared/record/record.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { Registry } from './avro/registry.ts';
import { parseTableSchema } from './avro/table-schemas.ts';
import { schemaIdOf, WIRE_HEADER_BYTES } from './avro/wire-format.ts';
import { EnvelopeDecoder } from './envelope-decoder.ts';
import { type KafkaConfig, kafkaConfig } from './kafka/connection.ts';
import type { FetchedRecord } from './kafka/fast-fetch.ts';
import { type CommittedOffset, type FetchedRecords, GroupConsumer } from './kafka/group-consumer.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import { isControlTopic } from './names.ts';

/** How often new topics of a prefix are looked for. */
const DISCOVERY_INTERVAL_MS = 5000;

/** One record of a table topic, with where it came from. */
export interface Delivered {
  readonly record: RowRecord | TruncateRecord;
  readonly partition: number;
  /** The record as Kafka has it: offset, key and value. */
  readonly origin: FetchedRecord;
}

export interface Delivery {
  readonly topic: string;
  readonly partition: number;
  /** Records in order; tombstones are left out. */
  readonly records: readonly Delivered[];
  readonly bytes: number;
  /** What to commit once these records, and all before them, are durable. */
  readonly nextOffset: bigint;
  readonly lag: number;
}

export interface SubscriberHandlers {
  /** A promise holds further deliveries back. */
  deliver(delivery: Delivery): Promise<void> | undefined;
  /** Topics whose records cannot be read: the others go on. */
  refuse(topic: string, error: CdcError): void;
  /** Partitions were given out anew: forget what is not committed, it comes again. */
  reassigned(topics: readonly string[]): void;
}

export interface SubscriberOptions {
  readonly settings: CommonSettings;
  readonly groupId: string;
  /** Topic names, or prefixes that end with `*`. */
  readonly patterns: readonly string[];
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly handlers: SubscriberHandlers;
}

/**
 * Reads table topics as a member of a consumer group, and decodes each record with the schema that it was written
 * with. New topics of a prefix join by themselves; control topics are left out.
 */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #config: KafkaConfig;
  readonly #registry: Registry;
  readonly #admin: TopicAdmin;
  readonly #consumer: GroupConsumer;
  readonly #decoders = new Map<number, EnvelopeDecoder>();
  readonly #schemas = new Map<string, TableSchema>();
  readonly #refused = new Set<string>();
  #lastId = -1;
  #lastDecoder: EnvelopeDecoder | undefined;
  readonly #closed = new AbortController();
  #following: Promise<void> | undefined;
  #topics: readonly string[] = [];

  constructor(options: SubscriberOptions) {
    this.#options = options;
    this.#config = kafkaConfig(options.settings, options.groupId, options.log);
    this.#registry = new Registry(options.settings);
    this.#admin = new TopicAdmin(this.#config);
    this.#consumer = new GroupConsumer(this.#config, options.groupId, {
      onRecords: (fetched) => this.#receive(fetched),
      onAssigned: (topics) => options.handlers.reassigned(topics),
    });
  }

  /** Reads until the signal; rejects with what ended it before. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    await this.#admin.connect();
    await this.#registry.ping();
    await this.#consumer.connect();
    this.#following = this.#follow();
    await Promise.race([this.#following, this.#consumer.failed]);
    if (!signal.aborted) throw new CdcError('KAFKA_UNAVAILABLE', 'Reading the topics ended.');
  }

  get topics(): readonly string[] {
    return this.#topics;
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    await this.#consumer.commit(offsets);
  }

  hold(topic: string): void {
    this.#consumer.pause(topic);
  }

  release(topic: string): void {
    if (!this.#refused.has(topic)) this.#consumer.resume(topic);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#consumer.close();
    // A look for topics that was under way may have joined the group once more.
    await this.#following?.catch(() => undefined);
    await Promise.all([this.#consumer.close(), this.#admin.close()]);
  }

  /** Looks for topics, and reads them. */
  async #follow(): Promise<void> {
    const { log, patterns } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, this.#closed.signal]);
    let isWaiting = false;
    while (!signal.aborted) {
      const found = await this.#findTopics();
      if (signal.aborted) return;
      const fresh = found.filter((topic) => !this.#topics.includes(topic));
      if (fresh.length > 0) await this.#read(found, fresh);
      else if (found.length === 0 && !isWaiting) {
        isWaiting = true;
        log.info({ topics: patterns }, 'no such topic yet; waiting for it');
      }
      await pause(found.length === 0 ? 1000 : DISCOVERY_INTERVAL_MS, signal);
    }
  }

  async #read(found: readonly string[], fresh: readonly string[]): Promise<void> {
    if (this.#topics.length > 0) await this.#consumer.pauseReading();
    this.#topics = found;
    this.#options.log.info({ topics: fresh }, 'reading topics');
    await this.#consumer.read(fresh);
  }

  async #findTopics(): Promise<readonly string[]> {
    const topics = await this.#admin.list();
    return topics.filter((topic) => isWanted(topic, this.#options.patterns)).toSorted();
  }

  #receive(fetched: FetchedRecords): Promise<void> | undefined {
    if (this.#refused.has(fetched.topic)) return undefined;
    const missing = this.#missingSchemas(fetched);
    if (missing.length === 0) return this.#deliver(fetched);
    return this.#learn(missing, fetched.topic).then(() => (this.#refused.has(fetched.topic) ? undefined : this.#deliver(fetched)));
  }

  #missingSchemas({ messages, topic }: FetchedRecords): readonly number[] {
    const missing = new Set<number>();
    let last = -1;
    for (const { bytes, valueStart, valueEnd } of messages) {
      // What is not framed is refused where it is decoded.
      if (valueEnd - valueStart < WIRE_HEADER_BYTES || bytes[valueStart] !== 0) continue;
      const id = schemaIdOf(bytes, topic, valueStart);
      if (id === last) continue;
      last = id;
      if (!this.#decoders.has(id)) missing.add(id);
    }
    return [...missing];
  }

  async #learn(ids: readonly number[], topic: string): Promise<void> {
    for (const id of ids) {
      try {
        const schema = await this.#registry.schema(id);
        this.#decoders.set(id, new EnvelopeDecoder(this.#intern(parseTableSchema(schema, topic)), topic));
      } catch (error) {
        return this.#refuse(topic, error);
      }
    }
  }

  /** One object a schema, so that tables can be told apart by reference. */
  #intern(table: TableSchema): TableSchema {
    const known = this.#schemas.get(table.fingerprint) ?? table;
    this.#schemas.set(table.fingerprint, known);
    return known;
  }

  #deliver({ topic, partition, messages, nextOffset, lag }: FetchedRecords): Promise<void> | undefined {
    const records: Delivered[] = [];
    let bytes = 0;
    try {
      for (const message of messages) {
        if (message.valueEnd < message.valueStart) continue;
        records.push({ record: this.#decode(topic, message), partition, origin: message });
        bytes += message.valueEnd - message.valueStart;
      }
    } catch (error) {
      return this.#refuse(topic, error);
    }
    return this.#options.handlers.deliver({ topic, partition, records, bytes, nextOffset, lag });
  }

  #decode(topic: string, { bytes, valueStart, valueEnd }: FetchedRecord): RowRecord | TruncateRecord {
    if (valueEnd - valueStart < WIRE_HEADER_BYTES)
      throw new CdcError('PARSE_FAILED', `A record of ${topic} is not in Confluent's wire format.`, { context: { topic } });
    const id = schemaIdOf(bytes, topic, valueStart);
    if (id !== this.#lastId) {
      this.#lastDecoder = this.#decoders.get(id);
      this.#lastId = id;
    }
    if (this.#lastDecoder === undefined) throw new CdcError('SCHEMA_INCOMPATIBLE', `A record of ${topic} has no readable schema.`, { context: { topic } });
    return this.#lastDecoder.decode(bytes, valueStart + WIRE_HEADER_BYTES, valueEnd);
  }

  #refuse(topic: string, error: unknown): undefined {
    if (!isCdcError(error, 'PARSE_FAILED', 'SCHEMA_INCOMPATIBLE')) throw error;
    this.#refused.add(topic);
    this.#consumer.pause(topic);
    this.#options.handlers.refuse(topic, error);
    return undefined;
  }
}

function isWanted(topic: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (!pattern.endsWith('*')) return topic === pattern;
    return topic.startsWith(pattern.slice(0, -1)) && !isControlTopic(topic) && !topic.endsWith('.dead-letters');
  });
}
