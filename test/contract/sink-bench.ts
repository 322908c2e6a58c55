import type { SinkSettings } from '../../shared/config/sink-options.ts';
import type { Sink, SinkResult } from '../../shared/connector/sink.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { packRecords } from '../../shared/record/pack-records.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { Changes, tableOf, type TableSpec } from './records.ts';

export type ContractSettings = Partial<Pick<SinkSettings, 'DELETE_MODE' | 'SCHEMA_CHANGES' | 'SINK_TABLE'>>;

/** One row of a target as users see it. */
export interface LiveRow {
  /** In canonical spelling (`canonical.ts`), by column; columns of the source only. */
  readonly values: Readonly<Record<string, string | null>>;
  readonly opType: string;
  readonly isDeleted: boolean;
  readonly version: number;
}

/** A real target to test against. Tables that tests make have names of their own, so nothing needs clearing. */
export interface SinkHarness {
  /** A sink on the target, with the connector's defaults otherwise. */
  createSink(settings: ContractSettings): Sink;
  /** What a user sees who queries the target by its plain name, with the columns of `table` that are there, in any order. */
  liveRows(table: TableSchema, targetName: string): Promise<readonly LiveRow[]>;
  close(): Promise<void>;
}

export type LiveValues = LiveRow['values'];

/** The target that all tests of a suite share; each makes tables of its own in it. */
export class ContractGround {
  readonly nullArray: string | null;
  readonly #run = Date.now().toString(36);
  #harness: SinkHarness | undefined;
  #count = 0;

  constructor(nullArray: string | null) {
    this.nullArray = nullArray;
  }

  enter(harness: SinkHarness): void {
    this.#harness = harness;
  }

  newName(stem: string): string {
    return `${stem}_${this.#run}_${++this.#count}`;
  }

  /** A table of its own for one test, and the sink that writes to it. */
  async open(spec: Partial<TableSpec> = {}, settings: ContractSettings = {}): Promise<Bench> {
    const table = tableOf({ name: this.newName('orders'), columns: { id: 'int64', name: 'text', amount: 'decimal' }, key: ['id'], ...spec });
    return new Bench(this.#entered(), table, settings);
  }

  async liveRows(table: TableSchema, targetName: string): Promise<readonly LiveRow[]> {
    return this.#entered().liveRows(table, targetName);
  }

  async close(): Promise<void> {
    await this.#harness?.close();
  }

  #entered(): SinkHarness {
    if (this.#harness === undefined) throw new Error('the target of the suite is not open');
    return this.#harness;
  }
}

/** One table, its changes, and a sink that writes them: the owner of what a test does. */
export class Bench implements AsyncDisposable {
  readonly changes: Changes;
  readonly #harness: SinkHarness;
  readonly #settings: ContractSettings;
  #isSetUp = false;
  sink: Sink;

  constructor(harness: SinkHarness, table: TableSchema, settings: ContractSettings) {
    this.changes = new Changes(table);
    this.#harness = harness;
    this.#settings = settings;
    this.sink = harness.createSink(settings);
  }

  /** As the runner does it: set up once, then batches. */
  async write(...records: readonly CdcRecord[]): Promise<SinkResult> {
    if (!this.#isSetUp) await this.sink.setup([this.changes.table]);
    this.#isSetUp = true;
    return this.sink.writeBatch(packRecords(records));
  }

  /** Another process takes over. */
  async restart(): Promise<void> {
    await this.sink.close();
    this.sink = this.#harness.createSink(this.#settings);
    this.#isSetUp = false;
  }

  async alter(table: TableSchema): Promise<void> {
    this.changes.alter(table);
    await this.sink.setup([table]);
  }

  /** The code of the error that setting up ends with. */
  async refusalOf(table: TableSchema): Promise<string> {
    const error: unknown = await this.sink.setup([table]).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return error instanceof CdcError ? error.code : String(error);
  }

  async live(table: TableSchema = this.changes.table): Promise<readonly LiveRow[]> {
    const rows = await this.#harness.liveRows(table, table.name);
    return rows.toSorted((a, b) => a.version - b.version);
  }

  /** Values of the live rows; in the order of their first column where that is `id`. */
  async rows(table: TableSchema = this.changes.table): Promise<readonly LiveValues[]> {
    const rows = (await this.live(table)).map(({ values }) => values);
    return rows.toSorted((a, b) => Number(a['id'] ?? 0) - Number(b['id'] ?? 0));
  }

  async keys(): Promise<readonly (string | null | undefined)[]> {
    return (await this.rows()).map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sink.close();
  }
}
