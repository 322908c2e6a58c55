import type { Checkpoint, SnapshotProgress } from '../../shared/connector/source.ts';
import type { StoppedTables } from '../../shared/connector/stopped-table.ts';
import { describeError } from '../../shared/observe/log.ts';
import type { Metrics } from '../../shared/observe/metrics.ts';
import type { SourcePosition } from '../../shared/record/position.ts';
import { formatPosition } from '../../shared/record/position.ts';
import type { Commit } from '../../topics/publisher.ts';
import { PaceMeter, type SnapshotPace } from './snapshot-pace.ts';
import type { SlotView } from './slot-view.ts';
import { SourceMetrics } from './source-metrics.ts';

export type SourceState = 'starting' | 'snapshot' | 'streaming' | 'waiting' | 'paused' | 'stopped';

/** What is known of a running source, for `/status`, `/readyz` and the metrics. */
export class SourceStatus {
  readonly #name: string;
  readonly #metrics: Metrics;
  /** What only sources measure. */
  readonly metrics: SourceMetrics;
  readonly #totals = { records: 0, changes: 0, bytes: 0, transactions: 0 };
  #state: SourceState = 'starting';
  #position: SourcePosition | null = null;
  #snapshot: SnapshotProgress | null = null;
  #stopped: StoppedTables = {};
  readonly #passedOver = { topics: new Map<string, number>(), source: new Map<string, number>() };
  #lagSeconds = 0;
  #lagBytes: number | null = null;
  #lastError: unknown = null;
  tables: readonly string[] = [];
  /** Tables that are no longer there, and what has become of each. */
  missing: Readonly<Record<string, string>> = {};
  readonly #pace = new PaceMeter();
  slot: SlotView | null = null;
  /** Whether an operator holds the flow. */
  isPaused = false;

  constructor(name: string, metrics: Metrics) {
    this.#name = name;
    this.#metrics = metrics;
    this.metrics = new SourceMetrics(metrics.registry);
  }

  get state(): SourceState {
    return this.isPaused && this.#isRunning() ? 'paused' : this.#state;
  }

  set state(state: SourceState) {
    this.#state = state;
  }

  /** Where the topics stand when a run begins. */
  resumed({ position, snapshot, stopped = {} }: Checkpoint): void {
    this.#position = position;
    this.#snapshot = snapshot;
    this.#pace.note(snapshot, Date.now());
    this.#setStopped(stopped);
  }

  committed(commit: Commit): void {
    this.#position = commit.position;
    this.#snapshot = commit.snapshot;
    if (this.#state === 'snapshot') this.#pace.note(commit.snapshot, Date.now());
    if (commit.stopped !== this.#stopped) this.#setStopped(commit.stopped);
    this.#count('topics', commit.passedOver);
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

  /** How far the snapshot is; undefined where nothing is being read. */
  pace(): SnapshotPace | undefined {
    return this.#pace.pace(Date.now());
  }

  lag(bytes: number | null): void {
    this.#lagBytes = bytes;
    if (bytes !== null) this.#metrics.lagBytes.set(bytes);
  }

  /** Changes of stopped tables that the source has passed over since it started. */
  passedOver(counts: Readonly<Record<string, number>>): void {
    this.#count('source', counts);
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
      snapshotPace: this.pace() ?? null,
      missing: this.missing,
      tables: this.tables,
      slot: this.slot,
      stopped: this.#describeStopped(),
      lastError: this.#lastError,
    };
  }

  #setStopped(stopped: StoppedTables): void {
    this.#stopped = stopped;
    this.metrics.passedOver.reset();
    for (const table of Object.keys(stopped)) this.metrics.passedOver.set({ table }, this.#passed(table));
  }

  #count(where: 'topics' | 'source', counts: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(counts)) {
      if (!(name in this.#stopped)) continue;
      this.#passedOver[where].set(name, count);
      this.metrics.passedOver.set({ table: name }, this.#passed(name));
    }
  }

  #passed(name: string): number {
    return (this.#passedOver.topics.get(name) ?? 0) + (this.#passedOver.source.get(name) ?? 0);
  }

  #describeStopped(): Record<string, unknown> {
    const entries = Object.entries(this.#stopped).map(([name, { code, message, remedy, position, stoppedAtMs }]) => {
      const since = new Date(stoppedAtMs).toISOString();
      return [name, { code, message, remedy, position: formatPosition(position), since, passedOver: this.#passed(name) }];
    });
    return Object.fromEntries(entries) as Record<string, unknown>;
  }

  #isRunning(): boolean {
    return this.#state === 'streaming' || this.#state === 'snapshot';
  }

  #isSnapshotting(): boolean {
    return Object.values(this.#snapshot?.tables ?? {}).some(({ state }) => state !== 'done');
  }
}
