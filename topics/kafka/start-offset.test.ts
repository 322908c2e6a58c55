import { expect, test } from 'vitest';
import { type PartitionHistory, startOffset } from './start-offset.ts';

const at = (offset: bigint, topicId: string | undefined = 'this') => ({ offset, topicId });
const history = (part: Partial<PartitionHistory>): PartitionHistory => ({
  topicId: 'this',
  low: 0n,
  high: 1000n,
  committed: undefined,
  stored: undefined,
  ...part,
});

const cases: readonly (readonly [what: string, history: Partial<PartitionHistory>, offset: bigint, why: string])[] = [
  ['nothing is known: from the beginning that is there', { low: 7n }, 7n, 'beginning'],
  ['the group has committed', { committed: at(10n) }, 10n, 'kept'],
  ['the target is further than the group', { committed: at(10n), stored: at(20n) }, 20n, 'kept'],
  ['the group is further than the target', { committed: at(20n), stored: at(10n) }, 20n, 'kept'],
  ['the commit of the group is lost', { stored: at(20n) }, 20n, 'kept'],
  ['all is read', { committed: at(1000n) }, 1000n, 'kept'],
  ['retention took what was read', { low: 10n, committed: at(10n) }, 10n, 'kept'],
  ['retention took what was not read', { low: 11n, committed: at(10n) }, 10n, 'lost'],
  ['retention took what the group has not, but the target has', { low: 11n, committed: at(10n), stored: at(12n) }, 12n, 'kept'],
  ['the topic is another one', { committed: at(10n, 'that') }, 0n, 'recreated'],
  ['the target speaks of another topic', { committed: at(10n), stored: at(20n, 'that') }, 10n, 'kept'],
  ['another topic begins late', { low: 5n, committed: at(3n, 'that') }, 5n, 'recreated'],
  ['an offset is beyond the end', { committed: at(1001n) }, 0n, 'recreated'],
  ['the broker tells no ids', { topicId: undefined, committed: at(10n) }, 10n, 'kept'],
  ['the offset of the group was set by hand', { committed: { offset: 3n, topicId: undefined }, stored: at(20n) }, 3n, 'kept'],
  ['the offset was committed without an id', { committed: { offset: 10n, topicId: undefined } }, 10n, 'kept'],
  ['only the beginning of another topic was kept', { committed: at(0n, 'that') }, 0n, 'beginning'],
];

test.each(cases)('%s', (_what, part, offset, why) => {
  expect(startOffset(history(part))).toEqual({ offset, why });
});
