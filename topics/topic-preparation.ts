import type { CommonSettings } from '../shared/config/common-options.ts';
import type { SourceSettings } from '../shared/config/source-options.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import type { Logger } from '../shared/observe/log.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { Registry } from './avro/registry.ts';
import { kafkaConfig } from './kafka/connection.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import type { RecordAppender } from './kafka/transactional-producer.ts';
import { PublishedTails } from './published-tails.ts';
import { TopicCatalog } from './topic-catalog.ts';

export interface PreparationOptions {
  readonly settings: CommonSettings & SourceSettings;
  /** Debezium's name of the connector. */
  readonly connector: string;
  readonly version: string;
  readonly tables: readonly TableSchema[];
  readonly log: Logger;
}

/** Nothing is written: the source does that. */
const NO_PRODUCER: RecordAppender = {
  needsFlush: false,
  append: () => {
    throw new CdcError('INVARIANT_BROKEN', 'A record was written while topics were created.');
  },
  flush: async () => undefined,
  addTopics: async () => undefined,
  partitionCount: () => 1,
};

/**
 * Creates the topics that a source of these settings will write, and registers their schemas, as its own start would.
 * What exists stays as it is. Gives the topics that were created.
 * Errors: those of broker and registry, `SCHEMA_INCOMPATIBLE` among them.
 */
export async function prepareTopics({ settings, connector, version, tables, log }: PreparationOptions): Promise<readonly string[]> {
  const admin = new TopicAdmin(kafkaConfig(settings, 'dbmazz-topics', log));
  const registry = new Registry(settings);
  try {
    await admin.connect();
    await registry.ping();
    const before = new Set(await admin.list());
    const catalog = new TopicCatalog(
      { settings, connector, version, nextVersion: () => 0, tails: new PublishedTails() },
      { admin, registry, producer: NO_PRODUCER },
    );
    await catalog.addControlTopics();
    await catalog.addTables(tables);
    for (const table of tables) catalog.publisherOf(table);
    return (await admin.list()).filter((topic) => !before.has(topic) && topic.startsWith(`${settings.SOURCE_NAME}.`)).toSorted();
  } finally {
    await admin.close();
  }
}
