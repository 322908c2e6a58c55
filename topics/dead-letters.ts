import type { CdcError } from '../shared/errors/cdc-error.ts';
import { createKafka, type KafkaConfig, type Producer, toKafkaError } from './kafka/connection.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';

/** A record that a target refused, as it came. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly error: CdcError;
}

/** `dbmazz.<sink>.dead-letters`: records set aside, byte for byte, with where they came from and why in the headers. */
export class DeadLetterQueue {
  readonly topic: string;
  readonly #admin: TopicAdmin;
  readonly #producer: Producer;
  #isReady = false;

  constructor(config: KafkaConfig, sinkName: string) {
    this.topic = deadLetterTopic(sinkName);
    this.#admin = new TopicAdmin(config);
    this.#producer = createKafka(config).producer({ idempotent: true, allowAutoTopicCreation: false, createPartitioner: () => () => 0 });
  }

  /** Resolves when the broker has them. */
  async put(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    try {
      if (!this.#isReady) await this.#open();
      await this.#producer.send({ topic: this.topic, messages: letters.map(toMessage) });
    } catch (error) {
      throw toKafkaError(error, 'setting records aside');
    }
  }

  async close(): Promise<void> {
    if (this.#isReady) await Promise.all([this.#producer.disconnect().catch(() => undefined), this.#admin.close()]);
  }

  async #open(): Promise<void> {
    await this.#admin.connect();
    await this.#admin.createMissing([
      { topic: this.topic, partitions: 1, replication: undefined, config: { 'retention.ms': '-1', 'max.message.bytes': '20971520' } },
    ]);
    await this.#producer.connect();
    this.#isReady = true;
  }
}

export function deadLetterTopic(sinkName: string): string {
  return `dbmazz.${sinkName}.dead-letters`;
}

function toMessage({ topic, partition, offset, key, value, error }: DeadLetter) {
  const headers = {
    'dbmazz.topic': topic,
    'dbmazz.partition': String(partition),
    'dbmazz.offset': offset,
    'dbmazz.code': error.code,
    'dbmazz.message': error.message,
  };
  return { key, value, headers };
}
