import { createMemoryLog } from './memory-logger.ts';
import { liveSettings } from './live-topics.ts';
import type { Environment } from '../shared/config/options.ts';
import type { CdcError } from '../shared/errors/cdc-error.ts';
import type { ChangeRecord } from '../shared/record/record.ts';
import { type AssignedPartition, type Delivery, type RefusedRecord, type StoredOffset, Subscriber } from '../topics/subscriber.ts';

export interface MemberOptions {
  readonly groupId: string;
  readonly patterns: readonly string[];
  readonly environment?: Environment;
  /** What the target would say that it has. */
  readonly storedOffsets?: readonly StoredOffset[];
  /** Called with each delivery, after it was noted; a promise holds further ones back. */
  readonly onDelivery?: (member: TestMember, delivery: Delivery) => Promise<void> | undefined;
}

/** A record that was delivered, with where it came from. */
export interface Delivered extends RefusedRecord {
  readonly record: ChangeRecord;
}

/** A member of a consumer group that notes what it is given. */
export class TestMember {
  readonly records = new Map<string, Delivered[]>();
  readonly refused = new Map<string, CdcError>();
  /** Where to read on, by topic and partition. */
  readonly ends = new Map<string, { topic: string; partition: number; offset: bigint }>();
  readonly joins: (readonly string[])[] = [];
  /** Topics of which the target was told to forget its offsets. */
  readonly forgotten: string[] = [];
  /** The present assignment. */
  assigned: readonly AssignedPartition[] = [];
  readonly subscriber: Subscriber;
  readonly running: Promise<void>;
  refusals = 0;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #failure: Error | undefined;

  constructor({ groupId, patterns, onDelivery, environment, storedOffsets }: MemberOptions) {
    this.subscriber = new Subscriber({
      settings: liveSettings(groupId, environment),
      groupId,
      patterns,
      log: createMemoryLog().log,
      signal: this.#stop.signal,
      handlers: {
        deliver: (delivery) => {
          this.#note(delivery);
          return onDelivery?.(this, delivery);
        },
        refuse: (topic, error) => {
          this.refusals++;
          this.refused.set(topic, error);
          this.#wake();
        },
        storedOffsets: async () => storedOffsets ?? [],
        forgetStored: async (topics) => void this.forgotten.push(...topics),
        reassigned: (partitions) => {
          this.assigned = partitions;
          this.joins.push([...new Set(partitions.map(({ topic }) => topic))]);
          this.#wake();
        },
      },
    });
    this.running = this.subscriber.run();
    this.running.catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#wake();
    });
  }

  count(topic: string): number {
    return this.records.get(topic)?.length ?? 0;
  }

  get all(): readonly Delivered[] {
    return [...this.records.values()].flat();
  }

  /** Resolves when something is so; rejects with what ended the reading before. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure !== undefined) throw this.#failure;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
    }
  }

  /** Commits all that was delivered. */
  async commit(): Promise<void> {
    await this.subscriber.commit([...this.ends.values()]);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.subscriber.close();
    await this.running.catch(() => undefined);
  }

  #note({ topic, partition, records, origins, nextOffset }: Delivery): void {
    const changes = [...records];
    const delivered = Array.from(origins, (origin, index) => ({ record: changes[index] as ChangeRecord, partition, origin }));
    this.records.set(topic, [...(this.records.get(topic) ?? []), ...delivered]);
    this.ends.set(`${topic}/${partition}`, { topic, partition, offset: nextOffset });
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
