import type { Admin, KafkaConfig } from 'kafkajs';
import { createKafka, toKafkaError } from './connection.ts';
import type { FetchedRecord } from './fetched-record.ts';
import { type Cluster, createCluster, KafkaBatch, READ_COMMITTED } from './kafkajs-internals.ts';

const FETCH_BYTES = 1024 * 1024;
/** A stop is noticed after this at the latest. */
const WAIT_MS = 300;

/** Where to begin in each partition. */
export type FollowFrom = 'beginning' | 'end' | { readonly timestampMs: number };

export interface FollowOptions {
  readonly topic: string;
  readonly from: FollowFrom;
  /** Whether to wait for more at the end; else the reading ends where the topic ended when it began. */
  readonly isEndless: boolean;
  readonly signal: AbortSignal;
}

export interface FollowedRecord {
  readonly partition: number;
  readonly record: FetchedRecord;
}

interface Place {
  readonly partition: number;
  next: number;
  /** Where the partition ended at the beginning. */
  readonly end: number;
}

/** Reads a topic's committed records without a consumer group: nobody notices, and nothing is committed. */
export class TopicFollower {
  readonly #admin: Admin;
  readonly #cluster: Cluster;

  constructor(config: KafkaConfig) {
    this.#admin = createKafka(config).admin();
    this.#cluster = createCluster(config);
  }

  async connect(): Promise<void> {
    await this.#try('connecting', async () => {
      await this.#admin.connect();
      await this.#cluster.connect();
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin.disconnect().catch(() => undefined), this.#cluster.disconnect().catch(() => undefined)]);
  }

  /** In order within a partition. Ends at the signal. */
  async *read(options: FollowOptions): AsyncGenerator<FollowedRecord> {
    const { topic, isEndless, signal } = options;
    const places = await this.#try(`asking for the offsets of ${topic}`, () => this.#begin(options));
    while (!signal.aborted) {
      const open = isEndless ? places : places.filter(({ next, end }) => next < end);
      if (open.length === 0) return;
      for (const followed of await this.#try(`reading ${topic}`, () => this.#fetch(topic, open))) yield followed;
    }
  }

  async #begin({ topic, from }: FollowOptions): Promise<readonly Place[]> {
    await this.#cluster.addMultipleTargetTopics([topic]);
    const ends = await this.#admin.fetchTopicOffsets(topic);
    const since = typeof from === 'object' ? await this.#admin.fetchTopicOffsetsByTimestamp(topic, from.timestampMs) : [];
    const offsets = new Map(since.map(({ partition, offset }) => [partition, Number(offset)]));
    return ends.map(({ partition, low, high }) => ({
      partition,
      next: from === 'beginning' ? Number(low) : (offsets.get(partition) ?? Number(high)),
      end: Number(high),
    }));
  }

  async #fetch(topic: string, places: readonly Place[]): Promise<readonly FollowedRecord[]> {
    const leaders = new Map(this.#cluster.findTopicPartitionMetadata(topic).map(({ partitionId, leader }) => [partitionId, leader]));
    const byLeader = Map.groupBy(places, ({ partition }) => leaders.get(partition) ?? -1);
    const found = await Promise.all([...byLeader].map(async ([leader, led]) => this.#fetchFrom(leader, topic, led)));
    return found.flat();
  }

  async #fetchFrom(nodeId: number, topic: string, places: readonly Place[]): Promise<readonly FollowedRecord[]> {
    const broker = await this.#cluster.findBroker({ nodeId });
    const partitions = places.map(({ partition, next }) => ({ partition, fetchOffset: String(next), maxBytes: FETCH_BYTES }));
    const { responses } = await broker.fetch({
      isolationLevel: READ_COMMITTED,
      maxWaitTime: WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, partitions }],
    });
    const byPartition = new Map(places.map((place) => [place.partition, place]));
    return (responses[0]?.partitions ?? []).flatMap((fetched) => {
      const place = byPartition.get(fetched.partition);
      if (place === undefined || fetched.messages.length === 0) return [];
      // Compaction may have left nothing at or behind the offset that was asked for: then it goes on with the next one.
      const batch = new KafkaBatch(topic, String(place.next), fetched);
      place.next = Math.max(place.next, Number(batch.lastOffset()) + 1);
      return Array.from(batch.messages, (record) => ({ partition: place.partition, record }));
    });
  }

  async #try<T>(doing: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toKafkaError(error, doing);
    }
  }
}
