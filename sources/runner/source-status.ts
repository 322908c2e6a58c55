import type { Checkpoint, SnapshotProgress } from '../../shared/connector/source.ts';
import { describeError } from '../../shared/observe/log.ts';
import type { Metrics } from '../../shared/observe/metrics.ts';
import type { SourcePosition } from '../../shared/record/position.ts';
import { formatPosition } from '../../shared/record/position.ts';
import type { Commit } from '../../topics/publisher.ts';

export type SourceState = 'starting' | 'snapshot' | 'streaming' | 'waiting' | 'paused' | 'stopped';

/** What is known of a running source, for `/status`, `/readyz` and the metrics. */
export class SourceStatus {
  readonly #name: string;
  readonly #metrics: Metrics;
  readonly #totals = { records: 0, changes: 0, bytes: 0, transactions: 0 };
  #state: SourceState = 'starting';
  #position: SourcePosition | null = null;
  #snapshot: SnapshotProgress | null = null;
  #lagSeconds = 0;
  #lagBytes: number | null = null;
  #lastError: unknown = null;
  tables: readonly string[] = [];
  /** Whether an operator holds the flow. */
  isPaused = false;

  constructor(name: string, metrics: Metrics) {
    this.#name = name;
    this.#metrics = metrics;
  }

  get state(): SourceState {
    return this.isPaused && this.#isRunning() ? 'paused' : this.#state;
  }

  set state(state: SourceState) {
    this.#state = state;
  }

  /** Where the topics stand when a run begins. */
  resumed({ position, snapshot }: Checkpoint): void {
    this.#position = position;
    this.#snapshot = snapshot;
  }

  committed(commit: Commit): void {
    this.#position = commit.position;
    this.#snapshot = commit.snapshot;
    this.#totals.records += commit.records;
    this.#totals.changes += commit.changes;
    this.#totals.bytes += commit.bytes;
    this.#totals.transactions++;
    this.#lastError = null;
    if (commit.committedAtMicros > 0) this.#lagSeconds = Math.max(0, Date.now() - commit.committedAtMicros / 1000) / 1000;
    if (this.#isRunning()) this.#state = this.#isSnapshotting() ? 'snapshot' : 'streaming';
    this.#metrics.records.inc(commit.records);
    this.#metrics.bytes.inc(commit.bytes);
    this.#metrics.lagSeconds.set(this.#lagSeconds);
    this.#metrics.lastPositionTime.setToCurrentTime();
  }

  lag(bytes: number | null): void {
    this.#lagBytes = bytes;
    if (bytes !== null) this.#metrics.lagBytes.set(bytes);
  }

  failed(error: { readonly code: string }): void {
    this.#lastError = describeError(error);
    this.#state = 'waiting';
    this.#metrics.errors.inc({ code: error.code });
  }

  notReady(): string | undefined {
    if (this.#isRunning()) return undefined;
    return `the source is ${this.#state}`;
  }

  toJSON(): unknown {
    return {
      kind: 'source',
      name: this.#name,
      state: this.state,
      position: this.#position === null ? null : formatPosition(this.#position),
      ...this.#totals,
      lag: { bytes: this.#lagBytes, seconds: this.#lagSeconds },
      snapshot: this.#snapshot,
      tables: this.tables,
      lastError: this.#lastError,
    };
  }

  #isRunning(): boolean {
    return this.#state === 'streaming' || this.#state === 'snapshot';
  }

  #isSnapshotting(): boolean {
    return Object.values(this.#snapshot?.tables ?? {}).some(({ state }) => state !== 'done');
  }
}
