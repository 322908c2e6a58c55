import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { silentLogger } from '../../shared/observe/log.ts';
import { liveSettings } from '../../test/live-topics.ts';
import { kafkaConfig } from './connection.ts';
import { type Cluster, createCluster } from './kafkajs-internals.ts';

interface BrokerPool {
  metadata: unknown;
  metadataExpireAt: number | null;
  refreshMetadata(topics: readonly string[]): Promise<void>;
  refreshMetadataIfNecessary(topics: readonly string[]): Promise<void>;
}

const require = createRequire(import.meta.url);
const TOPICS = ['a', 'b', 'c'];
const partitionsOf = (topic: string) => [{ partitionId: 0, leader: topic.charCodeAt(0) }];
const metadataOf = (topics: readonly string[]) => ({ topicMetadata: topics.map((topic) => ({ topic, partitionMetadata: partitionsOf(topic) })) });

/** A client without a broker: it notes what it would have asked for. */
function clusterOf() {
  const cluster = createCluster(kafkaConfig(liveSettings('test', { KAFKA_BROKERS: 'b:1', SCHEMA_REGISTRY_URL: 'http://r' }), 'test', silentLogger()));
  const { brokerPool: pool } = cluster as Cluster & { readonly brokerPool: BrokerPool };
  const asked: (readonly string[])[] = [];
  pool.refreshMetadata = async (topics) => {
    asked.push(topics);
    pool.metadata = metadataOf(topics);
    pool.metadataExpireAt = Date.now() + 1000;
  };
  return { cluster, pool, asked };
}

test('a topic is found by its name, in the metadata of the moment', async () => {
  const { cluster, pool } = clusterOf();
  expect(() => cluster.findTopicPartitionMetadata('a')).toThrow(expect.objectContaining({ name: 'KafkaJSTopicMetadataNotLoaded' }));
  await pool.refreshMetadata(TOPICS);
  expect([...TOPICS, 'd'].map((topic) => cluster.findTopicPartitionMetadata(topic))).toEqual([...TOPICS.map(partitionsOf), []]);
  await pool.refreshMetadata(['d']);
  expect(['a', 'd'].map((topic) => cluster.findTopicPartitionMetadata(topic))).toEqual([[], partitionsOf('d')]);
});

test('metadata is asked for where there is none, where a topic is missing, and where it is old', async () => {
  const { pool, asked } = clusterOf();
  for (const topics of [TOPICS, TOPICS, ['a'], [], [...TOPICS, 'd'], [...TOPICS, 'd']]) await pool.refreshMetadataIfNecessary(topics);
  expect(asked).toEqual([TOPICS, [...TOPICS, 'd']]);
  pool.metadataExpireAt = Date.now() - 1;
  await pool.refreshMetadataIfNecessary(['a']);
  expect(asked.at(-1)).toEqual(['a']);
});

test('a list of thousands is looked up by name, not from its beginning', async () => {
  const { cluster, pool } = clusterOf();
  const topics = Array.from({ length: 2000 }, (_, index) => `t${index}`);
  await pool.refreshMetadata(topics);
  let reads = 0;
  const list = (pool.metadata as ReturnType<typeof metadataOf>).topicMetadata;
  pool.metadata = { topicMetadata: list.map((each) => Object.defineProperty({ ...each }, 'topic', { get: () => (reads++, each.topic) })) };
  await pool.refreshMetadataIfNecessary(topics);
  for (const topic of topics) cluster.findTopicPartitionMetadata(topic);
  expect(reads).toBeLessThanOrEqual(topics.length);
  expect(require('kafkajs/src/cluster/index.js')).toBe(cluster.constructor);
});
