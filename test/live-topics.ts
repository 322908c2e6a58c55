import { randomUUID } from 'node:crypto';
import { COMMON_OPTIONS, type CommonSettings } from '../shared/config/common-options.ts';
import { type Environment, readOptions, throwIfProblems } from '../shared/config/options.ts';
import { SOURCE_OPTIONS, type SourceSettings } from '../shared/config/source-options.ts';
import { silentLogger } from '../shared/observe/log.ts';
import { createKafka, type KafkaConfig, kafkaConfig } from '../topics/kafka/connection.ts';
import type { FetchedRecord } from '../topics/kafka/fetched-record.ts';
import { GroupConsumer } from '../topics/kafka/group-consumer.ts';
import { createCluster, READ_UNCOMMITTED } from '../topics/kafka/kafkajs-internals.ts';

/** A name that no other test has: of a source, and so the beginning of all its topics. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

/** The settings of a source on the stack of the environment, or on another one. */
export function liveSettings(name: string, environment: Environment = {}): CommonSettings & SourceSettings {
  const all = { ...process.env, SOURCE_NAME: name, SOURCE_URL: 'script://', TABLES: '*.*', ...environment };
  const { settings, problems } = readOptions({ ...COMMON_OPTIONS, ...SOURCE_OPTIONS }, all);
  throwIfProblems(problems);
  return settings;
}

export function liveConfig(environment: Environment = {}): KafkaConfig {
  return kafkaConfig(liveSettings('test', environment), 'dbmazz-test', silentLogger());
}

export interface ReadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: FetchedRecord['headers'];
}

/** All committed records of topics, up to where these end now, in the order in which the broker gave them. */
export async function readCommitted(config: KafkaConfig, topics: readonly string[]): Promise<readonly ReadRecord[]> {
  const missing = await endsOf(config, topics);
  const records: ReadRecord[] = [];
  const next = new Map<string, number>();
  const done = Promise.withResolvers<void>();
  const consumer = new GroupConsumer(config, uniqueName('read'), {
    onRecords: ({ topic, partition, messages, nextOffset }) => {
      const place = `${topic}/${partition}`;
      for (const { key, value, offsetNumber: offset, headers } of messages) {
        // Nothing is committed, so the client may begin again, for instance when the broker has only just started.
        if (offset < (next.get(place) ?? 0)) continue;
        records.push({ topic, partition, key, value, headers, offset });
        next.set(place, offset + 1);
      }
      if (nextOffset >= (missing.get(place) ?? Infinity)) missing.delete(place);
      if (missing.size === 0) done.resolve();
      return undefined;
    },
    onAssigned: () => undefined,
  });
  if (missing.size === 0) return [];
  try {
    await consumer.connect();
    await consumer.read(topics);
    await Promise.race([done.promise, consumer.failed]);
  } finally {
    await consumer.close();
  }
  return records;
}

/**
 * The partitions that hold anything, and where each ends. Asked of a fetch: the client's own answer is the end of what
 * is committed, and the marks of a transaction are written a moment after its commit was answered.
 */
async function endsOf(config: KafkaConfig, topics: readonly string[]): Promise<Map<string, bigint>> {
  const cluster = createCluster(config);
  await cluster.connect();
  await cluster.addMultipleTargetTopics(topics);
  const ends = new Map<string, bigint>();
  for (const topic of topics) {
    for (const { partitionId: partition, leader } of cluster.findTopicPartitionMetadata(topic)) {
      const broker = await cluster.findBroker({ nodeId: leader });
      const from = { isolationLevel: READ_UNCOMMITTED, maxWaitTime: 0, minBytes: 0, maxBytes: 1 };
      const { responses } = await broker.fetch({ ...from, topics: [{ topic, partitions: [{ partition, fetchOffset: '0', maxBytes: 1 }] }] });
      const end = BigInt(responses[0]?.partitions[0]?.highWatermark ?? 0);
      if (end > 0n) ends.set(`${topic}/${partition}`, end);
    }
  }
  await cluster.disconnect();
  return ends;
}

type Admin = ReturnType<ReturnType<typeof createKafka>['admin']>;

export async function withAdmin<T>(config: KafkaConfig, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = createKafka(config).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Drops all topics, groups and subjects that begin with a name. */
export async function dropAll(name: string, environment: Environment = {}): Promise<void> {
  await withAdmin(liveConfig(environment), async (admin) => {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(name));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  });
  const url = process.env['SCHEMA_REGISTRY_URL'] ?? '';
  const subjects = (await (await fetch(`${url}/subjects`)).json()) as string[];
  await Promise.all(
    subjects.filter((subject) => subject.startsWith(name)).map((subject) => fetch(`${url}/subjects/${encodeURIComponent(subject)}`, { method: 'DELETE' })),
  );
}
