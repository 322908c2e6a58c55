import { CdcError } from '../shared/errors/cdc-error.ts';
import type { TableRef } from '../shared/record/table-schema.ts';

/** Kafka's own limit of a topic name. */
const MAX_TOPIC_LENGTH = 249;

const CONTROL_TOPICS = ['transaction', 'schema-changes', 'heartbeat', 'signals', 'positions'] as const;
export type ControlTopic = (typeof CONTROL_TOPICS)[number];

/** `<source>.<schema>.<table>`; characters that Kafka does not allow become `_`. */
export function tableTopic(sourceName: string, table: TableRef): string {
  const topic = `${sourceName}.${table.schema}.${table.name}`.replaceAll(/[^a-zA-Z0-9._-]/g, '_');
  if (topic.length <= MAX_TOPIC_LENGTH) return topic;
  throw new CdcError('CONFIG_INVALID', `The topic of ${table.schema}.${table.name} would have more than ${MAX_TOPIC_LENGTH} characters.`, {
    remedy: 'Shorten SOURCE_NAME.',
  });
}

export function controlTopic(sourceName: string, topic: ControlTopic): string {
  return `${sourceName}.${topic}`;
}

/** Control topics have two parts, table topics at least three: a table called `transaction` is no control topic. */
export function isControlTopic(topic: string): boolean {
  const dot = topic.lastIndexOf('.');
  return topic.indexOf('.') === dot && CONTROL_TOPICS.some((name) => topic.endsWith(`.${name}`));
}

/**
 * Refuses two tables whose topics would be one, since each topic holds one table. Kafka names its metrics by topic with
 * `.` as `_`, so it refuses a topic whose name differs from another's only in these.
 */
export function assertDistinctTopics(sourceName: string, tables: readonly TableRef[]): void {
  const seen = new Map<string, TableRef>();
  for (const table of tables) {
    const topic = tableTopic(sourceName, table);
    const metricName = topic.replaceAll('.', '_');
    const other = seen.get(metricName);
    if (other !== undefined && (other.schema !== table.schema || other.name !== table.name)) {
      throw new CdcError(
        'CONFIG_INVALID',
        `Tables ${other.schema}.${other.name} and ${table.schema}.${table.name} ${sharing(tableTopic(sourceName, other), topic)}.`,
        { remedy: 'Leave one of them out of TABLES.' },
      );
    }
    seen.set(metricName, table);
  }
}

function sharing(one: string, other: string): string {
  return one === other ? `would share the topic ${one}` : `would have the topics ${one} and ${other}, which Kafka takes for one`;
}

/** A topic name as an Avro namespace: parts of letters, digits and `_`, none starting with a digit. */
export function avroNamespace(topic: string): string {
  return topic.split('.').map(avroName).join('.');
}

/** A column name as an Avro field name. */
export function avroName(name: string): string {
  const cleaned = name.replaceAll(/[^A-Za-z0-9_]/g, '_');
  return /^[A-Za-z_]/.test(cleaned) ? cleaned : `_${cleaned}`;
}
