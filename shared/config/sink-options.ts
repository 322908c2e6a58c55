import { integer, list, oneOf, optionalInteger, optionalSecret, optionalText, text, type Settings } from './options.ts';

/** Settings of every sink; a connector may add its own. */
export const SINK_OPTIONS = {
  SINK_NAME: text({ description: 'name of the sink: consumer group dbmazz.<name>' }),
  SINK_TOPICS: list({ description: 'topics, or prefixes such as shop.*, comma-separated' }),
  SINK_URL: optionalSecret({ description: 'address of the target; may hold user, password, port and database' }),
  SINK_PORT: optionalInteger({ description: 'port of the target', min: 1, max: 65535 }),
  SINK_DATABASE: optionalText({ description: 'database of the target' }),
  SINK_SCHEMA: optionalText({ description: 'schema of the target' }),
  SINK_USER: optionalText({ description: 'user at the target' }),
  SINK_PASSWORD: optionalSecret({ description: 'password at the target' }),
  SINK_TABLE: text({ description: 'name of a target table, from {schema} and {table}', default: '{table}' }),
  FLUSH_SIZE: integer({ description: 'records of a table that make a batch', default: 10_000, min: 1 }),
  FLUSH_BYTES: integer({ description: 'bytes in memory that are flushed', default: 32 * 1024 * 1024, min: 1024 }),
  FLUSH_INTERVAL_MS: integer({ description: 'milliseconds after which a batch is written, however small', default: 5000, min: 1 }),
  DELETE_MODE: oneOf(['hard', 'soft'], { description: 'hard: a deleted row disappears from what users query; soft: kept, marked', default: 'hard' }),
  ON_BAD_RECORD: oneOf(['stop', 'dead-letter'], { description: 'what to do with a record that the target refuses', default: 'stop' }),
  SCHEMA_CHANGES: oneOf(['apply', 'ignore', 'stop'], { description: 'what to do when a table changes', default: 'apply' }),
} as const;

export type SinkSettings = Settings<typeof SINK_OPTIONS>;

/** Name of the target table for a source table, by `SINK_TABLE`. */
export function targetTableName(pattern: string, table: { readonly schema: string; readonly name: string }): string {
  return pattern.replaceAll(/\{schema\}|\{table\}/g, (part) => (part === '{schema}' ? table.schema : table.name));
}
