import { createCluster, READ_UNCOMMITTED } from '../topics/kafka/kafkajs-internals.ts';
import type { KafkaConfig } from '../topics/kafka/connection.ts';
import type { ReadRecord } from './live-topics.ts';

export interface RawRecord extends ReadRecord {
  /** The mark that ends a transaction. */
  readonly isMark: boolean;
}

const FETCH = { isolationLevel: READ_UNCOMMITTED, maxWaitTime: 0, minBytes: 0, maxBytes: 8 * 1024 * 1024 };

/** All that lies in topics now, aborted records and marks included, partition by partition in the order of offsets. */
export async function readUncommitted(config: KafkaConfig, topics: readonly string[]): Promise<readonly RawRecord[]> {
  const cluster = createCluster(config);
  await cluster.connect();
  await cluster.addMultipleTargetTopics(topics);
  const records: RawRecord[] = [];
  for (const topic of topics) {
    for (const { partitionId: partition, leader } of cluster.findTopicPartitionMetadata(topic)) {
      const broker = await cluster.findBroker({ nodeId: leader });
      for (let next = 0, end = Infinity; next < end;) {
        const { responses } = await broker.fetch({
          ...FETCH,
          topics: [{ topic, partitions: [{ partition, fetchOffset: String(next), maxBytes: FETCH.maxBytes }] }],
        });
        const fetched = responses[0]?.partitions[0] as (typeof responses)[number]['partitions'][number];
        end = Number(fetched.highWatermark);
        for (const { key, value, headers, offsetNumber: offset, isControlRecord: isMark } of fetched.messages) {
          if (offset >= next) records.push({ topic, partition, offset, key: isMark ? null : key, value: isMark ? null : value, headers, isMark });
        }
        next = Math.max(next, (fetched.messages.at(-1)?.offsetNumber ?? -1) + 1);
      }
    }
  }
  await cluster.disconnect();
  return records;
}
