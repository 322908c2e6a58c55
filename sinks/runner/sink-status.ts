import type { CdcError } from '../../shared/errors/cdc-error.ts';
import { describeError } from '../../shared/observe/log.ts';
import type { Metrics } from '../../shared/observe/metrics.ts';
import type { Lane } from './lane.ts';
import { SinkMetrics } from './sink-metrics.ts';

export type SinkState = 'starting' | 'running' | 'waiting' | 'paused' | 'stopped';

/** What is known of a running sink, for `/status`, `/readyz` and the metrics. */
export class SinkStatus {
  readonly #identity: { readonly name: string; readonly type: string };
  readonly #metrics: Metrics;
  readonly #sinkMetrics: SinkMetrics;
  readonly #totals = { records: 0, bytes: 0, batches: 0 };
  #assignments = 0;
  #lagSeconds = 0;
  #lastError: unknown = null;
  state: SinkState = 'starting';
  hasJoined = false;
  lanes: ReadonlyMap<string, Lane> = new Map();

  constructor(identity: { readonly name: string; readonly type: string }, metrics: Metrics) {
    this.#identity = identity;
    this.#metrics = metrics;
    this.#sinkMetrics = new SinkMetrics(metrics, () => this.lanes.values());
  }

  wrote(batch: { readonly records: number; readonly bytes: number; readonly committedAtMicros: number; readonly seconds: number }): void {
    this.#totals.records += batch.records;
    this.#totals.bytes += batch.bytes;
    this.#totals.batches++;
    if (batch.committedAtMicros > 0) this.#lagSeconds = Math.max(0, Date.now() - batch.committedAtMicros / 1000) / 1000;
    this.#metrics.records.inc(batch.records);
    this.#metrics.bytes.inc(batch.bytes);
    this.#metrics.batchSeconds.observe(batch.seconds);
    this.#sinkMetrics.batchRecords.observe(batch.records);
    this.#metrics.lastPositionTime.setToCurrentTime();
    this.measured();
  }

  /** The group has given out its partitions. */
  assigned(): void {
    this.hasJoined = true;
    this.#assignments++;
    this.#sinkMetrics.assignments.inc();
    this.measured();
  }

  /** What the lanes know of their lag has changed. */
  measured(): void {
    this.#metrics.lagRecords.set(this.#lagRecords());
    this.#metrics.lagSeconds.set(this.#lagSecondsNow());
  }

  failed(error: CdcError): void {
    this.#lastError = describeError(error);
    this.#metrics.errors.inc({ code: error.code });
  }

  notReady(): string | undefined {
    if (this.state !== 'running' && this.state !== 'paused') return `the sink is ${this.state}`;
    if (!this.hasJoined) return 'the consumer group has not given out partitions yet';
    const lanes = this.#assignedLanes();
    const stopped = lanes.filter(({ state }) => state === 'stopped');
    if (stopped.length > 0) return `stopped topics: ${stopped.map(({ topic }) => topic).join(', ')}`;
    const [first] = lanes;
    // One table may be locked for a while; where none is written, it is the target.
    const isTargetAway = first !== undefined && lanes.every(({ state }) => state === 'retrying');
    return isTargetAway ? `the target takes nothing: ${first.error?.message ?? 'trying again'}` : undefined;
  }

  toJSON(): unknown {
    const lanes = this.#assignedLanes();
    return {
      kind: 'sink',
      ...this.#identity,
      state: this.state,
      ...this.#totals,
      lag: { records: this.#lagRecords(), seconds: this.#lagSecondsNow() },
      group: { assignments: this.#assignments, partitions: lanes.reduce((sum, { partitions }) => sum + partitions, 0) },
      tables: Object.fromEntries(lanes.map((lane) => [lane.topic, describeLane(lane)])),
      lastError: this.#lastError,
    };
  }

  #assignedLanes(): readonly Lane[] {
    return [...this.lanes.values()].filter(({ partitions }) => partitions > 0);
  }

  /** Of the record that was written last, as long as there are more to come. */
  #lagSecondsNow(): number {
    return this.#lagRecords() === 0 ? 0 : this.#lagSeconds;
  }

  #lagRecords(): number {
    return this.#assignedLanes().reduce((sum, lane) => sum + lane.lag, 0);
  }
}

function describeLane({ state, partitions, written, lastVersion, lag, error, blocked }: Lane): unknown {
  return {
    state,
    partitions,
    records: written,
    lastVersion,
    lag,
    error: error === undefined ? null : describeError(error),
    blockedBy: blocked === undefined ? null : { partition: blocked.partition, offset: blocked.origin.offset },
  };
}
