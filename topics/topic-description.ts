import type { CommonSettings } from '../shared/config/common-options.ts';
import type { Logger } from '../shared/observe/log.ts';
import { Registry, type SchemaVersion } from './avro/registry.ts';
import { kafkaConfig } from './kafka/connection.ts';
import { LogOverview, type PartitionState } from './kafka/log-overview.ts';
import { isControlTopic } from './names.ts';
import { assertTopicExists } from './topic-tail.ts';

export interface TopicDescription {
  readonly topic: string;
  readonly kind: 'control' | 'table';
  readonly partitions: readonly PartitionState[];
  /** Settings of the topic that are not the broker's defaults. */
  readonly config: Readonly<Record<string, string>>;
  /** By subject; empty where the registry has none of it. */
  readonly schemas: Readonly<Record<string, readonly SchemaVersion[]>>;
}

/** All that broker and registry say of a topic. `TABLE_NOT_FOUND` where there is none of that name. */
export async function describeTopic(settings: CommonSettings, topic: string, log: Logger): Promise<TopicDescription> {
  const config = kafkaConfig(settings, 'dbmazz-cli', log);
  await assertTopicExists(new LogOverview(config), topic);
  const registry = new Registry(settings);
  const overview = new LogOverview(config);
  try {
    await overview.connect();
    const subjects = [`${topic}-key`, `${topic}-value`];
    const versions = await Promise.all(subjects.map(async (subject) => [subject, await registry.versions(subject)] as const));
    return {
      topic,
      kind: isControlTopic(topic) ? 'control' : 'table',
      partitions: await overview.partitionsOf(topic),
      config: await overview.configOf(topic),
      schemas: Object.fromEntries(versions),
    };
  } finally {
    await overview.close();
  }
}
