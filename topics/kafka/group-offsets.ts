import { isSetByHand, type KeptOffset, startOffset, type StartOffset } from './start-offset.ts';
import type { Cluster } from './kafkajs-internals.ts';
import type { Group } from './membership.ts';
import { topicIdsOf } from './topic-ids.ts';

export interface PartitionPlace {
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionOffset extends PartitionPlace {
  readonly offset: bigint;
}

/** An offset that a target keeps with its rows. */
export interface StoredOffset extends PartitionOffset {
  readonly topicId: string | undefined;
}

/** A partition that the group has given to us. */
export interface AssignedPartition extends PartitionOffset {
  readonly why: StartOffset['why'];
  readonly topicId: string | undefined;
  readonly low: bigint;
  readonly end: bigint;
  /** Whether the group already has this offset. */
  readonly isCommitted: boolean;
  /** Whether somebody else than the sink has set the group's offset, and the target has kept another one. */
  readonly isReset: boolean;
}

const place = ({ topic, partition }: PartitionPlace): string => `${topic}/${partition}`;

/** Where each partition of the assignment is read from, by what the group, the broker and the target know of it. */
export async function readAssignment(group: Group, storedOffsets: () => Promise<readonly StoredOffset[]>): Promise<readonly AssignedPartition[]> {
  const partitions = placesOf(group);
  if (partitions.length === 0) return [];
  const topics = group.assigned().map(({ topic }) => topic);
  const [ids, committed, lows, highs, stored] = await Promise.all([
    topicIdsOf(group.cluster, topics),
    readCommittedOffsets(group),
    readLimits(group, true),
    readLimits(group, false),
    storedOffsets(),
  ]);
  const storedAt = new Map(stored.map((each) => [place(each), each]));
  return partitions.map(({ topic, partition }) => {
    const at = place({ topic, partition });
    const [low, end, topicId] = [lows.get(at) ?? 0n, highs.get(at) ?? 0n, ids.get(topic)];
    const history = { topicId, low, high: end, committed: committed.get(at), stored: storedAt.get(at) };
    const start = startOffset(history);
    const isCommitted = isSame(committed.get(at), start.offset, topicId);
    return { topic, partition, ...start, topicId, low, end, isCommitted, isReset: isSetByHand(history) && history.stored !== undefined };
  });
}

function isSame(committed: KeptOffset | undefined, offset: bigint, topicId: string | undefined): boolean {
  return committed !== undefined && committed.offset === offset && committed.topicId === topicId;
}

function placesOf(group: Group): readonly PartitionPlace[] {
  return group.assigned().flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}

/** The ends of all partitions that are assigned, as a reader of committed records sees them. */
export async function readEnds(group: Group): Promise<readonly PartitionOffset[]> {
  const ends = await readLimits(group, false);
  return placesOf(group).flatMap((each) => {
    const offset = ends.get(place(each));
    return offset === undefined ? [] : [{ ...each, offset }];
  });
}

async function readLimits(group: Group, fromBeginning: boolean): Promise<ReadonlyMap<string, bigint>> {
  const asked = group.assigned().map(({ topic, partitions }) => ({ topic, partitions: partitions.map((partition) => ({ partition })), fromBeginning }));
  const found = asked.length === 0 ? [] : await group.retrier(async () => askForOffsets(group, asked));
  return new Map(found.flatMap(({ topic, partitions }) => partitions.map(({ partition, offset }) => [place({ topic, partition }), BigInt(offset)] as const)));
}

/** The leader that was told may have moved, or, of a topic that was just created, not have taken up its work. */
async function askForOffsets({ cluster }: Group, asked: Parameters<Cluster['fetchTopicsOffset']>[0]) {
  try {
    return await cluster.fetchTopicsOffset(asked);
  } catch (error) {
    await cluster.refreshMetadata();
    throw error;
  }
}

async function readCommittedOffsets(group: Group): Promise<ReadonlyMap<string, KeptOffset>> {
  const topics = group.assigned().map(({ topic, partitions }) => ({ topic, partitions: partitions.map((partition) => ({ partition })) }));
  const { responses } = await group.coordinator.offsetFetch({ groupId: group.groupId, topics });
  const kept = new Map<string, KeptOffset>();
  for (const { topic, partitions } of responses) {
    for (const { partition, offset, metadata } of partitions) {
      if (BigInt(offset) < 0n) continue;
      kept.set(place({ topic, partition }), { offset: BigInt(offset), topicId: metadata === null || metadata === '' ? undefined : metadata });
    }
  }
  return kept;
}

/** Commits under the generation that the group's offsets belong to now: a later one makes the broker refuse it. */
export async function commitOffsets(group: Group, offsets: readonly StoredOffset[], isFinal: (error: unknown) => boolean): Promise<void> {
  const { offsetManager } = group;
  const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, partitions]) => ({
    topic,
    partitions: partitions.map(({ partition, offset, topicId }) => ({ partition, offset: String(offset), metadata: topicId ?? null })),
  }));
  await group.retrier(async (bail) => {
    try {
      await offsetManager.commitOffsets({ topics });
    } catch (error) {
      if (isFinal(error)) bail(error);
      else throw error;
    }
  });
}

/** From here the client reads, whatever the group has committed. */
export function startFrom(group: Group, partitions: readonly AssignedPartition[]): void {
  const offsets = group.offsetManager.committedOffsets();
  for (const [topic, of] of Map.groupBy(partitions, ({ topic }) => topic))
    offsets[topic] = Object.fromEntries(of.map(({ partition, offset }) => [partition, String(offset)]));
}
