import type { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { Delivered, Delivery } from '../../topics/subscriber.ts';

/** What one flush takes out of a lane. */
export interface LaneBatch {
  readonly generation: number;
  readonly records: readonly Delivered[];
  readonly bytes: number;
  /** What to commit once the records are durable. */
  readonly offsets: ReadonlyMap<number, bigint>;
}

export type LaneState = 'running' | 'retrying' | 'stopped';

/** The way of one topic's records to its target table: what has gathered, and what is being written. */
export class Lane {
  readonly topic: string;
  state: LaneState = 'running';
  error: CdcError | undefined;
  /** The schema that the target was last made ready for. */
  schema: TableSchema | undefined;
  writing: Promise<void> | undefined;
  writingBytes = 0;
  written = 0;
  lastVersion = 0;
  readonly #lags = new Map<number, number>();
  #records: Delivered[] = [];
  #bytes = 0;
  #offsets = new Map<number, bigint>();
  #since = 0;

  constructor(topic: string) {
    this.topic = topic;
  }

  get count(): number {
    return this.#records.length;
  }

  /** Bytes that wait, and bytes that are being written. */
  get bytes(): number {
    return this.#bytes + this.writingBytes;
  }

  get hasWork(): boolean {
    return this.#offsets.size > 0;
  }

  /** Records of the topic that are not written yet, as far as is known. */
  get lag(): number {
    let lag = this.#records.length;
    for (const behind of this.#lags.values()) lag += behind;
    return lag;
  }

  /** Milliseconds since the oldest record that waits came. */
  age(nowMs: number): number {
    return this.#offsets.size === 0 ? 0 : nowMs - this.#since;
  }

  add({ partition, records, bytes, nextOffset, lag }: Delivery, nowMs: number): void {
    if (this.#offsets.size === 0) this.#since = nowMs;
    for (const record of records) this.#records.push(record);
    this.#bytes += bytes;
    this.#offsets.set(partition, nextOffset);
    this.#lags.set(partition, lag);
  }

  take(generation: number): LaneBatch {
    const batch = { generation, records: this.#records, bytes: this.#bytes, offsets: this.#offsets };
    this.clear();
    return batch;
  }

  clear(): void {
    this.#records = [];
    this.#bytes = 0;
    this.#offsets = new Map();
  }
}
