import { COMMON_OPTIONS } from '../shared/config/common-options.ts';
import { readOptions } from '../shared/config/options.ts';
import { SOURCE_OPTIONS } from '../shared/config/source-options.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import { tableTopic } from '../topics/names.ts';
import { readPositions } from '../topics/positions.ts';
import { PublishedTails } from '../topics/published-tails.ts';
import { TopicCatalog } from '../topics/topic-catalog.ts';
import { TopicWriter } from '../topics/topic-writer.ts';
import { MemoryLog, type MemoryRecord, MemoryRegistry } from './memory-log.ts';
import { TABLES } from './scripted-log.ts';

const ENVIRONMENT = { KAFKA_BROKERS: 'b:1', SCHEMA_REGISTRY_URL: 'http://r', SOURCE_URL: 'x://', TABLES: '*.*' };

/** What a consumer sees of a record, without what depends on the clock and on the ids of schemas. */
export type SeenRecord = Readonly<Record<string, unknown>> & { readonly topic: string; readonly partition: number };

/** A source that publishes into memory: for what depends on neither broker nor registry, and for what these should hold. */
export class MemorySource {
  readonly name: string;
  readonly log = new MemoryLog();
  readonly registry = new MemoryRegistry();
  #version = 0;

  constructor(name = 'shop') {
    this.name = name;
  }

  /** What a process of this source does at its start. */
  async open(environment: Readonly<Record<string, string>> = {}): Promise<TopicWriter> {
    const { settings } = readOptions({ ...COMMON_OPTIONS, ...SOURCE_OPTIONS }, { ...ENVIRONMENT, SOURCE_NAME: this.name, ...environment });
    this.log.end('aborted');
    const tails = new PublishedTails();
    const catalog = new TopicCatalog(
      { settings, connector: 'script', version: '0', nextVersion: () => ++this.#version, tails },
      { admin: this.log, registry: this.registry, producer: this.log },
    );
    const writer = new TopicWriter(
      {
        sourceName: this.name,
        instance: 'i',
        publishTransactions: settings.PUBLISH_TRANSACTIONS,
        publishTruncate: settings.PUBLISH_TRUNCATE,
        highestVersion: () => this.#version,
        carrying: 'c',
        compression: settings.KAFKA_COMPRESSION,
      },
      catalog,
      this.log,
    );
    await catalog.addControlTopics();
    const { committed } = await readPositions(this.log, this.name);
    writer.resume(committed);
    await catalog.addTables(TABLES);
    const topics = TABLES.map((table) => tableTopic(this.name, table));
    await tails.read({ reader: this.log, registry: this.registry }, topics, committed?.rowVersion);
    return writer;
  }

  /** One transaction: records and the position behind them. */
  async publish(writer: TopicWriter, records: readonly CdcRecord[], end: 'committed' | 'aborted' = 'committed'): Promise<void> {
    await writer.write({ records, bytes: 0 });
    writer.writePosition(0);
    this.log.end(end);
  }

  /** Committed records of all topics but the positions. */
  seen(): readonly SeenRecord[] {
    const committed = this.log.records.filter(({ state, topic }) => state === 'committed' && topic !== `${this.name}.positions`);
    return committed.map((record) => showRecord(record, (bytes) => this.registry.decode(bytes)));
  }

  /** The values of one topic, without tombstones. */
  values(topic: string): readonly Record<string, unknown>[] {
    const committed = this.log.records.filter((record) => record.topic === topic && record.state === 'committed');
    return committed.map(({ value }) => this.registry.decode(value)).filter((value) => value !== null);
  }
}

type Shown = Pick<MemoryRecord, 'topic' | 'partition' | 'key' | 'value' | 'headers'>;

export function showRecord({ topic, partition, key, value, headers }: Shown, decode: (bytes: Buffer | null) => Record<string, unknown> | null): SeenRecord {
  const { ts_ms: _handled, row_version: _version, ...rest } = decode(value) ?? { isTombstone: true };
  return { topic, partition, key: decode(key), headers: headers.map((header) => [header.key, decode(header.value)]), ...rest };
}
