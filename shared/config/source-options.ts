import { parseKeyColumns, parseMask, parseRowFilters } from './column-rules.ts';
import { checked, flag, integer, list, oneOf, type Option, optionalInteger, optionalSecret, optionalText, secret, type Settings, text } from './options.ts';

const NAME = /^[A-Za-z0-9_-]{1,100}$/;

/** What a source may do with columns and rows before they leave it. One that can takes these settings among its own. */
export const SELECTION_OPTIONS = {
  MASK_COLUMNS: checked(
    list({ description: 'columns whose values are masked, as schema.table.column with :redact, :hash or :null behind it', default: [] }),
    (items) => items.every((item) => parseMask(item) !== undefined),
    'expected schema.table.column, :redact, :hash or :null behind it',
  ),
  ROW_FILTER: checked(
    optionalText({ description: 'rows that are published, as schema.table: condition; schema.other: condition' }),
    (text) => text === undefined || parseRowFilters(text) !== undefined,
    'expected schema.table: condition; schema.other: condition, each table once',
  ),
  MESSAGE_KEY_COLUMNS: checked(
    optionalText({ description: 'columns that make the key of a table, as schema.table:column,column;schema.other:column' }),
    (text) => text === undefined || parseKeyColumns(text) !== undefined,
    'expected schema.table:column,column;schema.other:column, each table and column once',
  ),
} as const;

/** Refused by every source that does not take it among its own: going on without it would publish too much. */
function elsewhere<T>(option: Option<T>): Option<T> {
  return checked(
    option,
    (value) => value === undefined || (Array.isArray(value) && value.length === 0),
    'this kind of source does not have it: leave it unset',
  );
}

/** Settings of every source; a connector may add its own. */
export const SOURCE_OPTIONS = {
  SOURCE_NAME: checked(
    text({ description: 'logical name: topic prefix, key of the stored position, transactional id' }),
    (name) => NAME.test(name),
    'expected 1 to 100 letters, digits, _ or -',
  ),
  SOURCE_URL: secret({ description: 'connection URL of the database' }),
  TABLES: list({ description: 'tables as schema.table, comma-separated, * allowed' }),
  EXCLUDE_COLUMNS: list({ description: 'columns that are never read, as schema.table.column', default: [] }),
  UNKNOWN_TYPES: oneOf(['stop', 'string'], { description: 'columns of a type that is not in the table of types: stop, or carry their text', default: 'stop' }),
  SNAPSHOT_MODE: oneOf(['initial', 'never', 'only'], { description: 'initial: once, then stream', default: 'initial' }),
  SNAPSHOT_CHUNK_SIZE: integer({ description: 'rows a chunk of the snapshot', default: 50_000, min: 1 }),
  SNAPSHOT_PARALLEL_WORKERS: integer({ description: 'chunks of the snapshot in flight, over all tables and inside one', default: 2, min: 1, max: 64 }),
  TOPIC_PARTITIONS: integer({ description: 'partitions of topics that we create', default: 4, min: 1, max: 10_000 }),
  TOPIC_REPLICATION: optionalInteger({ description: 'replicas of topics that we create; the broker decides if not set', min: 1, max: 100 }),
  TOPIC_CLEANUP_POLICY: oneOf(['delete', 'compact'], {
    description: 'cleanup.policy of table topics that we create; compact keeps the last record of each key, and does so for tables with a key alone',
    default: 'delete',
  }),
  TOMBSTONES: flag({ description: 'a null value after each delete, for compacted topics', default: true }),
  PUBLISH_TRUNCATE: flag({ description: 'publish TRUNCATE', default: true }),
  PUBLISH_TRANSACTIONS: flag({ description: 'publish BEGIN and END on the transaction topic', default: true }),
  DECIMAL_HANDLING: oneOf(['decimal', 'string'], { description: 'how decimals with a precision travel', default: 'decimal' }),
  TIME_PRECISION: oneOf(['micros', 'millis'], { description: 'unit of times and timestamps; millis loses digits', default: 'micros' }),
  MASK_COLUMNS: elsewhere(SELECTION_OPTIONS.MASK_COLUMNS),
  MASK_SECRET: optionalSecret({ description: 'key of the hashes of MASK_COLUMNS; without it they are plain SHA-256' }),
  ROW_FILTER: elsewhere(SELECTION_OPTIONS.ROW_FILTER),
  MESSAGE_KEY_COLUMNS: elsewhere(SELECTION_OPTIONS.MESSAGE_KEY_COLUMNS),
  ON_INCOMPATIBLE_SCHEMA: oneOf(['stop-table', 'new-version'], {
    description: 'a new schema that the registry refuses: stop that table, or register it in spite of the compatibility rule',
    default: 'stop-table',
  }),
  HEARTBEAT_INTERVAL_MS: integer({ description: 'milliseconds between heartbeats', default: 10_000, min: 100 }),
} as const;

export type SourceSettings = Settings<typeof SOURCE_OPTIONS>;
