import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, KafkaConfig } from 'kafkajs';
import { CdcError, isCdcError } from '../../shared/errors/cdc-error.ts';
import { createKafka, kafkaErrorType, roundRobin, toKafkaError } from './connection.ts';
import { PackedRecords } from './fetched-record.ts';
import { type AssignedPartition, commitOffsets, type PartitionOffset, readAssignment, readEnds, startFrom, type StoredOffset } from './group-offsets.ts';
import { type Group, hookGroups } from './membership.ts';
import { topicIdsOf } from './topic-ids.ts';

hookGroups();

/** A dead member's partitions are given away after this; the broker takes no less than 6 s. */
const SESSION_TIMEOUT_MS = 10_000;
/** A broker that has just started is still loading its groups: the client joins again until it has. */
const LOADING = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP']);
/** Also how long it takes the others to hear that somebody joins or leaves. */
const HEARTBEAT_INTERVAL_MS = 1000;
const CLOSE_WAIT_MS = 3000;
const MAX_BYTES_PER_PARTITION = 2 * 1024 * 1024;
/** One answer of a broker, whatever the number of partitions. */
const MAX_FETCH_BYTES = 16 * 1024 * 1024;
const NO_RECORDS = new PackedRecords([]);

export interface FetchedRecords {
  readonly topic: string;
  readonly partition: number;
  readonly messages: PackedRecords;
  /** Where to read on: after the last record, and after the marks of transactions and aborted records behind it. */
  readonly nextOffset: bigint;
  /** Records between here and the end of the partition. */
  readonly lag: number;
}

export interface GroupHandlers {
  /** Records of one partition, in order. While the promise is pending nothing more comes, and the group is kept alive. */
  onRecords(fetched: FetchedRecords): Promise<void> | undefined;
  /** Topics to read, asked before each joining; without it those that `read` named. */
  findTopics?(): Promise<readonly string[]>;
  /** The partitions are about to be given out anew: the last moment to commit. */
  onLeaving?(): Promise<void>;
  /** Offsets that the target has for topics; the higher of it and the group's is where a partition is gone on with. */
  storedOffsets?(topics: readonly string[]): Promise<readonly StoredOffset[]>;
  /** Before the group's offsets of topics, which were set by hand, are taken over: the target's count no more. */
  forgetStored?(topics: readonly string[]): Promise<void>;
  /** The group gave us partitions anew: what was handed on and not committed will come again. */
  onAssigned(partitions: readonly AssignedPartition[]): void;
}

/** A member of a consumer group that reads committed records only, and commits offsets only when told to. */
export class GroupConsumer {
  readonly #consumer: Consumer;
  readonly #handlers: GroupHandlers;
  readonly #failed = Promise.withResolvers<never>();
  readonly #paused = new Set<string>();
  #topics: readonly string[] = [];
  #topicIds: ReadonlyMap<string, string> = new Map();
  /** While it has joined: the client knows of pauses only that long, and throws otherwise. */
  #group: Group | undefined;
  #mustJoin = false;
  #joining: Promise<void> | undefined;
  #isClosed = false;

  constructor(config: KafkaConfig, groupId: string, handlers: GroupHandlers) {
    this.#handlers = handlers;
    this.#failed.promise.catch(() => undefined);
    const hooks = {
      beforeJoin: async (group: Group) => this.#beforeJoin(group),
      afterJoin: async (group: Group) => this.#afterJoin(group),
      wantsToJoin: () => this.#wantsToJoin(),
    };
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
      partitionAssigners: [(options) => Object.assign(roundRobin(options), { hooks })],
      retry: { ...config.retry, restartOnFailure: async (error) => LOADING.has(kafkaErrorType(error) ?? '') },
    });
    this.#listen();
  }

  /** Rejects with what ended the membership; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** What was subscribed to when it joined last. */
  get topics(): readonly string[] {
    return this.#topics;
  }

  async connect(): Promise<void> {
    await this.#try('joining the consumer group', () => this.#consumer.connect());
  }

  /** Starts reading; later changes of the topics come by `findTopics` and `rejoin`. */
  async read(topics: readonly string[]): Promise<void> {
    this.#topics = topics;
    this.#joining = this.#try('joining the consumer group', async () => {
      await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await this.#consumer.run({ autoCommit: false, eachBatch: (payload) => this.#eachBatch(payload) });
    });
    await this.#joining;
  }

  /** Joins anew before the next fetch, without leaving the group. */
  rejoin(): void {
    this.#mustJoin = true;
  }

  /** Of the partitions that are assigned to us; none while we are no member. */
  async ends(): Promise<readonly PartitionOffset[]> {
    const group = this.#group;
    return group === undefined ? [] : this.#try('asking for the ends of the topics', () => readEnds(group));
  }

  /** Whether a topic that we read was deleted and made again since we have joined. */
  async hasRecreatedTopic(): Promise<boolean> {
    const group = this.#group;
    if (group === undefined) return false;
    const now = await this.#try('asking for the ids of the topics', () => topicIdsOf(group.cluster, [...this.#topicIds.keys()]));
    return [...this.#topicIds].some(([topic, id]) => now.has(topic) && now.get(topic) !== id);
  }

  /** Commits for the generation of the present assignment; one that comes too late is refused, and says so. */
  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    const group = this.#group;
    if (offsets.length === 0 || group === undefined) return;
    const stored = offsets.map((each) => ({ ...each, topicId: this.#topicIds.get(each.topic) }));
    await this.#try('committing offsets', () => commitOffsets(group, stored, isStale));
  }

  /** Reads partitions from other places; what was fetched of them and not handed on is dropped. */
  seek(offsets: readonly PartitionOffset[]): void {
    for (const { topic, partition, offset } of offsets) this.#group?.seek({ topic, partition, offset: String(offset) });
  }

  /** Holds a topic's records back, until `resume`: also over joining anew, and while there is no membership. */
  pause(topic: string): void {
    this.#paused.add(topic);
    if (this.#group !== undefined) this.#consumer.pause([{ topic }]);
  }

  resume(topic: string): void {
    this.#paused.delete(topic);
    if (this.#group !== undefined) this.#consumer.resume([{ topic }]);
  }

  /** Leaves the group; where joining it is still under way, once that has succeeded. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.race([this.#joining?.catch(() => undefined), delay(CLOSE_WAIT_MS, undefined, { ref: false })]);
    await this.#consumer.disconnect().catch(() => undefined);
  }

  /** The client would go on as a member that nobody knows of, where it was stopped while it joined. */
  #wantsToJoin(): boolean {
    if (this.#isClosed) throw final(new CdcError('KAFKA_UNAVAILABLE', 'The consumer was closed while it joined.'));
    return this.#mustJoin;
  }

  async #beforeJoin(group: Group): Promise<void> {
    // Until all that joining takes has succeeded.
    this.#mustJoin = true;
    if (this.#group !== undefined) await this.#handlers.onLeaving?.();
    // Where they cannot be listed, joining itself will say what is amiss.
    this.#topics = (await this.#handlers.findTopics?.().catch(() => undefined)) ?? this.#topics;
    group.topicsSubscribed = [...this.#topics];
    group.topicConfigurations = Object.fromEntries(this.#topics.map((topic) => [topic, { fromBeginning: true }]));
    group.cluster.targetTopics = new Set(this.#topics);
    await group.cluster.refreshMetadata();
  }

  async #afterJoin(group: Group): Promise<void> {
    const topics = group.assigned().map(({ topic }) => topic);
    const partitions = await readAssignment(group, async () => this.#handlers.storedOffsets?.(topics) ?? []);
    refuseLost(partitions);
    this.#topicIds = new Map(partitions.flatMap(({ topic, topicId }) => (topicId === undefined ? [] : [[topic, topicId]])));
    const resetTopics = [...new Set(partitions.filter(({ isReset }) => isReset).map(({ topic }) => topic))];
    if (resetTopics.length > 0) await this.#handlers.forgetStored?.(resetTopics);
    startFrom(group, partitions);
    await keepStarts(group, partitions);
    this.#group = group;
    this.#mustJoin = false;
    for (const topic of this.#paused) this.#consumer.pause([{ topic }]);
    this.#handlers.onAssigned(partitions);
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    // What was fetched before `seek` comes again.
    if (payload.isStale()) return;
    const { batch } = payload;
    const heartbeat = () => payload.heartbeat();
    const nextOffset = BigInt(batch.lastOffset()) + 1n;
    try {
      const waiting = this.#handlers.onRecords({
        topic: batch.topic,
        partition: batch.partition,
        messages: batch.messages as unknown as PackedRecords,
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
    const { CRASH, STOP, END_BATCH_PROCESS } = this.#consumer.events;
    this.#consumer.on(CRASH, ({ payload }) => {
      if (!payload.restart) this.#failed.reject(toKafkaError(payload.error, 'reading the topics'));
    });
    this.#consumer.on(STOP, () => {
      this.#group = undefined;
    });
    // A fetch that brought nothing but marks and aborted records is not given to eachBatch.
    this.#consumer.on(END_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize > 0) return;
      const { topic, partition, lastOffset, offsetLag } = payload;
      void this.#handlers.onRecords({ topic, partition, messages: NO_RECORDS, nextOffset: BigInt(lastOffset) + 1n, lag: Number(offsetLag) });
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

/** Also of partitions that nothing was read of yet: else it could not be told later that retention has passed them. */
async function keepStarts(group: Group, partitions: readonly AssignedPartition[]): Promise<void> {
  const fresh = partitions.filter(({ isCommitted }) => !isCommitted);
  if (fresh.length === 0) return;
  try {
    await commitOffsets(group, fresh, isStale);
  } catch (error) {
    if (!isStale(error)) throw error;
  }
}

function refuseLost(partitions: readonly AssignedPartition[]): void {
  const lost = partitions.filter(({ why }) => why === 'lost');
  if (lost.length === 0) return;
  const topics = [...new Set(lost.map(({ topic }) => topic))];
  const places = lost.map(({ topic, partition, offset, low }) => `${topic}/${partition}: read up to ${offset}, begins at ${low}`);
  const error = new CdcError('TOPIC_HISTORY_LOST', `Records that this sink has not read yet are gone from ${topics.join(', ')} (${places.join('; ')}).`, {
    context: { topics: topics.join(',') },
  });
  throw final(error);
}

/** As the client takes it for one that is not to be tried again. */
function final(error: CdcError): Error {
  return Object.assign(new Error(error.message, { cause: error }), { retriable: false });
}

/** Offsets that come too late for the group's present generation are no fault: the records come again. */
const STALE = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']);

function isStale(error: unknown): boolean {
  return STALE.has(kafkaErrorType(error) ?? '');
}

function toGroupError(error: unknown, doing: string): CdcError {
  const failure = toKafkaError(error, doing);
  const type = failure.context['kafkaError'];
  return isStale(error)
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
