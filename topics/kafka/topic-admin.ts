import type { Admin, KafkaConfig } from 'kafkajs';
import { createKafka, kafkaErrorType, toKafkaError } from './connection.ts';

export interface TopicDefinition {
  readonly topic: string;
  readonly partitions: number;
  /** undefined: the broker's default. */
  readonly replication: number | undefined;
  readonly config: Readonly<Record<string, string>>;
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
    for (const definition of missing) await this.#try(`creating topic ${definition.topic}`, () => this.#create(definition));
  }

  async #create({ topic, partitions, replication, config }: TopicDefinition): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    try {
      await this.#admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions, replicationFactor: replication ?? -1, configEntries }] });
    } catch (error) {
      if (kafkaErrorType(error) !== 'TOPIC_ALREADY_EXISTS') throw error;
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
