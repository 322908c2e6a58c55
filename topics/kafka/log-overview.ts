import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, KafkaConfig } from 'kafkajs';
import { createKafka, kafkaErrorType, toKafkaError } from './connection.ts';

export interface TopicSize {
  readonly topic: string;
  readonly partitions: number;
  /** Offsets between the first and the last: records, and the marks that end transactions. */
  readonly offsets: number;
}

export interface GroupLag {
  readonly topic: string;
  /** Offsets between what the group has committed and the end, over all partitions. */
  readonly lag: number;
}

export interface PartitionState {
  readonly partition: number;
  /** The first offset that is still there, and the next that will be given out. */
  readonly first: number;
  readonly next: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

/** The protocol's number for a topic among things that have settings. */
const TOPIC_RESOURCE = 2;
/** How the broker says that a setting is the topic's own. */
const DYNAMIC_TOPIC_CONFIG = 1;

/** A broker that has only just started has to find out first who keeps the offsets of a group. */
const NOT_COORDINATED = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP']);
const COORDINATED_WITHIN_MS = 10_000;
const POLL_MS = 250;

/** How much lies in topics, and how far consumer groups have come. Looks only. */
export class LogOverview {
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

  async topics(): Promise<readonly string[]> {
    return this.#try('listing the topics', () => this.#admin.listTopics());
  }

  async sizeOf(topic: string): Promise<TopicSize> {
    return this.#try(`asking for the offsets of ${topic}`, async () => {
      const partitions = await this.#admin.fetchTopicOffsets(topic);
      return { topic, partitions: partitions.length, offsets: partitions.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0) };
    });
  }

  async partitionsOf(topic: string): Promise<readonly PartitionState[]> {
    return this.#try(`asking for the partitions of ${topic}`, async () => {
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
      const offsets = new Map((await this.#admin.fetchTopicOffsets(topic)).map((offset) => [offset.partition, offset]));
      return (topics[0]?.partitions ?? [])
        .map(({ partitionId: partition, leader, replicas, isr }) => {
          const { low = '0', high = '0' } = offsets.get(partition) ?? {};
          return { partition, first: Number(low), next: Number(high), leader, replicas, inSync: isr };
        })
        .toSorted((a, b) => a.partition - b.partition);
    });
  }

  /** The settings that are the topic's own. */
  async configOf(topic: string): Promise<Readonly<Record<string, string>>> {
    return this.#try(`asking for the settings of ${topic}`, async () => {
      const { resources } = await this.#admin.describeConfigs({ includeSynonyms: false, resources: [{ type: TOPIC_RESOURCE, name: topic }] });
      const own = (resources[0]?.configEntries ?? []).filter(({ configSource }) => Number(configSource) === DYNAMIC_TOPIC_CONFIG);
      return Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue]));
    });
  }

  /** Topics that the group reads or has read. Where it has not committed anything yet, all of the partition is lag. */
  async lagOf(groupId: string, topics: readonly string[]): Promise<readonly GroupLag[]> {
    return this.#try(`asking how far group ${groupId} is`, async () => {
      const committed = await untilCoordinated(async () => this.#admin.fetchOffsets({ groupId, topics: [...topics] }));
      return Promise.all(committed.map(async ({ topic, partitions }) => ({ topic, lag: await this.#lag(topic, partitions) })));
    });
  }

  /** The number of processes that are in the group now. */
  async membersOf(groupId: string): Promise<number> {
    return this.#try(`asking for the members of group ${groupId}`, async () => {
      const { groups } = await untilCoordinated(async () => this.#admin.describeGroups([groupId]));
      return groups[0]?.members.length ?? 0;
    });
  }

  async #lag(topic: string, committed: readonly { readonly partition: number; readonly offset: string }[]): Promise<number> {
    const offsets = new Map(committed.map(({ partition, offset }) => [partition, Number(offset)]));
    const ends = await this.#admin.fetchTopicOffsets(topic);
    return ends.reduce((sum, { partition, low, high }) => sum + Number(high) - Math.max(offsets.get(partition) ?? 0, Number(low)), 0);
  }

  async #try<T>(doing: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toKafkaError(error, doing);
    }
  }
}

async function untilCoordinated<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + COORDINATED_WITHIN_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!NOT_COORDINATED.has(kafkaErrorType(error) ?? '') || performance.now() > deadline) throw error;
    }
    await delay(POLL_MS);
  }
}
