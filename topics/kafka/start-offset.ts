/** An offset that was kept somewhere, with the id of the topic that it was of; without one where the broker knew none. */
export interface KeptOffset {
  readonly offset: bigint;
  readonly topicId: string | undefined;
}

/** What is known of a partition when it is given out. */
export interface PartitionHistory {
  /** undefined where the broker does not tell. */
  readonly topicId: string | undefined;
  /** The first record that is there. */
  readonly low: bigint;
  readonly high: bigint;
  /** What the group has committed. */
  readonly committed: KeptOffset | undefined;
  /** What the target has stored with its rows. */
  readonly stored: KeptOffset | undefined;
}

export interface StartOffset {
  readonly offset: bigint;
  /**
   * `kept`: where we have come to. `beginning`: never read before. `recreated`: the offsets that were kept are of a
   * topic of that name that is gone, so this one is read from its beginning. `lost`: records that we have not read yet
   * are no longer there; `offset` is where we would have gone on.
   */
  readonly why: 'kept' | 'beginning' | 'recreated' | 'lost';
}

/**
 * Where a partition is read from: the higher of the offsets that were kept, since what is before it is in the target. One
 * that was set by hand counts alone, for a replay.
 */
export function startOffset(history: PartitionHistory): StartOffset {
  const { topicId, low, high, committed, stored } = history;
  const kept = [committed, isSetByHand(history) ? undefined : stored].filter((each) => each !== undefined);
  const valid = kept.filter((each) => isOfTopic(each, topicId) && each.offset <= high);
  if (valid.length === 0) return { offset: low, why: isTrueHistory(kept) ? 'recreated' : 'beginning' };
  const offset = valid.reduce((highest, each) => (each.offset > highest ? each.offset : highest), 0n);
  return { offset, why: offset < low ? 'lost' : 'kept' };
}

/** A sink commits offsets with the topic's id; `replay`, and Kafka's own tools, without. */
export function isSetByHand({ topicId, committed }: PartitionHistory): boolean {
  return topicId !== undefined && committed !== undefined && committed.topicId === undefined;
}

/** An offset that was kept without an id may be of this topic; what is beyond its end cannot be. */
function isOfTopic(kept: KeptOffset, topicId: string | undefined): boolean {
  return kept.topicId === undefined || topicId === undefined || kept.topicId === topicId;
}

/** Of a topic that was never read, only the beginning may have been kept. */
function isTrueHistory(kept: readonly KeptOffset[]): boolean {
  return kept.some(({ offset }) => offset > 0n);
}
