import type { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Checkpoint } from '../../shared/connector/sink.ts';
import { PackedChanges } from '../../shared/record/packed-changes.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { AssignedPartition, Delivery, PartitionOffset, RefusedRecord } from '../../topics/subscriber.ts';
import { Origins } from './origins.ts';

/** What one flush takes out of a lane. */
export interface LaneBatch {
  readonly generation: number;
  readonly records: PackedChanges;
  readonly origins: Origins;
  readonly bytes: number;
  /** What to commit once the records are durable. */
  readonly offsets: ReadonlyMap<number, bigint>;
  /** The same, as targets keep it; without one where the broker does not tell the topic's id. */
  readonly checkpoint: Checkpoint | undefined;
  /** When the records are written and nobody looks at them any more. */
  readonly release: () => void;
}

export type LaneState = 'running' | 'retrying' | 'stopped';

/** About what a record takes in memory beside the bytes of its value: its key and its frame in the topic, and the numbers of where all lies. */
const RECORD_OVERHEAD_BYTES = 100;
/** The same of a delivery, of however few records. */
const DELIVERY_OVERHEAD_BYTES = 1000;

interface Progress {
  /** All before this is durable in the target. */
  written: bigint;
  end: bigint;
}

/** The way of one topic's records to its target table: what has gathered, and what is being written. */
export class Lane {
  readonly topic: string;
  state: LaneState = 'running';
  error: CdcError | undefined;
  /** The record that stopped the lane, where it was one. */
  blocked: RefusedRecord | undefined;
  /** The schema that the target was last made ready for. */
  schema: TableSchema | undefined;
  writing: Promise<void> | undefined;
  written = 0;
  lastVersion = 0;
  readonly #partitions = new Map<number, Progress>();
  #topicId: string | undefined;
  #deliveries: PackedChanges[] = [];
  #releases: (() => void)[] = [];
  #count = 0;
  #origins = new Origins();
  #bytes = 0;
  #writingMemory = 0;
  #offsets = new Map<number, bigint>();
  #since = 0;

  constructor(topic: string) {
    this.topic = topic;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes in memory of what waits, and of what is being written. */
  get memory(): number {
    return this.#waitingMemory + this.#writingMemory;
  }

  get hasWork(): boolean {
    return this.#offsets.size > 0;
  }

  /** Partitions of the topic that the group has given to this process. */
  get partitions(): number {
    return this.#partitions.size;
  }

  /** Offsets of these partitions that are not written yet: records, and the marks of transactions. */
  get lag(): number {
    let lag = 0n;
    for (const { written, end } of this.#partitions.values()) if (end > written) lag += end - written;
    return Number(lag);
  }

  /** Milliseconds since the oldest record that waits came. */
  age(nowMs: number): number {
    return this.#offsets.size === 0 ? 0 : nowMs - this.#since;
  }

  /** Takes over a new assignment. What had gathered comes again, here or elsewhere; so does what had stopped us, elsewhere. */
  assign(partitions: readonly AssignedPartition[]): void {
    this.clear();
    this.#partitions.clear();
    this.#topicId = partitions[0]?.topicId;
    for (const { partition, offset, end } of partitions) this.#partitions.set(partition, { written: offset, end });
    if (partitions.length === 0 && this.state === 'stopped') this.restart();
  }

  restart(): void {
    this.state = 'running';
    this.error = undefined;
    this.blocked = undefined;
  }

  add(delivery: Delivery, nowMs: number): void {
    const { partition, records, bytes, nextOffset, lag, release } = delivery;
    if (this.#offsets.size === 0) this.#since = nowMs;
    this.#origins.add(delivery);
    if (records.length > 0) this.#deliveries.push(records);
    if (release !== undefined) this.#releases.push(release);
    this.#count += records.length;
    this.#bytes += bytes;
    this.#offsets.set(partition, nextOffset);
    this.endsAt(partition, nextOffset + BigInt(lag));
  }

  endsAt(partition: number, end: bigint): void {
    const progress = this.#partitions.get(partition);
    if (progress !== undefined) progress.end = end;
  }

  take(generation: number): LaneBatch {
    const offsets = this.#offsets;
    const checkpoint = this.#topicId === undefined ? undefined : { topic: this.topic, topicId: this.#topicId, offsets };
    const records = PackedChanges.join(this.#deliveries);
    const releases = this.#releases;
    const release = () => {
      for (const each of releases) each();
    };
    const batch = { generation, records, origins: this.#origins, bytes: this.#bytes, offsets, checkpoint, release };
    this.#writingMemory = this.#waitingMemory;
    this.clear();
    return batch;
  }

  /** The batch in hand is done with: nothing of it is held any more. */
  settle(): void {
    this.writing = undefined;
    this.#writingMemory = 0;
  }

  wroteUpTo(offsets: ReadonlyMap<number, bigint>): void {
    for (const [partition, offset] of offsets) {
      const progress = this.#partitions.get(partition);
      if (progress !== undefined && progress.written < offset) progress.written = offset;
    }
  }

  /** Where to go on reading, if nothing is in hand. */
  places(): readonly PartitionOffset[] {
    return [...this.#partitions].map(([partition, { written }]) => ({ topic: this.topic, partition, offset: written }));
  }

  clear(): void {
    this.#deliveries = [];
    this.#releases = [];
    this.#count = 0;
    this.#origins = new Origins();
    this.#bytes = 0;
    this.#offsets = new Map();
  }

  get #waitingMemory(): number {
    return this.#bytes + this.#count * RECORD_OVERHEAD_BYTES + this.#deliveries.length * DELIVERY_OVERHEAD_BYTES;
  }
}
