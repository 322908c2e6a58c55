import type { CommonSettings } from '../shared/config/common-options.ts';
import { CdcError, isCdcError } from '../shared/errors/cdc-error.ts';
import type { Logger } from '../shared/observe/log.ts';
import { pause } from '../shared/process/run-process.ts';
import { ChangePacker, type PackedChanges } from '../shared/record/packed-changes.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { Registry } from './avro/registry.ts';
import { parseTableSchema } from './avro/table-schemas.ts';
import { schemaIdOf, WIRE_HEADER_BYTES } from './avro/wire-format.ts';
import { EnvelopeDecoder } from './envelope-decoder.ts';
import { type KafkaConfig, kafkaConfig } from './kafka/connection.ts';
import { FetchedRecord, type PackedRecords, RECORD_PLACES, RecordPicker, type RecordRun, VALUE_START } from './kafka/fetched-record.ts';
import { type FetchedRecords, GroupConsumer } from './kafka/group-consumer.ts';
import type { AssignedPartition, PartitionOffset, StoredOffset } from './kafka/group-offsets.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import { isControlTopic } from './names.ts';

export type { AssignedPartition, PartitionOffset, StoredOffset } from './kafka/group-offsets.ts';

/** How often new topics of a prefix are looked for, and the ends of those that we read. */
const LOOK_INTERVAL_MS = 5000;
const FIRST_LOOK_INTERVAL_MS = 1000;

export interface Delivery {
  readonly topic: string;
  readonly partition: number;
  /** In order; tombstones are left out. */
  readonly records: PackedChanges;
  /** The same records as Kafka has them: offset, key and value. */
  readonly origins: PackedRecords;
  readonly bytes: number;
  /** What to commit once these records, and all before them, are durable. */
  readonly nextOffset: bigint;
  readonly lag: number;
  /** To be called by those who will never look at these records and origins again: their memory is then used for others. */
  readonly release?: (() => void) | undefined;
}

export interface SubscriberHandlers {
  /** A promise holds further deliveries back. */
  deliver(delivery: Delivery): Promise<void> | undefined;
  /** A topic whose record cannot be read, after the delivery of those before it: the others go on. */
  refuse(topic: string, error: CdcError, refused: RefusedRecord): void;
  /** Partitions are about to be given out anew: the last moment to commit. */
  leaving?(): Promise<void>;
  /** Offsets that the target has stored with its rows. */
  storedOffsets?(topics: readonly string[]): Promise<readonly StoredOffset[]>;
  /** Of topics whose offsets in the group were set by hand, which then count. */
  forgetStored?(topics: readonly string[]): Promise<void>;
  /** Partitions were given out anew: forget what is not committed, it comes again. */
  reassigned(partitions: readonly AssignedPartition[]): void;
  /** Where partitions that are assigned to us end now. */
  ends?(ends: readonly PartitionOffset[]): void;
}

/** A record as Kafka has it. */
export interface RefusedRecord {
  readonly partition: number;
  readonly origin: FetchedRecord;
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
  /** Records that operators chose to go on without, by topic, as `partition/offset`. */
  readonly #skipped = new Map<string, Set<string>>();
  /** Why there is no decoder for schemas of the records in hand, which were just asked for. */
  readonly #unreadable = new Map<number, CdcError>();
  #lastId = -1;
  #lastDecoder: EnvelopeDecoder | undefined;
  readonly #closed = new AbortController();
  #following: Promise<void> | undefined;

  constructor(options: SubscriberOptions) {
    this.#options = options;
    this.#config = kafkaConfig(options.settings, options.groupId, options.log);
    this.#registry = new Registry(options.settings);
    this.#admin = new TopicAdmin(this.#config);
    this.#consumer = new GroupConsumer(this.#config, options.groupId, {
      onRecords: (fetched) => this.#receive(fetched),
      findTopics: async () => this.#findTopics(),
      onLeaving: async () => options.handlers.leaving?.(),
      storedOffsets: async (topics) => options.handlers.storedOffsets?.(topics) ?? [],
      forgetStored: async (topics) => options.handlers.forgetStored?.(topics),
      onAssigned: (partitions) => this.#assigned(partitions),
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
    return this.#consumer.topics;
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    await this.#consumer.commit(offsets);
  }

  hold(topic: string): void {
    this.#consumer.pause(topic);
  }

  release(topic: string): void {
    if (!this.#refused.has(topic)) this.#consumer.resume(topic);
  }

  /** Reads a topic again from these offsets, also one that was refused: with its schemas as the registry has them now. */
  restart(topic: string, offsets: readonly PartitionOffset[]): void {
    this.#refused.delete(topic);
    this.#lastId = -1;
    this.#consumer.seek(offsets);
    this.#consumer.resume(topic);
  }

  /** From now on leaves out one record, wherever it comes again. */
  skip(topic: string, { partition, origin }: RefusedRecord): void {
    const skipped = this.#skipped.get(topic) ?? new Set();
    this.#skipped.set(topic, skipped.add(placeOf(partition, origin)));
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#consumer.close();
    // A look for topics that was under way may have joined the group once more.
    await this.#following?.catch(() => undefined);
    await Promise.all([this.#consumer.close(), this.#admin.close()]);
  }

  /** Looks for topics and reads them; joins anew, together with the other members, when there are others. */
  async #follow(): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#closed.signal]);
    await this.#firstTopics(signal);
    while (!signal.aborted) {
      await pause(LOOK_INTERVAL_MS, signal);
      if (signal.aborted) return;
      const found = await this.#findTopics();
      if (!isSame(found, this.topics) || (await this.#consumer.hasRecreatedTopic())) this.#consumer.rejoin();
      else this.#options.handlers.ends?.(await this.#consumer.ends());
    }
  }

  async #firstTopics(signal: AbortSignal): Promise<void> {
    const { log, patterns } = this.#options;
    for (let isWaiting = false; !signal.aborted; isWaiting = true) {
      const found = await this.#findTopics();
      if (signal.aborted) return;
      if (found.length > 0) return this.#consumer.read(found);
      if (!isWaiting) log.info({ topics: patterns }, 'no such topic yet; waiting for it');
      await pause(FIRST_LOOK_INTERVAL_MS, signal);
    }
  }

  #assigned(partitions: readonly AssignedPartition[]): void {
    const { log, handlers } = this.#options;
    for (const { topic, partition, why, low } of partitions) {
      if (why === 'recreated')
        log.warn(
          { topic, partition },
          'the topic was deleted and made again: it is read from its beginning; what the old one still had is missing, compare with verify',
        );
      else if (why === 'beginning' && low > 0n)
        log.warn(
          { topic, partition, from: String(low) },
          'retention has removed what the topic began with, and this sink never had it: take a new snapshot of the table',
        );
    }
    handlers.reassigned(partitions);
  }

  async #findTopics(): Promise<readonly string[]> {
    const topics = await this.#admin.list();
    return topics.filter((topic) => isWanted(topic, this.#options.patterns)).toSorted();
  }

  #receive(fetched: FetchedRecords): Promise<void> | undefined {
    if (this.#refused.has(fetched.topic)) return undefined;
    const unpacked = this.#unpack(fetched);
    if (unpacked !== undefined) return this.#deliver(fetched, unpacked);
    return this.#learn(this.#missingSchemas(fetched), fetched.topic).then(() => {
      const readable = this.#unpack(fetched);
      this.#unreadable.clear();
      if (readable === undefined) throw new CdcError('INVARIANT_BROKEN', `A schema of ${fetched.topic} was asked for and is still unknown.`);
      return this.#deliver(fetched, readable);
    });
  }

  #missingSchemas({ messages, topic }: FetchedRecords): readonly number[] {
    const missing = new Set<number>();
    let last = -1;
    for (const { bytes, places, from, end } of messages.runs) {
      for (let at = from * RECORD_PLACES + VALUE_START; at < end * RECORD_PLACES; at += RECORD_PLACES) {
        const start = places[at] as number;
        // What is not framed is refused where it is decoded.
        if ((places[at + 1] as number) - start < WIRE_HEADER_BYTES || bytes[start] !== 0) continue;
        const id = schemaIdOf(bytes, topic, start);
        if (id === last) continue;
        last = id;
        if (!this.#decoders.has(id)) missing.add(id);
      }
    }
    return [...missing];
  }

  /** What cannot be learned is refused where a record needs it. */
  async #learn(ids: readonly number[], topic: string): Promise<void> {
    this.#lastId = -1;
    for (const id of ids) {
      try {
        const schema = await this.#registry.schema(id);
        this.#decoders.set(id, new EnvelopeDecoder(this.#intern(parseTableSchema(schema, topic)), topic));
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        this.#unreadable.set(id, error);
      }
    }
  }

  /** One object a schema, so that tables can be told apart by reference. */
  #intern(table: TableSchema): TableSchema {
    const known = this.#schemas.get(table.fingerprint) ?? table;
    this.#schemas.set(table.fingerprint, known);
    return known;
  }

  #deliver({ topic, partition, messages, nextOffset, lag }: FetchedRecords, unpacked: Unpacked): Promise<void> | undefined {
    const { handlers } = this.#options;
    const { records, origins, bytes, refused } = unpacked;
    if (refused === undefined) return handlers.deliver({ topic, partition, records, origins, bytes, nextOffset, lag, release: messages.release });
    // The refused one lies in the same memory, and may be asked for long after the others are written.
    const { error, origin } = refused;
    if (records.length > 0) void handlers.deliver({ topic, partition, records, origins, bytes, nextOffset: BigInt(origin.offsetNumber), lag });
    return this.#refuse(topic, error, { partition, origin });
  }

  /** The changes up to the first record that cannot be read, if there is one; undefined where a schema has to be learned first. */
  #unpack({ topic, partition, messages }: FetchedRecords): Unpacked | undefined {
    const packer = new ChangePacker(messages.length);
    const picker = new RecordPicker(messages.length);
    const skipped = this.#skipped.get(topic);
    let bytes = 0;
    for (const run of messages.runs) {
      for (let place = run.from; place < run.end; place++) {
        const at = place * RECORD_PLACES + VALUE_START;
        const length = (run.places[at + 1] as number) - (run.places[at] as number);
        if (length < 0 || (skipped !== undefined && skipped.has(placeOf(partition, new FetchedRecord(run, place))))) continue;
        try {
          if (!this.#decode(topic, run, at, packer)) return undefined;
        } catch (error) {
          return { records: packer.finish(), origins: picker.finish(), bytes, refused: { error, origin: new FetchedRecord(run, place) } };
        }
        picker.add(run, place);
        bytes += length;
      }
    }
    return { records: packer.finish(), origins: picker.finish(), bytes, refused: undefined };
  }

  /** False where nobody has asked for the record's schema yet. */
  #decode(topic: string, { bytes, places }: RecordRun, at: number, packer: ChangePacker): boolean {
    const start = places[at] as number;
    const end = places[at + 1] as number;
    if (end - start < WIRE_HEADER_BYTES) throw new CdcError('PARSE_FAILED', `A record of ${topic} is not in Confluent's wire format.`, { context: { topic } });
    const id = schemaIdOf(bytes, topic, start);
    if (id !== this.#lastId) {
      this.#lastDecoder = this.#decoders.get(id);
      this.#lastId = id;
    }
    const unreadable = this.#lastDecoder === undefined ? this.#unreadable.get(id) : undefined;
    if (unreadable !== undefined) throw unreadable;
    this.#lastDecoder?.decodeInto(packer, bytes, start + WIRE_HEADER_BYTES, end);
    return this.#lastDecoder !== undefined;
  }

  #refuse(topic: string, error: unknown, refused: RefusedRecord): undefined {
    if (!isUnreadable(error)) throw error;
    this.#refused.add(topic);
    this.#consumer.pause(topic);
    this.#options.handlers.refuse(topic, error, refused);
    return undefined;
  }
}

/** What was fetched of a partition, as changes. */
interface Unpacked extends Pick<Delivery, 'records' | 'origins' | 'bytes'> {
  readonly refused: { readonly error: unknown; readonly origin: FetchedRecord } | undefined;
}

function isUnreadable(error: unknown): error is CdcError {
  return isCdcError(error, 'PARSE_FAILED', 'SCHEMA_INCOMPATIBLE');
}

function placeOf(partition: number, { offset }: FetchedRecord): string {
  return `${partition}/${offset}`;
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((topic, index) => topic === others[index]);
}

function isWanted(topic: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (!pattern.endsWith('*')) return topic === pattern;
    return topic.startsWith(pattern.slice(0, -1)) && !isControlTopic(topic) && !topic.endsWith('.dead-letters');
  });
}
