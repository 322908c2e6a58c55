import { CdcError } from '../../shared/errors/cdc-error.ts';

/** Where a replay begins. */
export type ReplayFrom =
  | { readonly kind: 'beginning' }
  /** Of the records that were published then or later. */
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'offset'; readonly topic: string; readonly partition: number; readonly offset: bigint };

const ISO_TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;
const EPOCH_MS = /^\d{12,14}$/;
const OFFSET = /^([a-zA-Z0-9._-]+):(\d+):(\d+)$/;

/** Reads `--from`. A time without a zone is UTC. Throws `CONFIG_INVALID`. */
export function parseReplayFrom(text: string): ReplayFrom {
  if (text === 'beginning') return { kind: 'beginning' };
  if (EPOCH_MS.test(text)) return { kind: 'time', ms: Number(text) };
  const time = ISO_TIME.exec(text);
  const ms = time === null ? Number.NaN : Date.parse(time[1] === undefined && text.length > 10 ? `${text}Z` : text);
  if (!Number.isNaN(ms)) return { kind: 'time', ms };
  const [, topic, partition, offset] = (time === null ? OFFSET.exec(text) : null) ?? [];
  if (topic !== undefined) return { kind: 'offset', topic, partition: Number(partition), offset: BigInt(offset ?? 0) };
  throw new CdcError('CONFIG_INVALID', `--from is ${JSON.stringify(text)}.`, {
    remedy: 'Give beginning, a time such as 2026-11-24T06:00:00Z, or a place as <topic>:<partition>:<offset>.',
  });
}

/** Whether a topic is meant by `schema.table`, by `table`, or by its own name. */
export function isTopicOf(topic: string, table: string): boolean {
  return topic === table || topic.endsWith(`.${table}`);
}
