import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, KafkaConfig } from 'kafkajs';
import { createKafka, kafkaErrorType, toKafkaError } from './connection.ts';

const KNOWN_WITHIN_MS = 15_000;
const KNOWN_POLL_MS = 20;
const NOT_KNOWN = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION', 'NOT_LEADER_OR_FOLLOWER']);

/** Kafka's number of the kind of resource. */
const TOPIC_RESOURCE = 2;
/** Topics that are created side by side. */
const CREATE_AT_ONCE = 16;

export interface TopicDefinition {
  readonly topic: string;
  readonly partitions: number;
  /** undefined: the broker's default. */
  readonly replication: number | undefined;
  readonly config: Readonly<Record<string, string>>;
}

/** Asked of several new topics at once, the client may look for offsets that it has not been told of, and stumbles. */
function isNotKnownYet(error: unknown): boolean {
  return NOT_KNOWN.has(kafkaErrorType(error) ?? '') || error instanceof TypeError;
}

/** Creates and lists topics. */
export class TopicAdmin {
  readonly #admin: Admin;

  constructor(config: KafkaConfig) {
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
    for (let first = 0; first < missing.length; first += CREATE_AT_ONCE) {
      const some = missing.slice(first, first + CREATE_AT_ONCE);
      await Promise.all(some.map((definition) => this.#try(`creating topic ${definition.topic}`, () => this.#create(definition))));
    }
  }

  /** The topic's `max.message.bytes`; undefined where the broker does not tell, for want of a right for instance. */
  async maxBatchBytes(topic: string): Promise<number | undefined> {
    try {
      const { resources } = await this.#admin.describeConfigs({ includeSynonyms: false, resources: [{ type: TOPIC_RESOURCE, name: topic }] });
      const limit = Number(resources[0]?.configEntries.find(({ configName }) => configName === 'max.message.bytes')?.configValue);
      return Number.isSafeInteger(limit) ? limit : undefined;
    } catch {
      return undefined;
    }
  }

  async #create({ topic, partitions, replication, config }: TopicDefinition): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    try {
      await this.#admin.createTopics({
        waitForLeaders: false,
        topics: [{ topic, numPartitions: partitions, replicationFactor: replication ?? -1, configEntries }],
      });
    } catch (error) {
      if (kafkaErrorType(error) !== 'TOPIC_ALREADY_EXISTS') throw error;
    }
    await this.#untilKnown(topic);
  }

  /** The controller answers before the broker that we ask has heard of the new topic; the client's own wait takes that for an error. */
  async #untilKnown(topic: string): Promise<void> {
    const deadline = performance.now() + KNOWN_WITHIN_MS;
    for (;;) {
      try {
        const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
        if (topics[0]?.partitions.every(({ leader }) => leader >= 0) === true) {
          // A leader that is named may not have taken up its work yet: it has when it tells its offsets.
          await this.#admin.fetchTopicOffsets(topic);
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
