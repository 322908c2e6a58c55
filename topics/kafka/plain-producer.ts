import type { KafkaConfig } from 'kafkajs';
import { createKafka, toKafkaError } from './connection.ts';

export interface PlainRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Writes one record, where speed does not matter and no transaction is needed. Resolves when all replicas have it. */
export async function writeRecord(config: KafkaConfig, { topic, ...record }: PlainRecord): Promise<void> {
  const producer = createKafka(config).producer({ allowAutoTopicCreation: false });
  try {
    await producer.connect();
    await producer.send({ topic, acks: -1, messages: [record] });
  } catch (error) {
    throw toKafkaError(error, `writing to ${topic}`);
  } finally {
    await producer.disconnect().catch(() => undefined);
  }
}
