import { createRequire } from 'node:module';

interface TopicMetadata {
  readonly topic: string;
  readonly partitionMetadata: readonly unknown[];
}

interface Metadata {
  readonly topicMetadata?: readonly TopicMetadata[];
}

interface BrokerPool {
  readonly metadata: Metadata | null;
  readonly metadataExpireAt: number | null;
  refreshMetadata(topics: readonly string[]): Promise<unknown>;
  refreshMetadataIfNecessary(topics: readonly string[]): Promise<unknown>;
}

interface Cluster {
  readonly brokerPool: BrokerPool;
  findTopicPartitionMetadata(topic: string): readonly unknown[];
}

const require = createRequire(import.meta.url);

/**
 * kafkajs looks for a topic in the list of all that it knows, and before each fetch for each topic: of thousands of
 * topics that is millions of comparisons a fetch. Here they are found by name. Mends the kafkajs that is loaded now.
 */
export function indexTopics(): void {
  const { prototype: cluster } = require('kafkajs/src/cluster/index.js') as { prototype: Cluster };
  const { prototype: pool } = require('kafkajs/src/cluster/brokerPool.js') as { prototype: BrokerPool };
  const find = Object.getOwnPropertyDescriptor(cluster, 'findTopicPartitionMetadata')?.value as Cluster['findTopicPartitionMetadata'];
  const indexes = new WeakMap<Metadata, ReadonlyMap<string, TopicMetadata>>();
  const indexOf = (metadata: Metadata) => {
    const index = indexes.get(metadata) ?? new Map(metadata.topicMetadata?.map((topic) => [topic.topic, topic]));
    indexes.set(metadata, index);
    return index;
  };
  cluster.findTopicPartitionMetadata = function (this: Cluster, topic) {
    const { metadata } = this.brokerPool;
    return metadata?.topicMetadata === undefined ? find.call(this, topic) : (indexOf(metadata).get(topic)?.partitionMetadata ?? []);
  };
  pool.refreshMetadataIfNecessary = async function (this: BrokerPool, topics) {
    const { metadata, metadataExpireAt } = this;
    const isFresh = metadata !== null && metadataExpireAt !== null && Date.now() <= metadataExpireAt;
    return isFresh && topics.every((topic) => indexOf(metadata).has(topic)) ? undefined : this.refreshMetadata(topics);
  };
}
