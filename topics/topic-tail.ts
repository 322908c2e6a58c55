import type { CommonSettings } from '../shared/config/common-options.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import type { Logger } from '../shared/observe/log.ts';
import { RecordReader } from './avro/record-reader.ts';
import { Registry } from './avro/registry.ts';
import { kafkaConfig } from './kafka/connection.ts';
import { LogOverview } from './kafka/log-overview.ts';
import { type FollowedRecord, type FollowOptions, TopicFollower } from './kafka/topic-follower.ts';

/** A record as people read it. */
export interface ReadableRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: string;
  readonly key: unknown;
  /** null: a tombstone. */
  readonly value: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface TailOptions extends FollowOptions {
  readonly settings: CommonSettings;
  readonly log: Logger;
  /** Decides by the decoded key, before the value is decoded. */
  readonly isWanted: (key: unknown) => boolean;
}

/** The committed records of a topic, decoded with the schemas that they were written with. `TABLE_NOT_FOUND` where there is no such topic. */
export async function* tailTopic(options: TailOptions): AsyncGenerator<ReadableRecord> {
  const { settings, topic, log, isWanted } = options;
  const config = kafkaConfig(settings, 'dbmazz-tail', log);
  await assertTopicExists(new LogOverview(config), topic);
  const registry = new Registry(settings);
  await registry.ping();
  const reader = new RecordReader(registry);
  const follower = new TopicFollower(config);
  try {
    await follower.connect();
    for await (const followed of follower.read(options)) {
      const key = await reader.read(followed.record.key, topic);
      if (isWanted(key)) yield await toRecord(topic, followed, key, reader);
    }
  } finally {
    await follower.close();
  }
}

export async function assertTopicExists(overview: LogOverview, topic: string): Promise<void> {
  try {
    await overview.connect();
    if ((await overview.topics()).includes(topic)) return;
  } finally {
    await overview.close();
  }
  throw new CdcError('TABLE_NOT_FOUND', `The broker has no topic ${topic}.`, { context: { topic }, remedy: 'dbmazz topics <source> lists those of a source.' });
}

async function toRecord(topic: string, { partition, record }: FollowedRecord, key: unknown, reader: RecordReader): Promise<ReadableRecord> {
  const headers: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(record.headers)) headers[name] = await readHeader(Array.isArray(value) ? value.at(-1) : value, topic, reader);
  return {
    topic,
    partition,
    offset: record.offsetNumber,
    timestamp: new Date(Number(record.timestamp)).toISOString(),
    key,
    value: await reader.read(record.value, topic),
    headers,
  };
}

/** The keys in Debezium's headers are framed as keys are; other headers are text. */
async function readHeader(value: Buffer | undefined, topic: string, reader: RecordReader): Promise<unknown> {
  if (value === undefined) return null;
  return value.length > 5 && value[0] === 0 ? reader.read(value, topic) : value.toString();
}
