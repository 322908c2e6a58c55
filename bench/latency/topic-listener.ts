import '../../topics/kafka/quiet-timers.ts';
import kafkajs from 'kafkajs';
import { type Latencies, nowMs } from './latencies.ts';

/**
 * A `read_committed` consumer as anybody would write it with kafkajs. The broker answers a fetch as soon as there is
 * something to read, so `maxWaitTimeInMs` only bounds how long an empty one takes.
 */
const MAX_WAIT_MS = 100;

export class TopicListener {
  readonly #topic: string;
  readonly #consumer: kafkajs.Consumer;
  #latencies: Latencies | undefined;

  constructor(brokers: string, topic: string) {
    this.#topic = topic;
    const client = new kafkajs.Kafka({ clientId: 'bench-latency', brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 20 } });
    this.#consumer = client.consumer({ groupId: `bench-${topic}`, readUncommitted: false, maxWaitTimeInMs: MAX_WAIT_MS });
  }

  async start(): Promise<void> {
    const joined = Promise.withResolvers<void>();
    this.#consumer.on(this.#consumer.events.GROUP_JOIN, () => joined.resolve());
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true });
    await this.#consumer.run({ autoCommit: false, eachBatch: async ({ batch }) => this.#receive(batch.messages) });
    await joined.promise;
  }

  /** From now on rows are entered there. */
  listen(latencies: Latencies): void {
    this.#latencies = latencies;
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
  }

  #receive(messages: readonly kafkajs.KafkaMessage[]): void {
    const arrivedAtMs = nowMs();
    for (const { value } of messages) {
      if (value === null) continue;
      const { id, committedAtMs } = readPulse(value);
      this.#latencies?.add(id, committedAtMs, arrivedAtMs);
    }
  }
}

/** `after` of a pulse, in Debezium's envelope as in ours: header, absent before, present after, id, branch, the time. */
export function readPulse(value: Buffer): { readonly id: number; readonly committedAtMs: number } {
  const [id, branch] = readLong(value, 7);
  const [micros] = readLong(value, branch + 1);
  return { id, committedAtMs: micros / 1000 };
}

/** A positive zig-zag long and what comes after it. */
function readLong(value: Buffer, start: number): readonly [number, number] {
  let zigzag = 0;
  for (let [at, factor] = [start, 1]; ; at++, factor *= 0x80) {
    const byte = value[at] ?? 0;
    zigzag += (byte & 0x7f) * factor;
    if (byte < 0x80) return [zigzag / 2, at + 1];
  }
}
