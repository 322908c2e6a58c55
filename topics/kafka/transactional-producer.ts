import type { KafkaConfig } from 'kafkajs';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { failAt } from '../../shared/process/failpoint.ts';
import type { Compression } from './compression.ts';
import { kafkaErrorType, toKafkaError } from './connection.ts';
import { type Broker, type Cluster, createCluster, type ProducerIdentity, produceResponse, TRANSACTION_COORDINATOR } from './kafkajs-internals.ts';
import { RequestBody, RequestMemory } from './request-bytes.ts';
import { type ByteRange, RecordBatchBuilder, type RecordHeader } from './record-batch.ts';
import { type Outcome, outcomeOf, unmarkedPartitions } from './unmarked-transactions.ts';

const PRODUCE_API_KEY = 0;
const PRODUCE_API_VERSION = 7;
const SEQUENCE_LIMIT = 0x7fffffff;
/** Below the broker's default limit of one batch (1 MiB), with room for the record that crosses it. */
const BATCH_BYTES = 512 * 1024;
/** What is appended is sent once it has so many bytes, or so many for each partition, up to a bound: each batch costs the broker its handling. */
const REQUEST_BYTES = 2 * 1024 * 1024;
const PARTITION_BYTES = 16 * 1024;
const MAX_APPENDED_BYTES = 24 * 1024 * 1024;
/** A broker takes milliseconds over the first records of a partition: an answer for more would come too late. */
const MAX_REQUEST_PARTITIONS = 500;
/** One Produce request: what crosses the bound by a record fits in. What is larger goes out in several. */
const REQUEST_MEMORY = REQUEST_BYTES + 64 * 1024;
/** Of its header and its own fields. */
const REQUEST_ROOM_BYTES = 1024;
/** Of a partition in it, beside the batch and the topic's name. */
const PARTITION_FRAME_BYTES = 14;
/** The broker keeps the order of this many idempotent requests at once; fewer where they are large. */
const MAX_IN_FLIGHT = 4;
const MAX_IN_FLIGHT_BYTES = 16 * 1024 * 1024;
const COORDINATOR_MOVED = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
]);
/** How long the broker may take to finish the previous transaction's markers before we give up. */
const CONCURRENT_LIMIT_MS = 30_000;

export interface ProducerOptions {
  readonly config: KafkaConfig;
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  readonly compression: Compression;
}

/** What those who write records need of it. */
export type RecordAppender = Pick<TransactionalProducer, 'append' | 'needsFlush' | 'flush' | 'addTopics' | 'partitionCount'>;

interface PartitionState {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  readonly batch: RecordBatchBuilder;
  sequence: number;
  isInTransaction: boolean;
}

/**
 * How the transaction before `init` ended, by transactional id, until `endUnmarked` has seen to it: where an attempt fails in
 * between, the next one is told by the coordinator that there was none.
 */
const lastOutcomes = new Map<string, Outcome>();

/**
 * Writes records to Kafka in transactions, one after the other.
 *
 * Promises: `init` fences every earlier producer of the same transactional id and ends its open transaction; records
 * of a transaction become visible to `read_committed` readers, all of them, in the moment after `commit` resolves (the
 * broker then marks each partition), or never. Records of one partition keep the order of `append`. After any rejection the producer is of no further use: close it and make
 * another one; its unfinished transaction is aborted by the next `init`.
 *
 * Errors: `FENCED`, `KAFKA_UNAVAILABLE`, `AUTH_FAILED`, `VALUE_OUT_OF_RANGE` (a record over the topic's limit).
 *
 * kafkajs connects, logs in and finds brokers; the record batches are built here (why: README, "Why it is so").
 */
export class TransactionalProducer {
  readonly #options: ProducerOptions;
  readonly #cluster: Cluster;
  readonly #partitions = new Map<string, PartitionState[]>();
  /** Partitions with records that were not sent yet. */
  readonly #touched: PartitionState[] = [];
  readonly #inTransaction: PartitionState[] = [];
  #coordinator: Broker | undefined;
  #identity: ProducerIdentity = { producerId: '-1', producerEpoch: -1 };
  readonly #inFlight: Promise<void>[] = [];
  readonly #memory = new RequestMemory(REQUEST_MEMORY, MAX_IN_FLIGHT);
  #inFlightBytes = 0;
  /** In every transaction. */
  #companion: PartitionState | undefined;
  #appendedBytes = 0;
  #needsFlush = false;
  #beganAtMs = 0;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#cluster = createCluster(options.config);
  }

  async init(): Promise<void> {
    try {
      await this.#cluster.connect();
      const { transactionalId } = this.#options;
      const outcome = await this.#onCoordinator((broker) => outcomeOf(broker, transactionalId));
      if (outcome !== 'unknown') lastOutcomes.set(transactionalId, outcome);
      this.#identity = await this.#onCoordinator((broker) =>
        broker.initProducerId({ transactionalId, transactionTimeout: this.#options.transactionTimeoutMs }),
      );
    } catch (error) {
      throw toKafkaError(error, 'opening the transactional producer', { transactionalId: this.#options.transactionalId });
    }
  }

  /**
   * Writes what the broker left out: the markers of the transaction before `init`, as it ended, in those partitions of
   * these topics that are still open. To be called after `init` and before the first record. Gives their number and that end.
   */
  async endUnmarked(topics: readonly string[]): Promise<{ readonly partitions: number; readonly outcome: Outcome }> {
    // Where nobody knows, the ends of the partitions tell what is there already (published-tails).
    const outcome = lastOutcomes.get(this.#options.transactionalId) ?? 'abort';
    try {
      const unmarked = topics.length === 0 ? [] : await unmarkedPartitions(this.#cluster, topics, this.#identity.producerId);
      if (unmarked.length > 0) {
        await this.#onCoordinator((broker) => broker.addPartitionsToTxn({ ...this.#request(), topics: unmarked }));
        await this.#onCoordinator((broker) => broker.endTxn({ ...this.#request(), transactionResult: outcome === 'commit' }));
      }
      lastOutcomes.delete(this.#options.transactionalId);
      return { partitions: unmarked.reduce((sum, { partitions }) => sum + partitions.length, 0), outcome };
    } catch (error) {
      throw toKafkaError(error, 'ending the transaction of the process before');
    }
  }

  /** Makes topics known; they exist already. */
  async addTopics(topics: readonly string[]): Promise<void> {
    const missing = topics.filter((topic) => !this.#partitions.has(topic));
    if (missing.length === 0) return;
    try {
      await this.#cluster.addMultipleTargetTopics(missing);
      for (const topic of missing) this.#partitions.set(topic, this.#partitionsOf(topic));
    } catch (error) {
      throw toKafkaError(error, `asking for the partitions of ${missing.length} topics`);
    }
  }

  /** Every transaction will have records for this partition: it is asked for with the first others, not by itself at the end. */
  includeAlways(topic: string, partition: number): void {
    this.#companion = this.#statesOf(topic)[partition];
  }

  /** Partitions of the open transaction. */
  get transactionPartitions(): number {
    return this.#inTransaction.length;
  }

  partitionCount(topic: string): number {
    return this.#statesOf(topic).length;
  }

  /** How long the transaction has been open, in milliseconds; 0 where none is. */
  get openForMs(): number {
    return this.#inTransaction.length === 0 ? 0 : Date.now() - this.#beganAtMs;
  }

  /** Whether the transaction is open for so long that the broker may have ended it; a further request is then `FENCED`, as after a takeover. */
  get isOverdue(): boolean {
    return this.openForMs > this.#options.transactionTimeoutMs;
  }

  /** Bytes appended and not yet sent. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  /**
   * Puts a record into its partition's batch. Nothing is sent until `flush`; call it once `needsFlush` says so.
   */
  append(topic: string, partition: number, timestampMs: number, key: ByteRange, value: ByteRange, headers: readonly RecordHeader[]): void {
    const state = this.#statesOf(topic)[partition];
    if (state === undefined) throw new CdcError('INVARIANT_BROKEN', `Topic ${topic} has no partition ${partition}.`);
    const before = state.batch.byteLength;
    if (state.batch.count === 0) this.#touched.push(state);
    state.batch.append(timestampMs, key, value, headers);
    this.#appendedBytes += state.batch.byteLength - before;
    if (state.batch.byteLength > BATCH_BYTES) this.#needsFlush = true;
  }

  get needsFlush(): boolean {
    return this.#needsFlush || this.#appendedBytes > Math.min(Math.max(this.#touched.length * PARTITION_BYTES, REQUEST_BYTES), MAX_APPENDED_BYTES);
  }

  /**
   * Sends what was appended. It resolves when the bytes are on their way, and no more than a few requests are; so the
   * caller encodes the next ones meanwhile. `commit` waits for all.
   */
  async flush(): Promise<void> {
    if (this.#touched.length === 0) return;
    try {
      await this.#addPartitionsToTransaction();
      for (const { leader, states } of this.#requests()) {
        const body = this.#encode(states);
        this.#track(this.#produce(leader, body), body.length);
        while (this.#inFlight.length >= MAX_IN_FLIGHT || this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES) await this.#inFlight[0];
      }
      this.#forgetAppended();
    } catch (error) {
      throw toKafkaError(error, 'publishing records');
    }
  }

  /** Ends the transaction that the records appended since the last commit belong to; without any, does nothing. */
  async commit(): Promise<void> {
    await this.flush();
    await Promise.all(this.#inFlight).catch((error: unknown) => {
      throw toKafkaError(error, 'publishing records');
    });
    if (this.#inTransaction.length === 0) return;
    failAt('after-produce-before-commit');
    try {
      await this.#onCoordinator((broker) => broker.endTxn({ ...this.#request(), transactionResult: true }));
    } catch (error) {
      throw toKafkaError(error, 'committing a transaction');
    }
    for (const state of this.#inTransaction) state.isInTransaction = false;
    this.#inTransaction.length = 0;
  }

  /** Builds the batches of what was appended, and sends them nowhere: for benchmarks of what comes before. */
  protected dropAppended(): void {
    for (const state of this.#touched) this.#finish(state);
    this.#forgetAppended();
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect().catch(() => undefined);
  }

  #request() {
    return { ...this.#identity, transactionalId: this.#options.transactionalId };
  }

  #statesOf(topic: string): PartitionState[] {
    const states = this.#partitions.get(topic);
    if (states === undefined) throw new CdcError('INVARIANT_BROKEN', `Topic ${topic} was not added to the producer.`);
    return states;
  }

  #partitionsOf(topic: string): PartitionState[] {
    const found = this.#cluster.findTopicPartitionMetadata(topic).toSorted((a, b) => a.partitionId - b.partitionId);
    return found.map(({ partitionId, leader }) => ({
      topic,
      partition: partitionId,
      leader,
      batch: new RecordBatchBuilder(),
      sequence: 0,
      isInTransaction: false,
    }));
  }

  async #addPartitionsToTransaction(): Promise<void> {
    const fresh = this.#touched.filter((state) => !state.isInTransaction);
    if (fresh.length === 0) return;
    if (this.#inTransaction.length === 0) this.#beganAtMs = Date.now();
    if (this.#companion?.isInTransaction === false && !fresh.includes(this.#companion)) fresh.push(this.#companion);
    const byTopic = Map.groupBy(fresh, ({ topic }) => topic);
    const topics = [...byTopic].map(([topic, states]) => ({ topic, partitions: states.map(({ partition }) => partition) }));
    await this.#onCoordinator((broker) => broker.addPartitionsToTxn({ ...this.#request(), topics }));
    for (const state of fresh) {
      state.isInTransaction = true;
      this.#inTransaction.push(state);
    }
  }

  #requests(): readonly { readonly leader: number; readonly states: readonly PartitionState[] }[] {
    return [...Map.groupBy(this.#touched, ({ leader }) => leader)].flatMap(([leader, led]) => inRequests(led).map((states) => ({ leader, states })));
  }

  #track(request: Promise<void>, bytes: number): void {
    this.#inFlight.push(request);
    this.#inFlightBytes += bytes;
    const forget = () => {
      this.#inFlightBytes -= bytes;
      const place = this.#inFlight.indexOf(request);
      if (place >= 0) void this.#inFlight.splice(place, 1);
    };
    // A failed request stays, so that flush or commit finds it.
    request.then(forget, () => undefined);
  }

  #encode(states: readonly PartitionState[]): RequestBody {
    const batches = states.map((state) => ({ state, bytes: this.#finish(state) }));
    const body = new RequestBody(this.#memory.take(sizeOfProduce(this.#options.transactionalId, batches)));
    encodeProduce(body, this.#options.transactionalId, batches);
    for (const state of states) state.sequence = (state.sequence + state.batch.count) % (SEQUENCE_LIMIT + 1);
    return body;
  }

  #forgetAppended(): void {
    for (const state of this.#touched) state.batch.reset();
    this.#touched.length = 0;
    this.#appendedBytes = 0;
    this.#needsFlush = false;
  }

  async #produce(leader: number, body: RequestBody): Promise<void> {
    const broker = await this.#cluster.findBroker({ nodeId: leader });
    const request = { apiKey: PRODUCE_API_KEY, apiVersion: PRODUCE_API_VERSION, apiName: 'Produce', encode: async () => body };
    await broker.connectionPool.send({ request, response: produceResponse });
    this.#memory.giveBack(body.memory);
  }

  #finish(state: PartitionState): Buffer {
    const { producerId, producerEpoch } = this.#identity;
    return state.batch.finish({ producerId: BigInt(producerId), producerEpoch, firstSequence: state.sequence }, this.#options.compression);
  }

  /**
   * Asks the transaction coordinator. A coordinator that has moved is looked up again; one that still writes the
   * previous transaction's markers (CONCURRENT_TRANSACTIONS, a normal answer right after a commit) is asked again
   * after a millisecond, then ever more slowly.
   */
  async #onCoordinator<T>(ask: (broker: Broker) => Promise<T>): Promise<T> {
    const deadline = Date.now() + CONCURRENT_LIMIT_MS;
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 100)) {
      try {
        this.#coordinator ??= await this.#cluster.findGroupCoordinator({ groupId: this.#options.transactionalId, coordinatorType: TRANSACTION_COORDINATOR });
        return await ask(this.#coordinator);
      } catch (error) {
        const type = kafkaErrorType(error) ?? '';
        if (COORDINATOR_MOVED.has(type)) this.#coordinator = undefined;
        else if (type !== 'CONCURRENT_TRANSACTIONS') throw error;
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }
}

/** No more partitions than a broker answers for in time, no more bytes than there is memory kept for. */
function inRequests(states: readonly PartitionState[]): readonly (readonly PartitionState[])[] {
  const requests: PartitionState[][] = [[]];
  let bytes = 0;
  for (const state of states) {
    const size = state.batch.byteLength + state.topic.length + PARTITION_FRAME_BYTES;
    const last = requests.at(-1) as PartitionState[];
    const hasRoom = last.length < MAX_REQUEST_PARTITIONS && bytes + size <= REQUEST_MEMORY - REQUEST_ROOM_BYTES;
    if (hasRoom || last.length === 0) last.push(state);
    else requests.push([state]);
    bytes = hasRoom ? bytes + size : size;
  }
  return requests;
}

interface FinishedBatch {
  readonly state: PartitionState;
  readonly bytes: Buffer;
}

function sizeOfProduce(transactionalId: string, batches: readonly FinishedBatch[]): number {
  const frame = 12 + Buffer.byteLength(transactionalId);
  return RequestBody.sizeOfMemory(batches.reduce((sum, { state, bytes }) => sum + bytes.length + Buffer.byteLength(state.topic) + 14, frame));
}

/** Produce request, version 7: transactional_id acks timeout [topic [partition record_set]] (Kafka protocol guide). */
function encodeProduce(body: RequestBody, transactionalId: string, batches: readonly FinishedBatch[]): void {
  body.string(transactionalId);
  body.int16(-1);
  body.int32(30_000);
  const byTopic = Map.groupBy(batches, ({ state }) => state.topic);
  body.int32(byTopic.size);
  for (const [topic, entries] of byTopic) {
    body.string(topic);
    body.int32(entries.length);
    for (const { state, bytes } of entries) {
      body.int32(state.partition);
      body.int32(bytes.length);
      body.bytes(bytes);
    }
  }
}
