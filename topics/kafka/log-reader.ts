import type { KafkaConfig } from 'kafkajs';
import { kafkaErrorType, toKafkaError } from './connection.ts';
import { type Cluster, createCluster, type FetchedMessage, KafkaBatch, READ_COMMITTED, READ_UNCOMMITTED } from './kafkajs-internals.ts';

const FETCH_BYTES = 1024 * 1024;
const FETCH_WAIT_MS = 1000;

type Isolation = 'committed' | 'uncommitted';

/** Looks up the last records of partitions, without a consumer group. */
export class LogReader {
  readonly #cluster: Cluster;
  readonly #known = new Set<string>();

  constructor(config: KafkaConfig) {
    this.#cluster = createCluster(config);
  }

  async connect(): Promise<void> {
    await this.#try('connecting', () => this.#cluster.connect());
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect().catch(() => undefined);
  }

  /**
   * The last record with a value of a partition, or undefined for none. `committed` leaves out aborted records; it must be asked
   * only when no transaction is open there (after the producer's `init`), since what is open hides what follows.
   */
  async readLast(topic: string, partition: number, isolation: Isolation): Promise<FetchedMessage | undefined> {
    return this.#try(`reading the end of ${topic}`, async () => {
      await this.#know([topic]);
      const [first, end] = [await this.#offset(topic, partition, true), await this.#offset(topic, partition, false)];
      for (let span = 64; ; span *= 8) {
        const from = Math.max(first, end - span);
        const found = await this.#lastBetween({ topic, partition, from, end, isolation });
        if (found !== undefined || from === first) return found;
      }
    });
  }

  /** What stands from an offset on, as far as one answer goes; waits about a second where nothing does. An offset outside of the partition is taken for its beginning. */
  async readFrom(topic: string, partition: number, offset: number): Promise<{ readonly messages: readonly FetchedMessage[]; readonly next: number }> {
    return this.#try(`reading ${topic}`, async () => {
      await this.#know([topic]);
      const { from, batch } = await this.#fetchInside(topic, partition, offset);
      if (batch.isEmptyIncludingFiltered()) return { messages: [], next: from };
      return { messages: [...batch.messages], next: Number(batch.lastOffset()) + 1 };
    });
  }

  /** Makes topics known that will be asked for: one by one, each would have the client ask for all of them again. */
  async addTopics(topics: readonly string[]): Promise<void> {
    await this.#try(`asking for ${topics.length} topics`, () => this.#know(topics));
  }

  async partitionCount(topic: string): Promise<number> {
    return this.#try(`asking for the partitions of ${topic}`, async () => {
      await this.#know([topic]);
      return this.#cluster.findTopicPartitionMetadata(topic).length;
    });
  }

  /** The client copies its list of topics at each call. */
  async #know(topics: readonly string[]): Promise<void> {
    const fresh = topics.filter((topic) => !this.#known.has(topic));
    if (fresh.length === 0) return;
    await this.#cluster.addMultipleTargetTopics(fresh);
    for (const topic of fresh) this.#known.add(topic);
  }

  async #lastBetween(range: { topic: string; partition: number; from: number; end: number; isolation: Isolation }): Promise<FetchedMessage | undefined> {
    let last: FetchedMessage | undefined;
    for (let offset = range.from; offset < range.end;) {
      const batch = await this.#fetch(range.topic, range.partition, offset, range.isolation);
      if (batch.isEmptyIncludingFiltered()) break;
      last = [...batch.messages].findLast(({ value }) => value !== null) ?? last;
      offset = Math.max(offset, Number(batch.lastOffset())) + 1;
    }
    return last;
  }

  async #fetchInside(topic: string, partition: number, offset: number) {
    try {
      return { from: offset, batch: await this.#fetch(topic, partition, offset, 'committed') };
    } catch (error) {
      if (kafkaErrorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
    }
    const from = await this.#offset(topic, partition, true);
    return { from, batch: await this.#fetch(topic, partition, from, 'committed') };
  }

  async #fetch(topic: string, partition: number, offset: number, isolation: Isolation) {
    const { responses } = await (
      await this.#leader(topic, partition)
    ).fetch({
      isolationLevel: isolation === 'committed' ? READ_COMMITTED : READ_UNCOMMITTED,
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: FETCH_BYTES }] }],
    });
    const fetched = responses[0]?.partitions[0];
    if (fetched === undefined) throw new Error(`no answer for ${topic}`);
    return new KafkaBatch(topic, String(offset), fetched);
  }

  async #leader(topic: string, partition: number) {
    const found = this.#cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition);
    if (found === undefined) throw new Error(`${topic} has no partition ${partition}`);
    return this.#cluster.findBroker({ nodeId: found.leader });
  }

  async #offset(topic: string, partition: number, fromBeginning: boolean): Promise<number> {
    const [answer] = await this.#cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning }]);
    return Number(answer?.partitions[0]?.offset ?? 0);
  }

  async #try<T>(doing: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toKafkaError(error, doing);
    }
  }
}
