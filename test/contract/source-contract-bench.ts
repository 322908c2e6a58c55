import type { Checkpoint, Source } from '../../shared/connector/source.ts';
import { type CdcRecord, isRowRecord } from '../../shared/record/record.ts';
import { SourceRun } from './source-run.ts';

export interface SourceContractSettings {
  readonly SNAPSHOT_MODE?: 'initial' | 'never';
  readonly SNAPSHOT_CHUNK_SIZE?: string;
}

export type HarnessChange =
  | { readonly kind: 'insert' | 'update'; readonly table: string; readonly id: number; readonly v: string | null }
  | { readonly kind: 'delete'; readonly table: string; readonly id: number };

/** A real database to read from, one for each test. Tables have a key `id` (32-bit integer) and a column `v` (text, nullable). */
export interface SourceHarness extends AsyncDisposable {
  createTable(name: string): Promise<void>;
  /** A further column of text. */
  addColumn(table: string, column: string): Promise<void>;
  /** One committed transaction. */
  commit(...changes: readonly HarnessChange[]): Promise<void>;
  /** A source of these tables; always of the same name. */
  createSource(tables: readonly string[], settings: SourceContractSettings): Source;
  /** Resolves once a source that was stopped has let go of what only one can hold. */
  released(): Promise<void>;
  /** The database forgets what the source has not read. */
  loseHistory(): Promise<void>;
}

export const NOTHING: Checkpoint = { position: null, snapshot: null };
export const STREAM_ONLY: SourceContractSettings = { SNAPSHOT_MODE: 'never' };

export const insert = (table: string, id: number, v: string | null = 'x'): HarnessChange => ({ kind: 'insert', table, id, v });
export const update = (table: string, id: number, v: string | null): HarnessChange => ({ kind: 'update', table, id, v });
export const remove = (table: string, id: number): HarnessChange => ({ kind: 'delete', table, id });

export const isOfStream = ({ kind }: CdcRecord) => kind !== 'read' && kind !== 'schemaChange' && kind !== 'heartbeat';
export const places = (records: readonly CdcRecord[]) => records.filter(isOfStream).map(({ kind, position }) => ({ kind, position }));
const tail = (run: SourceRun) => run.records.filter(isOfStream).at(-1);

/** A harness of its own with these tables. */
export type OpenBench = (...tables: readonly string[]) => Promise<SourceBench>;

/** A harness with tables, and the sources that a test starts on it. */
export class SourceBench implements AsyncDisposable {
  readonly harness: SourceHarness;
  readonly #runs: SourceRun[] = [];

  static async open(open: () => Promise<SourceHarness>, ...tables: readonly string[]): Promise<SourceBench> {
    const bench = new SourceBench(await open());
    for (const table of tables) await bench.harness.createTable(table);
    return bench;
  }

  private constructor(harness: SourceHarness) {
    this.harness = harness;
  }

  async start(tables: readonly string[], settings: SourceContractSettings, from = NOTHING): Promise<SourceRun> {
    const source = this.harness.createSource(tables, settings);
    const run = new SourceRun(source, await source.setup(from), from);
    this.#runs.push(run);
    run.start();
    return run;
  }

  /** Stops a source and starts another one where its records end. */
  async restart(run: SourceRun, tables: readonly string[], settings: SourceContractSettings, from?: Checkpoint): Promise<SourceRun> {
    const checkpoint = await run.stop();
    await this.harness.released();
    return this.start(tables, settings, from ?? checkpoint);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#runs.map(async (run) => run.stop().catch(() => undefined)));
    await this.harness.released();
    await this.harness[Symbol.asyncDispose]();
  }
}

/** Waits until so many row changes have come, and their transaction is whole. */
export async function arrived(run: SourceRun, changes: number): Promise<void> {
  const isThere = () => run.records.filter((record) => isRowRecord(record) && record.kind !== 'read').length >= changes && tail(run)?.kind === 'commit';
  await run.until(isThere, `${changes} changes`);
}

export async function snapshotDone(run: SourceRun): Promise<void> {
  await run.until(() => run.tables.every(({ qualifiedName }) => run.snapshot?.tables[qualifiedName]?.state === 'done'), 'the snapshot');
}
