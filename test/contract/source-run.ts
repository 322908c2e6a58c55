import type { Checkpoint, RecordBatch, SnapshotProgress, Source } from '../../shared/connector/source.ts';
import type { StoppedTables } from '../../shared/connector/stopped-table.ts';
import { comparePositions, type SourcePosition } from '../../shared/record/position.ts';
import { type CdcRecord, isRowRecord, type RowRecord } from '../../shared/record/record.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';

/** How long anything may take that a test waits for; the tests wait on conditions, this only ends a hopeless one. */
const PATIENCE_MS = 45_000;

/**
 * A source that runs, and a small stand-in for the topics behind it: it keeps the records in their order, leaves out
 * those that the checkpoint has, as the publisher does, and acknowledges at once unless told not to.
 */
export class SourceRun {
  readonly source: Source;
  readonly tables: readonly TableSchema[];
  readonly records: CdcRecord[] = [];
  /** Everything that was emitted, what the checkpoint has included. */
  readonly emitted: CdcRecord[] = [];
  readonly from: Checkpoint;
  acknowledges = true;
  /** The largest batch, in bytes. */
  largestBatch = 0;
  /** Whether the source has said that its stream has come to where it began. */
  isPastSetup = false;
  /** Calls of `emit` that came while an earlier one was not settled. */
  overlaps = 0;
  #position: SourcePosition | null;
  #snapshot: SnapshotProgress | null;
  #stopped: StoppedTables;
  #log: string | undefined;
  #ended: Promise<void> = Promise.resolve();
  #failure: unknown;
  #hold: PromiseWithResolvers<void> | undefined;
  #isWaiting = false;
  #news = Promise.withResolvers<void>();

  constructor(source: Source, tables: readonly TableSchema[], from: Checkpoint) {
    this.source = source;
    this.tables = tables;
    this.from = from;
    this.#position = from.position;
    this.#snapshot = from.snapshot;
    this.#stopped = from.stopped ?? {};
    this.#log = from.log;
  }

  get checkpoint(): Checkpoint {
    return { position: this.#position, snapshot: this.#snapshot, stopped: this.#stopped, log: this.#log };
  }

  get snapshot(): SnapshotProgress | null {
    return this.#snapshot;
  }

  get stopped(): StoppedTables {
    return this.#stopped;
  }

  start(): void {
    this.#ended = this.source.start(this.from, (batch) => this.#emit(batch));
    this.#ended.catch((error: unknown) => {
      this.#failure = error;
      this.#tell();
    });
  }

  /** Resolves when the source has ended by itself, rejects with what ended it. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** From now on `emit` makes the source wait. */
  hold(): void {
    this.#hold ??= Promise.withResolvers();
  }

  release(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  acknowledge(position: SourcePosition | null = this.#position): void {
    if (position !== null) this.source.acknowledge(position);
  }

  /** Row changes and truncates of a table, in order. */
  changes(table: string): RowRecord[] {
    return this.records.filter((record): record is RowRecord => isRowRecord(record) && record.kind !== 'read' && record.table.qualifiedName === table);
  }

  reads(table: string): RowRecord[] {
    return this.records.filter((record): record is RowRecord => record.kind === 'read' && record.table.qualifiedName === table);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const timer = setTimeout(() => {
      this.#failure ??= new Error(`waited in vain for ${what}`);
      this.#tell();
    }, PATIENCE_MS);
    try {
      while (!condition()) {
        if (this.#failure !== undefined) throw this.#failure as Error;
        await this.#news.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<Checkpoint> {
    this.release();
    await this.source.stop();
    await this.#ended;
    return this.checkpoint;
  }

  #emit(batch: RecordBatch): Promise<void> | undefined {
    if (this.#isWaiting) this.overlaps++;
    this.largestBatch = Math.max(this.largestBatch, batch.bytes);
    for (const record of [...batch.records, ...(batch.reads ?? [])]) this.#take(record);
    if (batch.snapshot !== undefined) this.#snapshot = batch.snapshot;
    this.#log = batch.log ?? this.#log;
    this.isPastSetup ||= batch.isPastSetup === true;
    const stopped = Object.entries({ ...this.#stopped, ...batch.stopped }).filter(([, stop]) => stop !== null);
    this.#stopped = Object.fromEntries(stopped) as StoppedTables;
    if (this.acknowledges) this.acknowledge();
    if (batch.snapshot !== undefined) this.source.stored?.(batch.snapshot);
    this.#tell();
    if (this.#hold === undefined) return undefined;
    this.#isWaiting = true;
    return this.#hold.promise.then(() => void (this.#isWaiting = false));
  }

  #take(record: CdcRecord): void {
    this.emitted.push(record);
    const isStored = this.from.position !== null && comparePositions(record.position, this.from.position) <= 0;
    const isOutside = record.kind === 'read' || record.kind === 'schemaChange';
    if (isStored && !isOutside) return;
    this.records.push(record);
    if (!isOutside && record.kind !== 'begin' && !(record.kind === 'truncate' && record.committedAtMicros === 0)) this.#position = record.position;
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
