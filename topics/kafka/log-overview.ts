import type { Admin, KafkaConfig } from 'kafkajs';
import { createKafka, toKafkaError } from './connection.ts';

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

  /** Topics that the group reads or has read. Where it has not committed anything yet, all of the partition is lag. */
  async lagOf(groupId: string, topics: readonly string[]): Promise<readonly GroupLag[]> {
    return this.#try(`asking how far group ${groupId} is`, async () => {
      const committed = await this.#admin.fetchOffsets({ groupId, topics: [...topics] });
      return Promise.all(committed.map(async ({ topic, partitions }) => ({ topic, lag: await this.#lag(topic, partitions) })));
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
