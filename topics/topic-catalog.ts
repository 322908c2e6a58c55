import type { CommonSettings } from '../shared/config/common-options.ts';
import type { SourceSettings } from '../shared/config/source-options.ts';
import { CdcError, isCdcError } from '../shared/errors/cdc-error.ts';
import { failAt } from '../shared/process/failpoint.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { controlSchemas, type ControlRecords, plainCodec } from './avro/control-schemas.ts';
import type { Registry } from './avro/registry.ts';
import type { AvroRecord } from './avro/types.ts';
import { buildEnvelopeSchema, buildKeySchema } from './avro/table-schemas.ts';
import { buildTruncateKeySchema, TRUNCATE_KEY } from './avro/truncate-key.ts';
import { frame } from './avro/wire-format.ts';
import { ABSENT, type ByteRange, rangeOf } from './kafka/record-batch.ts';
import type { BatchLimit, TopicAdmin, TopicDefinition } from './kafka/topic-admin.ts';
import type { RecordAppender } from './kafka/transactional-producer.ts';
import { assertDistinctTopics, controlTopic, tableTopic } from './names.ts';
import type { PublishedTails } from './published-tails.ts';
import { TablePublisher } from './table-publisher.ts';

/** Tables whose schemas are registered side by side. */
const REGISTER_AT_ONCE = 16;
const MAX_RECORD_BYTES = 20 * 1024 * 1024;
/** A compacted topic keeps every record for as long as Kafka keeps those of others by default: sinks need each delete, not only its tombstone. */
const WHOLE_FOR_MS = 7 * 24 * 3600 * 1000;
/**
 * A broker's index of a topic has an entry for so many bytes. The first one is dear, since two files get their first page;
 * with Kafka's 4 KiB it comes right at the start, of thousands of tables at once.
 */
const INDEX_INTERVAL_BYTES = 64 * 1024;
/** The signals are written by others; their schema is registered, so that they find it. */
const OPENED_CONTROL_TOPICS = ['transaction', 'heartbeat', 'schema-changes', 'signals', 'positions'] as const;

export type ControlKind = keyof ControlRecords;

interface ControlWriter {
  readonly topic: string;
  key(record: unknown): Buffer;
  value(record: unknown): Buffer;
}

export interface CatalogOptions {
  readonly settings: CommonSettings & SourceSettings;
  readonly connector: string;
  readonly version: string;
  readonly nextVersion: () => number;
  readonly tails: PublishedTails;
}

export interface CatalogParts {
  readonly admin: Pick<TopicAdmin, 'createMissing' | 'batchLimit'>;
  readonly registry: Pick<Registry, 'register' | 'registerInSpite'>;
  readonly producer: RecordAppender;
}

/** The topics of one source: creates them, registers their schemas, and knows how to write to each. */
export class TopicCatalog {
  readonly #options: CatalogOptions;
  readonly #name: string;
  readonly #admin: CatalogParts['admin'];
  readonly #registry: CatalogParts['registry'];
  readonly #producer: RecordAppender;
  readonly #tables = new Map<TableSchema, TablePublisher>();
  readonly #current = new Map<string, TableSchema>();
  /** Schemas that the registry has refused, and what it said. */
  readonly #refused = new Map<TableSchema, CdcError>();
  readonly #limits = new Map<string, Promise<BatchLimit | undefined>>();
  /** Topics that are there, and that the producer knows. */
  readonly #opened = new Set<string>();
  /** Tables of which no record has come yet. */
  readonly #expected = new Set<TableSchema>();
  readonly #control = new Map<ControlKind, ControlWriter>();

  constructor(options: CatalogOptions, parts: CatalogParts) {
    this.#options = options;
    this.#name = options.settings.SOURCE_NAME;
    this.#admin = parts.admin;
    this.#registry = parts.registry;
    this.#producer = parts.producer;
  }

  async addControlTopics(): Promise<void> {
    await this.#admin.createMissing(this.#controlTopics());
    for (const kind of OPENED_CONTROL_TOPICS) await this.#openControl(kind);
    await this.#producer.addTopics(OPENED_CONTROL_TOPICS.map((kind) => controlTopic(this.#name, kind)));
  }

  /**
   * Creates topics and registers schemas of tables; called again with a new schema for a table that has changed.
   * A schema that the registry refuses is no error before a record of it comes: see `publisherOf`.
   */
  async addTables(tables: readonly TableSchema[]): Promise<void> {
    const fresh = tables.filter((table) => !this.#tables.has(table) && !this.#refused.has(table));
    await this.#openTopics(fresh);
    for (let first = 0; first < fresh.length; first += REGISTER_AT_ONCE) {
      await Promise.all(fresh.slice(first, first + REGISTER_AT_ONCE).map((table) => this.#addTable(table)));
    }
  }

  /**
   * The same, but registers each schema only when the first record of it comes, or with `addExpected`. The database may be
   * ahead of its log: a schema that is registered before an older one would make the registry refuse the older one.
   */
  async expectTables(tables: readonly TableSchema[]): Promise<void> {
    await this.#openTopics(tables);
    for (const table of tables) {
      this.#current.set(table.qualifiedName, table);
      this.#expected.add(table);
    }
  }

  /** Registers what no record has come of, now that no older schema can come any more. */
  async addExpected(): Promise<void> {
    const still = [...this.#expected].filter((table) => this.#current.get(table.qualifiedName) === table);
    this.#expected.clear();
    await this.addTables(still);
  }

  /** Whether any table waits for its first record. */
  get hasExpected(): boolean {
    return this.#expected.size > 0;
  }

  isExpected(table: TableSchema): boolean {
    return this.#expected.has(table);
  }

  async #openTopics(tables: readonly TableSchema[]): Promise<void> {
    const missing = tables.filter((table) => !this.#opened.has(tableTopic(this.#name, table)));
    if (missing.length === 0) return;
    assertDistinctTopics(this.#name, [...this.#current.values(), ...missing]);
    const topics = missing.map((table) => this.#tableTopic(table));
    await this.#admin.createMissing(topics);
    await this.#producer.addTopics(topics.map(({ topic }) => topic));
    for (const { topic } of topics) this.#opened.add(topic);
  }

  /** Whether a table is known, and with another schema than this. */
  hasChanged(table: TableSchema): boolean {
    const current = this.#current.get(table.qualifiedName);
    return current !== undefined && current.fingerprint !== table.fingerprint;
  }

  /** Throws `SCHEMA_INCOMPATIBLE` where the registry has refused the schema. */
  publisherOf(table: TableSchema): TablePublisher {
    const publisher = this.#tables.get(table);
    if (publisher !== undefined) return publisher;
    throw this.#refused.get(table) ?? new CdcError('INVARIANT_BROKEN', `A record of ${table.qualifiedName} came before its schema.`);
  }

  /** What the broker takes in one batch of the table's topic; undefined where it does not tell. Asked once. */
  async batchLimit(table: TableSchema): Promise<BatchLimit | undefined> {
    const topic = tableTopic(this.#name, table);
    let limit = this.#limits.get(topic);
    if (limit === undefined) {
      limit = this.#admin.batchLimit(topic);
      this.#limits.set(topic, limit);
    }
    return limit;
  }

  control(kind: ControlKind): ControlWriter {
    const writer = this.#control.get(kind);
    if (writer === undefined) throw new CdcError('INVARIANT_BROKEN', `The ${kind} topic is not open.`);
    return writer;
  }

  async #openControl(kind: ControlKind): Promise<void> {
    const topic = controlTopic(this.#name, kind);
    const schemas = controlSchemas(topic, kind);
    const keyId = await this.#registry.register(`${topic}-key`, schemas.key);
    const valueId = await this.#registry.register(`${topic}-value`, schemas.value);
    const [keys, values] = [plainCodec<unknown>(schemas.key), plainCodec<unknown>(schemas.value)];
    this.#control.set(kind, { topic, key: (key) => frame(keyId, keys.encode(key)), value: (value) => frame(valueId, values.encode(value)) });
  }

  async #addTable(table: TableSchema): Promise<void> {
    const { settings, connector, version, nextVersion, tails } = this.#options;
    const topic = tableTopic(this.#name, table);
    this.#current.set(table.qualifiedName, table);
    this.#expected.delete(table);
    let [keySchemaId, valueSchemaId] = [0, 0];
    try {
      if (table.key.length > 0) keySchemaId = await this.#register(`${topic}-key`, buildKeySchema(table, topic));
      failAt('after-key-before-value-schema');
      valueSchemaId = await this.#register(`${topic}-value`, buildEnvelopeSchema(table, topic));
    } catch (error) {
      if (!isCdcError(error, 'SCHEMA_INCOMPATIBLE')) throw error;
      return void this.#refused.set(table, error);
    }
    const publisher = new TablePublisher(
      {
        table,
        topic,
        keySchemaId,
        valueSchemaId,
        connector,
        version,
        nextVersion,
        sourceName: this.#name,
        partitions: this.#producer.partitionCount(topic),
        tombstones: settings.TOMBSTONES,
        truncateKey: await this.#truncateKey(table, topic),
        tails,
      },
      this.#producer,
    );
    this.#tables.set(table, publisher);
  }

  async #register(subject: string, schema: AvroRecord): Promise<number> {
    try {
      return await this.#registry.register(subject, schema);
    } catch (error) {
      if (this.#options.settings.ON_INCOMPATIBLE_SCHEMA === 'stop-table' || !isCdcError(error, 'SCHEMA_INCOMPATIBLE')) throw error;
      return this.#registry.registerInSpite(subject, schema);
    }
  }

  /** Compacted topics take no record without a key. */
  async #truncateKey(table: TableSchema, topic: string): Promise<ByteRange> {
    if (!this.#isCompacted(table)) return ABSENT;
    const schema = buildTruncateKeySchema(topic);
    return rangeOf(frame(await this.#registry.register(`${topic}-truncate-key`, schema), plainCodec<unknown>(schema).encode(TRUNCATE_KEY)));
  }

  #isCompacted(table: TableSchema): boolean {
    return this.#options.settings.TOPIC_CLEANUP_POLICY === 'compact' && table.key.length > 0;
  }

  #controlTopics(): TopicDefinition[] {
    const replication = this.#options.settings.TOPIC_REPLICATION;
    const configs = {
      transaction: {},
      'schema-changes': { 'retention.ms': '-1' },
      heartbeat: {},
      signals: {},
      // Has the snapshot of every table: more than a broker takes by default, of ten thousand.
      positions: { 'cleanup.policy': 'compact', 'max.message.bytes': String(MAX_RECORD_BYTES) },
    } as const;
    return Object.entries(configs).map(([kind, config]) => ({
      topic: controlTopic(this.#name, kind as keyof typeof configs),
      partitions: 1,
      replication,
      config,
    }));
  }

  #tableTopic(table: TableSchema): TopicDefinition {
    const { TOPIC_PARTITIONS, TOPIC_REPLICATION } = this.#options.settings;
    const cleanup = this.#isCompacted(table) ? { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': String(WHOLE_FOR_MS) } : { 'cleanup.policy': 'delete' };
    const config = { ...cleanup, 'max.message.bytes': String(MAX_RECORD_BYTES), 'index.interval.bytes': String(INDEX_INTERVAL_BYTES) };
    return { topic: tableTopic(this.#name, table), partitions: TOPIC_PARTITIONS, replication: TOPIC_REPLICATION, config };
  }
}
