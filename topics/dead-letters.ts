import type { CdcError } from '../shared/errors/cdc-error.ts';
import { createKafka, type KafkaConfig, type Producer, toKafkaError } from './kafka/connection.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';

const SLICE_BYTES = 1024 * 1024;

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
      for (const some of inSlices(letters)) await this.#producer.send({ topic: this.topic, messages: some.map(toMessage) });
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

/** The client makes one batch of all that it is given at once, and a batch must not be larger than a record may be. */
function inSlices(letters: readonly DeadLetter[]): readonly (readonly DeadLetter[])[] {
  const slices: DeadLetter[][] = [];
  let slice: DeadLetter[] = [];
  let bytes = 0;
  for (const letter of letters) {
    const weight = (letter.key?.length ?? 0) + (letter.value?.length ?? 0);
    if (slice.length > 0 && bytes + weight > SLICE_BYTES) {
      slices.push(slice);
      [slice, bytes] = [[], 0];
    }
    slice.push(letter);
    bytes += weight;
  }
  return [...slices, slice];
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
