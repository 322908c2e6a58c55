import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, KafkaConfig } from 'kafkajs';
import { createKafka, kafkaErrorType, toKafkaError } from './connection.ts';
import { type Cluster, createCluster } from './kafkajs-internals.ts';

const KNOWN_WITHIN_MS = 15_000;
const KNOWN_POLL_MS = 20;
const NOT_KNOWN = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION', 'NOT_LEADER_OR_FOLLOWER']);

/** Kafka's numbers of the kinds of resources. */
const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;
/** What a request has around its batch, names included: a broker that gets a larger one than it takes closes the connection without a word. */
const REQUEST_FRAME_BYTES = 1024;
/** Topics of one request. */
const CREATE_AT_ONCE = 200;

export interface TopicDefinition {
  readonly topic: string;
  readonly partitions: number;
  /** undefined: the broker's default. */
  readonly replication: number | undefined;
  readonly config: Readonly<Record<string, string>>;
}

/** The tightest bound of a batch, and where it is set. */
export interface BatchLimit {
  readonly bytes: number;
  /** Completes "raise …". */
  readonly setting: string;
}

interface ConfigResource {
  readonly type: number;
  readonly name: string;
}

/** Asked of several new topics at once, the client may look for offsets that it has not been told of, and stumbles. */
function isNotKnownYet(error: unknown): boolean {
  return NOT_KNOWN.has(kafkaErrorType(error) ?? '') || error instanceof TypeError;
}

interface Refusal {
  readonly type?: string;
  readonly topic?: string;
}

/** What a request for several topics was answered, topic by topic; the error itself where it is of another kind. */
function refusals(error: unknown): readonly Refusal[] {
  const { errors } = error as { readonly errors?: readonly Refusal[] };
  return errors ?? [error as Refusal];
}

/** Creates and lists topics. */
export class TopicAdmin {
  readonly #config: KafkaConfig;
  readonly #admin: Admin;

  constructor(config: KafkaConfig) {
    this.#config = config;
    this.#admin = createKafka(config).admin();
  }

  async connect(): Promise<void> {
    await this.#try('connecting', () => this.#admin.connect());
  }

  async close(): Promise<void> {
    await this.#admin.disconnect().catch(() => undefined);
  }

  async list(): Promise<readonly string[]> {
    return this.#try('listing the topics', () => this.#admin.listTopics());
  }

  /** Creates those that are missing; what exists stays as it is. */
  async createMissing(definitions: readonly TopicDefinition[]): Promise<void> {
    const existing = new Set(await this.list());
    const missing = definitions.filter(({ topic }) => !existing.has(topic));
    if (missing.length === 0) return;
    const cluster = createCluster(this.#config);
    try {
      await this.#try('connecting', () => cluster.connect());
      for (let first = 0; first < missing.length; first += CREATE_AT_ONCE) {
        const some = missing.slice(first, first + CREATE_AT_ONCE);
        const topics = some.map(({ topic }) => topic);
        await this.#try(`creating topic ${topics[0]}`, () => this.#create(some));
        await this.#try(`waiting for topic ${topics[0]}`, () => this.#untilServed(cluster, topics));
      }
    } finally {
      await cluster.disconnect().catch(() => undefined);
    }
  }

  /** What the broker takes of a topic in one batch; undefined where it does not tell, for want of a right for instance. */
  async batchLimit(topic: string): Promise<BatchLimit | undefined> {
    const ofTopic = await this.#setting('max.message.bytes', [{ type: TOPIC_RESOURCE, name: topic }]);
    const ofBroker = await this.#setting('socket.request.max.bytes', await this.#brokers());
    const limits = [
      ...(ofTopic === undefined ? [] : [{ bytes: ofTopic, setting: `max.message.bytes of ${topic}` }]),
      ...(ofBroker === undefined ? [] : [{ bytes: ofBroker - REQUEST_FRAME_BYTES, setting: 'socket.request.max.bytes of the brokers' }]),
    ];
    return limits.toSorted((one, other) => one.bytes - other.bytes)[0];
  }

  async #brokers(): Promise<readonly ConfigResource[]> {
    const { brokers } = await this.#try('asking for the brokers', () => this.#admin.describeCluster());
    return brokers.map(({ nodeId }) => ({ type: BROKER_RESOURCE, name: String(nodeId) }));
  }

  /** The smallest value of a setting in bytes. */
  async #setting(name: string, resources: readonly ConfigResource[]): Promise<number | undefined> {
    try {
      const asked = resources.map((resource) => ({ ...resource, configNames: [name] }));
      const { resources: found } = await this.#admin.describeConfigs({ includeSynonyms: false, resources: asked });
      const values = found.map(({ configEntries }) => Number(configEntries.find(({ configName }) => configName === name)?.configValue));
      return values.length > 0 && values.every(Number.isSafeInteger) ? Math.min(...values) : undefined;
    } catch {
      return undefined;
    }
  }

  async #create(definitions: readonly TopicDefinition[]): Promise<void> {
    const topics = definitions.map(({ topic, partitions, replication, config }) => ({
      topic,
      numPartitions: partitions,
      replicationFactor: replication ?? -1,
      configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
    }));
    try {
      await this.#admin.createTopics({ waitForLeaders: false, topics });
    } catch (error) {
      const refused = refusals(error).find(({ type }) => type !== 'TOPIC_ALREADY_EXISTS');
      if (refused !== undefined) throw toKafkaError(refused, `creating topic ${refused.topic ?? definitions[0]?.topic}`);
    }
  }

  /**
   * Resolves when the leaders of all partitions serve them. The controller answers before the brokers that we ask have
   * heard of the new topics, and a leader that is named may not have taken up its work yet: it has when it tells its offsets.
   */
  async #untilServed(cluster: Cluster, topics: readonly string[]): Promise<void> {
    const deadline = performance.now() + KNOWN_WITHIN_MS;
    for (let isFirst = true; ; isFirst = false) {
      try {
        await cluster.addMultipleTargetTopics(topics);
        if (!isFirst) await cluster.refreshMetadata();
        const found = topics.map((topic) => ({ topic, partitions: cluster.findTopicPartitionMetadata(topic), fromBeginning: false }));
        if (found.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) {
          const places = found.map((each) => ({ ...each, partitions: each.partitions.map(({ partitionId }) => ({ partition: partitionId })) }));
          await cluster.fetchTopicsOffset(places);
          return;
        }
        if (performance.now() > deadline) return;
      } catch (error) {
        if (!isNotKnownYet(error) || performance.now() > deadline) throw error;
      }
      await delay(KNOWN_POLL_MS);
    }
  }

  async #try<T>(doing: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toKafkaError(error, doing);
    }
  }
}
