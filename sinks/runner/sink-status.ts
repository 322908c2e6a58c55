import type { CdcError } from '../../shared/errors/cdc-error.ts';
import { describeError } from '../../shared/observe/log.ts';
import type { Metrics } from '../../shared/observe/metrics.ts';
import type { Lane } from './lane.ts';

export type SinkState = 'starting' | 'running' | 'waiting' | 'paused' | 'stopped';

/** What is known of a running sink, for `/status`, `/readyz` and the metrics. */
export class SinkStatus {
  readonly #identity: { readonly name: string; readonly type: string };
  readonly #metrics: Metrics;
  readonly #totals = { records: 0, bytes: 0, batches: 0 };
  #lagSeconds = 0;
  #lastError: unknown = null;
  state: SinkState = 'starting';
  hasJoined = false;
  lanes: ReadonlyMap<string, Lane> = new Map();

  constructor(identity: { readonly name: string; readonly type: string }, metrics: Metrics) {
    this.#identity = identity;
    this.#metrics = metrics;
  }

  wrote(batch: { readonly records: number; readonly bytes: number; readonly committedAtMicros: number; readonly seconds: number }): void {
    this.#totals.records += batch.records;
    this.#totals.bytes += batch.bytes;
    this.#totals.batches++;
    if (batch.committedAtMicros > 0) this.#lagSeconds = Math.max(0, Date.now() - batch.committedAtMicros / 1000) / 1000;
    this.#metrics.records.inc(batch.records);
    this.#metrics.bytes.inc(batch.bytes);
    this.#metrics.batchSeconds.observe(batch.seconds);
    this.#metrics.lagSeconds.set(this.#lagSeconds);
    this.#metrics.lagRecords.set(this.#lagRecords());
    this.#metrics.lastPositionTime.setToCurrentTime();
  }

  failed(error: CdcError): void {
    this.#lastError = describeError(error);
    this.#metrics.errors.inc({ code: error.code });
  }

  notReady(): string | undefined {
    if (this.state !== 'running' && this.state !== 'paused') return `the sink is ${this.state}`;
    if (!this.hasJoined) return 'the consumer group has not given out partitions yet';
    const stopped = [...this.lanes.values()].filter(({ state }) => state === 'stopped');
    return stopped.length === 0 ? undefined : `stopped topics: ${stopped.map(({ topic }) => topic).join(', ')}`;
  }

  toJSON(): unknown {
    return {
      kind: 'sink',
      ...this.#identity,
      state: this.state,
      ...this.#totals,
      lag: { records: this.#lagRecords(), seconds: this.#lagSeconds },
      tables: Object.fromEntries([...this.lanes.values()].map((lane) => [lane.topic, describeLane(lane)])),
      lastError: this.#lastError,
    };
  }

  #lagRecords(): number {
    return [...this.lanes.values()].reduce((sum, lane) => sum + lane.lag, 0);
  }
}

function describeLane(lane: Lane): unknown {
  const { state, written, lastVersion, lag, error } = lane;
  return { state, records: written, lastVersion, lag, error: error === undefined ? null : describeError(error) };
}
