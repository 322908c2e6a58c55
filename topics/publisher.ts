import { randomUUID } from 'node:crypto';
import type { CommonSettings } from '../shared/config/common-options.ts';
import type { SourceSettings } from '../shared/config/source-options.ts';
import type { Checkpoint, RecordBatch, SnapshotProgress } from '../shared/connector/source.ts';
import { carryingOf, type StoppedTables } from '../shared/connector/stopped-table.ts';
import { CdcError, toCdcError } from '../shared/errors/cdc-error.ts';
import type { Logger } from '../shared/observe/log.ts';
import { failAt } from '../shared/process/failpoint.ts';
import type { SourcePosition } from '../shared/record/position.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { Registry } from './avro/registry.ts';
import { type KafkaConfig, kafkaConfig } from './kafka/connection.ts';
import { LogReader } from './kafka/log-reader.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import { type ProducerOptions, TransactionalProducer } from './kafka/transactional-producer.ts';
import { controlTopic, tableTopic } from './names.ts';
import { readPositions, type StoredPosition } from './positions.ts';
import { PublishedTails } from './published-tails.ts';
import { TopicCatalog } from './topic-catalog.ts';
import { TopicWriter } from './topic-writer.ts';

/** What waits for publication before the source is asked to wait. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024;
/** A Kafka transaction takes in no more once it has this many bytes, and so many for each partition: each costs the broker a marker. */
const MAX_TRANSACTION_BYTES = 16 * 1024 * 1024;
const PARTITION_BYTES = 16 * 1024;
/** And no more once it has been open for so long: the broker ends it after `TRANSACTION_TIMEOUT_MS`. */
const FULL_AFTER_MS = 5000;
/** A killed source's open transaction holds readers back no longer than this. */
const TRANSACTION_TIMEOUT_MS = 30_000;

export interface PublisherOptions {
  readonly settings: CommonSettings & SourceSettings;
  /** Debezium's name of the connector, for instance `postgresql`. */
  readonly connector: string;
  /** Version of this product. */
  readonly version: string;
  readonly log: Logger;
  /** Called after each commit with what is now durable. */
  readonly onCommitted: (commit: Commit) => void;
  /** Another end for the records than the broker: for benchmarks. */
  readonly createProducer?: ((options: ProducerOptions) => TransactionalProducer) | undefined;
}

export interface Commit {
  readonly position: SourcePosition | null;
  readonly snapshot: SnapshotProgress | null;
  readonly stopped: StoppedTables;
  /** Records of tables that were stopped here since this process began, by table: they are in no topic. */
  readonly passedOver: Readonly<Record<string, number>>;
  /** Records of all kinds that the source gave. */
  readonly records: number;
  /** Row changes, snapshot reads and changes of schema among them. */
  readonly changes: number;
  readonly bytes: number;
  /** Commit time in the database of the last transaction in it; 0 where none was. */
  readonly committedAtMicros: number;
}

/**
 * Publishes a source's records: exactly once, in order, each batch with the position that it reaches.
 *
 * One Kafka transaction at a time takes what is pending when the previous one is committed: under load transactions
 * grow and the cost of each is shared by many records, in quiet times each change is committed at once. Meanwhile the
 * source goes on filling what is pending, up to a bound in bytes.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #config: KafkaConfig;
  readonly #registry: Registry;
  readonly #admin: TopicAdmin;
  readonly #producer: TransactionalProducer;
  readonly #catalog: TopicCatalog;
  readonly #writer: TopicWriter;
  readonly #tails = new PublishedTails();
  readonly #instance = randomUUID();
  readonly #pending: RecordBatch[] = [];
  readonly #failed = Promise.withResolvers<CdcError>();
  #pendingBytes = 0;
  #rowVersion = 0;
  /** As the stored position has it; undefined where there was none. */
  #storedVersion: number | undefined;
  #takenAtMicros = 0;
  #isBusy = false;
  #failure: CdcError | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #work: PromiseWithResolvers<void> | undefined;
  #idle: PromiseWithResolvers<void> | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: PublisherOptions) {
    const { settings, log, connector, version } = options;
    const name = settings.SOURCE_NAME;
    this.#options = options;
    this.#config = kafkaConfig(settings, `dbmazz-${name}`, log);
    this.#registry = new Registry(settings);
    this.#admin = new TopicAdmin(this.#config);
    const createProducer = options.createProducer ?? ((producer: ProducerOptions) => new TransactionalProducer(producer));
    this.#producer = createProducer({
      config: this.#config,
      transactionalId: name,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      compression: settings.KAFKA_COMPRESSION,
    });
    this.#catalog = new TopicCatalog(
      { settings, connector, version, nextVersion: () => this.#nextVersion(), tails: this.#tails },
      { admin: this.#admin, registry: this.#registry, producer: this.#producer },
    );
    this.#writer = new TopicWriter(
      {
        sourceName: name,
        instance: this.#instance,
        publishTransactions: settings.PUBLISH_TRANSACTIONS,
        publishTruncate: settings.PUBLISH_TRUNCATE,
        highestVersion: () => this.#rowVersion,
        carrying: carryingOf(settings),
        compression: settings.KAFKA_COMPRESSION,
      },
      this.#catalog,
      this.#producer,
    );
  }

  /**
   * Takes the topics over from any earlier process of this name, and says where it stopped.
   * Errors: those of broker and registry; `POSITION_INVALID`.
   */
  async open(): Promise<Checkpoint> {
    await this.#admin.connect();
    await this.#registry.ping();
    const topics = await this.#ownTopics();
    await this.#producer.init();
    await this.#endUnmarked(topics);
    await this.#catalog.addControlTopics();
    this.#producer.includeAlways(controlTopic(this.#options.settings.SOURCE_NAME, 'positions'), 0);
    this.#writer.resume(await this.#readStored());
    this.#writer.writePosition(Date.now());
    await this.#producer.commit();
    this.#loop = this.#run();
    const { position, snapshot, stopped, log } = this.#writer;
    return { position, snapshot, stopped, log };
  }

  /**
   * Where the topics stand, without taking them over: of use as a hint, since an earlier process may still be writing.
   * Undefined where nothing is stored.
   */
  async peek(): Promise<Checkpoint | undefined> {
    await this.#admin.connect();
    const topics = await this.#admin.list();
    const { SOURCE_NAME: name } = this.#options.settings;
    if (!topics.includes(controlTopic(name, 'positions'))) return undefined;
    return (await this.#withReader((reader) => readPositions(reader, name))).committed;
  }

  /**
   * Creates topics of tables, and looks at what they hold already. Between `open` and the first `publish`. Each schema is
   * registered with its first record, or when the source has come by the state that its tables are in.
   */
  async addTables(tables: readonly TableSchema[]): Promise<void> {
    await this.#catalog.expectTables(tables);
    const topics = tables.map((table) => tableTopic(this.#options.settings.SOURCE_NAME, table));
    await this.#withReader(async (reader) => {
      await reader.addTopics(topics);
      await this.#tails.read({ reader, registry: this.#registry }, topics, this.#storedVersion);
    });
    this.#rowVersion = Math.max(this.#rowVersion, this.#tails.highestVersion);
  }

  /** Takes a batch; a promise is returned when the caller has to wait for room. Rejects with what ended publishing. */
  publish(batch: RecordBatch): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#pending.push(batch);
    this.#pendingBytes += batch.bytes;
    this.#work?.resolve();
    if (this.#pendingBytes < MAX_PENDING_BYTES) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Resolves with the error that ended publishing. */
  get failed(): Promise<CdcError> {
    return this.#failed.promise;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether nothing waits: everything given to `publish` is committed. */
  get isIdle(): boolean {
    return this.#pending.length === 0 && !this.#isBusy;
  }

  /** Resolves when everything given to `publish` is committed; rejects when that failed. */
  async drain(): Promise<void> {
    while (this.#failure === undefined && !this.isIdle) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Closes connections; what is not committed then is aborted by the next `open`. Call `drain` first to keep it. */
  async close(): Promise<void> {
    this.#end(new CdcError('KAFKA_UNAVAILABLE', 'The publisher is closed.'));
    await Promise.all([this.#producer.close(), this.#admin.close()]);
    await this.#loop;
  }

  async #run(): Promise<void> {
    try {
      while (this.#failure === undefined) {
        if (this.#pending.length === 0) await this.#waitForWork();
        else await this.#publishPending();
      }
    } catch (error) {
      const failure = await this.#explain(toCdcError(error));
      this.#end(failure);
      this.#failed.resolve(failure);
    }
  }

  /** The broker answers to what comes after a transaction that it ended for its age as if another source had taken over: the position tells. */
  async #explain(failure: CdcError): Promise<CdcError> {
    const name = this.#options.settings.SOURCE_NAME;
    if (failure.code !== 'FENCED' || !this.#producer.isOverdue) return failure;
    try {
      const { attempted } = await this.#withReader((reader) => readPositions(reader, name));
      if (attempted?.instance !== this.#instance) return failure;
    } catch (error) {
      return toCdcError(error);
    }
    return new CdcError('TIMEOUT', `A transaction of source ${name} was open for so long that the broker ended it.`, {
      cause: failure,
      context: failure.context,
    });
  }

  async #waitForWork(): Promise<void> {
    this.#idle?.resolve();
    this.#idle = undefined;
    this.#work = Promise.withResolvers();
    await this.#work.promise;
    this.#work = undefined;
  }

  /** One Kafka transaction. */
  async #publishPending(): Promise<void> {
    this.#isBusy = true;
    let [records, changes, bytes, committedAtMicros] = [0, 0, 0, 0];
    for (let batch = this.#pending.shift(); batch !== undefined; batch = this.#next(bytes)) {
      this.#takenAtMicros = Date.now() * 1000;
      const written = await this.#writer.write(batch);
      committedAtMicros = written.committedAtMicros || committedAtMicros;
      changes += written.changes;
      records += batch.records.length + (batch.reads?.length ?? 0);
      bytes += batch.bytes;
      this.#release(batch.bytes);
    }
    this.#writer.writePosition(Date.now());
    await this.#producer.commit();
    failAt('after-commit-before-confirm');
    this.#isBusy = false;
    const { position, snapshot, stopped, passedOver } = this.#writer;
    this.#options.onCommitted({ position, snapshot, stopped, passedOver, records, changes, bytes, committedAtMicros });
  }

  /** What else the transaction takes; not what has schemas to be registered, of thousands of tables perhaps, while the broker counts its age. */
  #next(bytes: number): RecordBatch | undefined {
    const [next] = this.#pending;
    if (next === undefined || this.#isFull(bytes)) return undefined;
    return this.#producer.transactionPartitions > 0 && this.#writer.hasToRegister(next) ? undefined : this.#pending.shift();
  }

  #isFull(bytes: number): boolean {
    const { transactionPartitions, openForMs } = this.#producer;
    return bytes >= MAX_TRANSACTION_BYTES + transactionPartitions * PARTITION_BYTES || openForMs > FULL_AFTER_MS;
  }

  #release(bytes: number): void {
    this.#pendingBytes -= bytes;
    if (this.#pendingBytes >= MAX_PENDING_BYTES) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  #end(failure: CdcError): void {
    this.#failure ??= failure;
    this.#room?.promise.catch(() => undefined);
    this.#room?.reject(failure);
    this.#work?.resolve();
    this.#idle?.resolve();
  }

  /**
   * max(previous + 1, microseconds since 1970 when the batch was taken in hand): never repeats, and is below 2^53 until
   * the year 2255.
   */
  #nextVersion(): number {
    this.#rowVersion = Math.max(this.#rowVersion + 1, this.#takenAtMicros);
    return this.#rowVersion;
  }

  /** Those of dropped tables too. */
  async #ownTopics(): Promise<readonly string[]> {
    const prefix = `${this.#options.settings.SOURCE_NAME}.`;
    return (await this.#admin.list()).filter((topic) => topic.startsWith(prefix));
  }

  /** Right behind `init`, since the broker does not know any more how the transaction ended. */
  async #endUnmarked(topics: readonly string[]): Promise<void> {
    const { partitions, outcome } = await this.#producer.endUnmarked(topics);
    if (partitions === 0) return;
    const what = outcome === 'commit' ? 'committed' : 'aborted';
    this.#options.log.warn({ partitions }, `the broker had left a transaction open in ${partitions} partitions: it is ${what} there now`);
  }

  async #readStored(): Promise<StoredPosition | undefined> {
    const { committed, attempted } = await this.#withReader((reader) => readPositions(reader, this.#options.settings.SOURCE_NAME));
    this.#storedVersion = committed?.rowVersion;
    this.#rowVersion = Math.max(committed?.rowVersion ?? 0, attempted?.rowVersion ?? 0);
    return committed;
  }

  async #withReader<T>(use: (reader: LogReader) => Promise<T>): Promise<T> {
    const reader = new LogReader(this.#config);
    try {
      await reader.connect();
      return await use(reader);
    } finally {
      await reader.close();
    }
  }
}
