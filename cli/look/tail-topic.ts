import { EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { readableJson } from '../../topics/avro/readable.ts';
import type { FollowFrom } from '../../topics/kafka/topic-follower.ts';
import { type ReadableRecord, tailTopic } from '../../topics/topic-tail.ts';
import { print } from '../terminal.ts';
import { matchesKey } from './key-filter.ts';
import { readLogSettings } from './log-settings.ts';

export interface TailArguments {
  readonly from: FollowFrom;
  readonly key?: string;
  readonly json?: boolean;
  readonly limit?: number;
  /** false: ends at the present end of the topic. */
  readonly follow: boolean;
}

/** Prints records as they come; ends with 0 at Ctrl-C, at the limit, and when nobody reads the output any more. */
export async function tail(topic: string, { from, key, json, limit = Infinity, follow }: TailArguments): Promise<number> {
  const stop = stopOnSignal();
  const isWanted = (found: unknown): boolean => key === undefined || matchesKey(found, key);
  const records = tailTopic({ settings: readLogSettings(), topic, from, isEndless: follow, signal: stop.signal, log: silentLogger(), isWanted });
  let printed = 0;
  for await (const record of records) {
    print(json === true ? readableJson(record) : buildLine(record));
    if (++printed >= limit || stop.signal.aborted) break;
  }
  return EXIT.stopped;
}

function stopOnSignal(): AbortController {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  // Each line that was under way fails by itself.
  process.stdout.on('error', () => stop.abort());
  return stop;
}

/** Partition and offset, time, what happened, the key, and the row: the new one, of a delete the old one. */
export function buildLine({ partition, offset, timestamp, key, value }: ReadableRecord): string {
  return [`${partition}:${offset}`, timestamp, ...describe(value), key === null ? '' : readableJson(key), rowOf(value)]
    .filter((part) => part !== '')
    .join('  ');
}

interface Envelope {
  readonly op: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly unchanged?: readonly string[] | null;
}

const OPERATIONS: Readonly<Record<string, string>> = { c: 'insert', u: 'update', d: 'delete', r: 'read', t: 'truncate' };

function isEnvelope(value: unknown): value is Envelope {
  return typeof value === 'object' && value !== null && 'op' in value && 'after' in value;
}

function describe(value: unknown): readonly string[] {
  if (value === null) return ['tombstone'];
  return isEnvelope(value) ? [OPERATIONS[value.op] ?? value.op] : [];
}

function rowOf(value: unknown): string {
  if (value === null) return '';
  if (!isEnvelope(value)) return readableJson(value);
  const row = value.after ?? value.before;
  const unchanged = value.unchanged ?? [];
  return `${row === null ? '' : readableJson(row)}${unchanged.length === 0 ? '' : `  unchanged: ${unchanged.join(', ')}`}`;
}
