import type { Consumer, EachBatchPayload, KafkaConfig } from 'kafkajs';
import { CdcError, isCdcError } from '../../shared/errors/cdc-error.ts';
import { createKafka, kafkaErrorType, toKafkaError } from './connection.ts';
import type { FetchedRecord } from './fast-fetch.ts';

/** A dead member's partitions are given away after this; the broker takes no less than 6 s. */
const SESSION_TIMEOUT_MS = 10_000;
/** A broker that has just started is still loading its groups: the client joins again until it has. */
const LOADING = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP']);
const HEARTBEAT_INTERVAL_MS = 2000;
const MAX_BYTES_PER_PARTITION = 2 * 1024 * 1024;
const MAX_FETCH_BYTES = 16 * 1024 * 1024;

export interface FetchedRecords {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly FetchedRecord[];
  /** Where to read on: after the last record, and after the marks of transactions and aborted records behind it. */
  readonly nextOffset: bigint;
  /** Records between here and the end of the partition. */
  readonly lag: number;
}

export interface GroupHandlers {
  /** Records of one partition, in order. While the promise is pending nothing more comes, and the group is kept alive. */
  onRecords(fetched: FetchedRecords): Promise<void> | undefined;
  /** The group gave us partitions anew: what was handed on and not committed will come again. */
  onAssigned(topics: readonly string[]): void;
}

export interface CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** A member of a consumer group that reads committed records only, and commits offsets only when told to. */
export class GroupConsumer {
  readonly #consumer: Consumer;
  readonly #handlers: GroupHandlers;
  readonly #failed = Promise.withResolvers<never>();
  readonly #paused = new Set<string>();
  /** The client knows of pauses only as long as it has joined, and throws otherwise. */
  #isMember = false;

  constructor(config: KafkaConfig, groupId: string, handlers: GroupHandlers) {
    this.#handlers = handlers;
    this.#failed.promise.catch(() => undefined);
    this.#consumer = createKafka(config).consumer({
      groupId,
      readUncommitted: false,
      allowAutoTopicCreation: false,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: 30_000,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_FETCH_BYTES,
      maxWaitTimeInMs: 500,
      retry: { ...config.retry, restartOnFailure: async (error) => LOADING.has(kafkaErrorType(error) ?? '') },
    });
    this.#listen();
  }

  /** Rejects with what ended the membership; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  async connect(): Promise<void> {
    await this.#try('joining the consumer group', () => this.#consumer.connect());
  }

  /** Starts reading; called again with more topics after `pauseReading`. */
  async read(topics: readonly string[]): Promise<void> {
    await this.#try('joining the consumer group', async () => {
      await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await this.#consumer.run({ autoCommit: false, eachBatch: (payload) => this.#eachBatch(payload) });
    });
  }

  async pauseReading(): Promise<void> {
    await this.#try('leaving the consumer group', () => this.#consumer.stop());
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    if (offsets.length === 0) return;
    const texts = offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) }));
    await this.#try('committing offsets', () => this.#consumer.commitOffsets(texts));
  }

  /** Holds a topic's records back, until `resume`: also over joining anew, and while there is no membership. */
  pause(topic: string): void {
    this.#paused.add(topic);
    if (this.#isMember) this.#consumer.pause([{ topic }]);
  }

  resume(topic: string): void {
    this.#paused.delete(topic);
    if (this.#isMember) this.#consumer.resume([{ topic }]);
  }

  async close(): Promise<void> {
    await this.#consumer.disconnect().catch(() => undefined);
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const heartbeat = () => payload.heartbeat();
    const nextOffset = BigInt(batch.lastOffset()) + 1n;
    try {
      const waiting = this.#handlers.onRecords({
        topic: batch.topic,
        partition: batch.partition,
        messages: batch.messages as unknown as readonly FetchedRecord[],
        nextOffset,
        lag: Number(batch.offsetLag()),
      });
      if (waiting !== undefined) await keepAlive(waiting, heartbeat);
      await heartbeat();
    } catch (error) {
      // The client would hide our own errors in its own, and try again first.
      if (isCdcError(error)) this.#failed.reject(error);
      else throw error;
    }
  }

  #listen(): void {
    const { CRASH, GROUP_JOIN, STOP, END_BATCH_PROCESS } = this.#consumer.events;
    this.#consumer.on(CRASH, ({ payload }) => {
      if (!payload.restart) this.#failed.reject(toKafkaError(payload.error, 'reading the topics'));
    });
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#isMember = true;
      for (const topic of this.#paused) this.#consumer.pause([{ topic }]);
      this.#handlers.onAssigned(Object.keys(payload.memberAssignment));
    });
    this.#consumer.on(STOP, () => {
      this.#isMember = false;
    });
    // A fetch that brought nothing but marks and aborted records is not given to eachBatch.
    this.#consumer.on(END_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize > 0) return;
      const { topic, partition, lastOffset, offsetLag } = payload;
      void this.#handlers.onRecords({ topic, partition, messages: [], nextOffset: BigInt(lastOffset) + 1n, lag: Number(offsetLag) });
    });
  }

  async #try<T>(doing: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toGroupError(error, doing);
    }
  }
}

/** Offsets that come too late for the group's present generation are no fault: the records come again. */
const STALE = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']);

function toGroupError(error: unknown, doing: string): CdcError {
  const failure = toKafkaError(error, doing);
  const type = failure.context['kafkaError'];
  return typeof type === 'string' && STALE.has(type)
    ? new CdcError('KAFKA_UNAVAILABLE', `The consumer group is rebalancing while ${doing}.`, { cause: error, context: { kafkaError: type, isRebalance: true } })
    : failure;
}

/** Waits, with a sign of life to the group meanwhile. */
async function keepAlive(waiting: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
  for (let isDone = false; !isDone;) {
    const tick = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => tick.resolve(false), HEARTBEAT_INTERVAL_MS / 2);
    isDone = await Promise.race([waiting.then(() => true), tick.promise]);
    clearTimeout(timer);
    if (!isDone) await heartbeat();
  }
}
