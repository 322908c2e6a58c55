import type { Admin, KafkaConfig } from 'kafkajs';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { createKafka, kafkaErrorType, toKafkaError } from './connection.ts';
import type { PartitionOffset } from './group-offsets.ts';
import { type Cluster, createCluster, GROUP_COORDINATOR } from './kafkajs-internals.ts';

export interface PartitionBounds {
  readonly partition: number;
  readonly low: bigint;
  readonly high: bigint;
}

/** The generation of a commit that comes from outside: the broker takes it only while the group has no members. */
const NO_GENERATION = -1;

/** Looks at consumer groups, and sets their offsets while nobody is in them. */
export class GroupAdmin {
  readonly #admin: Admin;
  readonly #cluster: Cluster;

  constructor(config: KafkaConfig) {
    this.#admin = createKafka(config).admin();
    this.#cluster = createCluster(config);
  }

  async connect(): Promise<void> {
    await this.#try('connecting', () => Promise.all([this.#admin.connect(), this.#cluster.connect()]));
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin.disconnect().catch(() => undefined), this.#cluster.disconnect().catch(() => undefined)]);
  }

  /** The number of processes that are in the group now. */
  async members(groupId: string): Promise<number> {
    const { groups } = await this.#try(`asking for the members of group ${groupId}`, () => this.#admin.describeGroups([groupId]));
    return groups[0]?.members.length ?? 0;
  }

  /** What the group has committed, of topics that are there. */
  async committed(groupId: string): Promise<readonly PartitionOffset[]> {
    return this.#try(`asking how far group ${groupId} is`, async () => {
      const existing = new Set(await this.#admin.listTopics());
      const found = await this.#admin.fetchOffsets({ groupId });
      return found
        .filter(({ topic }) => existing.has(topic))
        .flatMap(({ topic, partitions }) => partitions.map(({ partition, offset }) => ({ topic, partition, offset: BigInt(offset) })));
    });
  }

  async bounds(topic: string): Promise<readonly PartitionBounds[]> {
    const found = await this.#try(`asking for the offsets of ${topic}`, () => this.#admin.fetchTopicOffsets(topic));
    return found.map(({ partition, low, high }) => ({ partition, low: BigInt(low), high: BigInt(high) }));
  }

  /** The first records that were published at this time or later; the end where there is none. */
  async offsetsAt(topic: string, ms: number): Promise<readonly PartitionOffset[]> {
    const found = await this.#try(`asking for the offsets of ${topic}`, () => this.#admin.fetchTopicOffsetsByTimestamp(topic, ms));
    return found.map(({ partition, offset }) => ({ topic, partition, offset: BigInt(offset) }));
  }

  /** All of them or none. Without a topic's id, so that a sink takes them for what an operator wants. */
  async setOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void> {
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, partitions]) => ({
      topic,
      partitions: partitions.map(({ partition, offset }) => ({ partition, offset: String(offset), metadata: null })),
    }));
    await this.#try(`setting the offsets of group ${groupId}`, async () => {
      const broker = await this.#cluster.findGroupCoordinator({ groupId, coordinatorType: GROUP_COORDINATOR });
      try {
        await broker.offsetCommit({ groupId, groupGenerationId: NO_GENERATION, memberId: '', topics });
      } catch (error) {
        if (kafkaErrorType(error) === 'UNKNOWN_MEMBER_ID') throw groupIsAlive(groupId, error);
        throw error;
      }
    });
  }

  /** Of a group that nobody is in. */
  async forget(groupId: string): Promise<void> {
    await this.#try(`deleting group ${groupId}`, () => this.#admin.deleteGroups([groupId]));
  }

  async #try<T>(doing: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toKafkaError(error, doing);
    }
  }
}

export function groupIsAlive(groupId: string, cause?: unknown): CdcError {
  return new CdcError('SINK_RUNNING', `Processes of group ${groupId} are running.`, { cause });
}
