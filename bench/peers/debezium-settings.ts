import { avroConverters, type Settings, START_SCRIPT_FLAGS } from '../../stack/connect/settings.ts';

/** `tuned` is for a backlog. `low-latency` is for records one by one: waiting for larger batches would only delay them. */
export type DebeziumTuning = 'defaults' | 'tuned' | 'low-latency';

/** What a run captures, and the servers between which it works. */
export interface DebeziumJob {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  /** Of the Confluent-compatible API: ends in `/apis/ccompat/v7`. */
  readonly registryUrl: string;
  /** Exists, is free, and is read from where it stands. */
  readonly slot: string;
  readonly publication: string;
  /** `schema.table` each. */
  readonly tables: readonly string[];
  readonly topicPrefix: string;
  readonly tuning: DebeziumTuning;
  /** Debezium's `snapshot.mode`; none where it is not set. */
  readonly snapshotMode?: 'initial' | undefined;
}

export const CONNECTOR_NAME = 'bench';

/** As many as this product gives to a topic of its own. Topics are there before the start, so that a consumer can be too. */
export const TOPIC_PARTITIONS = 4;

const BLANKED = '********';
/** A secret, and a place of one machine. */
const PRIVATE = new Set(['database.password', 'offset.storage.file.filename']);

const HEAP_FLAGS: Readonly<Record<DebeziumTuning, readonly string[]>> = {
  defaults: ['-Xms256M', '-Xmx2G'],
  tuned: ['-Xms256M', '-Xmx3G'],
  'low-latency': ['-Xms256M', '-Xmx2G'],
};

/** What Debezium's and Kafka's manuals name for the purpose. */
const TUNED_SETTINGS: Readonly<Record<DebeziumTuning, Settings>> = {
  defaults: {},
  tuned: {
    'max.batch.size': '16384',
    'max.queue.size': '65536',
    'poll.interval.ms': '5',
    'producer.override.linger.ms': '20',
    'producer.override.batch.size': '262144',
    'producer.override.compression.type': 'lz4',
  },
  'low-latency': { 'poll.interval.ms': '5' },
};

export function jvmFlags(tuning: DebeziumTuning): readonly string[] {
  return [...HEAP_FLAGS[tuning], ...START_SCRIPT_FLAGS];
}

export function connectorSettings(job: DebeziumJob): Settings {
  return {
    name: CONNECTOR_NAME,
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': '1',
    ...databaseSettings(job.postgresUrl),
    'plugin.name': 'pgoutput',
    'slot.name': job.slot,
    'publication.name': job.publication,
    'publication.autocreate.mode': 'disabled',
    'snapshot.mode': job.snapshotMode ?? 'no_data',
    'table.include.list': job.tables.join(','),
    'topic.prefix': job.topicPrefix,
    'schema.name.adjustment.mode': 'avro',
    ...avroConverters(job.registryUrl),
    ...TUNED_SETTINGS[job.tuning],
  };
}

function databaseSettings(postgresUrl: string): Settings {
  const url = new URL(postgresUrl);
  return {
    'database.hostname': url.hostname.replace(/^\[(.*)\]$/, '$1'),
    'database.port': url.port === '' ? '5432' : url.port,
    'database.user': decodeURIComponent(url.username),
    'database.password': decodeURIComponent(url.password),
    'database.dbname': decodeURIComponent(url.pathname.slice(1)),
  };
}

/** Where the records of each table go. */
export function topicsOf({ topicPrefix, tables }: DebeziumJob): readonly string[] {
  return tables.map((table) => `${topicPrefix}.${table}`);
}

/** All that a run was configured with, for a page that everybody may read. */
export function publicConfig(job: DebeziumJob, worker: Settings): Settings {
  const entries = (of: string, settings: Settings) => Object.entries(settings).map(([name, value]) => [`${of} ${name}`, PRIVATE.has(name) ? BLANKED : value]);
  return {
    'partitions of a topic': String(TOPIC_PARTITIONS),
    jvm: jvmFlags(job.tuning).join(' '),
    ...Object.fromEntries([...entries('worker', worker), ...entries('connector', connectorSettings(job))]),
  };
}
