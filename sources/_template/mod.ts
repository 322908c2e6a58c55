import type { SourceConnector } from '../../shared/connector/connector.ts';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint, Emit, RecordBatch, Source, SourceLag } from '../../shared/connector/source.ts';
import { comparePositions, type SourcePosition } from '../../shared/record/position.ts';
import { type CdcRecord, isRowRecord } from '../../shared/record/record.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { ChangeReader, type TransactionEnd } from './change-reader.ts';
import { TEMPLATE_OPTIONS, type TemplateConfig, toConfig } from './config.ts';
import { parseEntry } from './parser.ts';
import { parsePlace } from './positions.ts';
import { connect, LogStream } from './replication.ts';
import { findProblems, prepare, schemasOf } from './setup.ts';
import { planSnapshot, Snapshotter } from './snapshot.ts';

/**
 * What belongs into `mod.ts`: the class that keeps the promises of `Source` by calling the other files in order, and the
 * constant that `sources/create-source.ts` lists. It composes and decides nothing; where that takes more than this, the
 * class has a file of its own (see `../postgres/source.ts`).
 *
 * This one reads a database in the memory of the process.
 */
class TemplateSource implements Source {
  readonly name = 'template';
  readonly #config: TemplateConfig;
  readonly #stream: LogStream;
  readonly #ends: TransactionEnd[] = [];
  #tables: readonly TableSchema[] = [];
  #position: SourcePosition | null = null;

  /** Opens no connection: that is for the first call. */
  constructor(config: TemplateConfig) {
    this.#config = config;
    this.#stream = new LogStream(config);
  }

  async validate(): Promise<readonly Finding[]> {
    return findProblems(connect(this.#config), this.#config);
  }

  async tables(): Promise<readonly TableSchema[]> {
    return schemasOf(connect(this.#config), this.#config.tables);
  }

  async setup(from: Checkpoint): Promise<readonly TableSchema[]> {
    this.#tables = prepare(connect(this.#config), this.#config, from);
    return this.#tables;
  }

  async start(from: Checkpoint, emit: Emit): Promise<void> {
    this.#position = from.position;
    const reader = new ChangeReader(this.#tables);
    const snapshotter = this.#config.hasSnapshot ? new Snapshotter(this.#config, connect(this.#config), planSnapshot(this.#tables, from.snapshot)) : undefined;
    snapshotter?.next();
    for await (const { index, bytes } of this.#stream.read(this.#firstPlace(from))) {
      const entry = parseEntry(bytes);
      if (entry.kind === 'mark') {
        const rows = snapshotter?.pass(entry.id, index);
        if (rows !== undefined) await this.#handOn(emit, rows, snapshotter);
        continue;
      }
      const records = reader.read(entry, index);
      for (const record of records) if (isRowRecord(record)) touch(snapshotter, reader.transaction, record);
      if (entry.kind === 'commit') this.#ends.push(reader.endAt(index));
      await this.#handOn(emit, records);
    }
  }

  async stop(): Promise<void> {
    this.#stream.stop();
  }

  currentPosition(): SourcePosition | null {
    return this.#position;
  }

  /** The log is let go up to the end of the last transaction that is durable as a whole. */
  acknowledge(position: SourcePosition): void {
    for (let end = this.#ends[0]; end !== undefined && comparePositions(end, position) <= 0; end = this.#ends[0]) {
      this.#stream.confirm(end.next);
      this.#ends.shift();
    }
  }

  async lag(): Promise<SourceLag> {
    return { bytes: null };
  }

  /** The beginning of the first transaction that may not be wholly there. */
  #firstPlace({ position }: Checkpoint): number {
    return Math.max(this.#stream.kept, position === null ? 0 : parsePlace(position));
  }

  async #handOn(emit: Emit, records: readonly CdcRecord[], snapshotter?: Snapshotter): Promise<void> {
    if (this.#stream.isStopped || (records.length === 0 && snapshotter === undefined)) return;
    const batch: RecordBatch = {
      records,
      bytes: records.reduce((sum, record) => sum + weigh(record), 0),
      ...(snapshotter === undefined ? {} : { snapshot: snapshotter.progress }),
    };
    if (snapshotter === undefined) this.#position = records.at(-1)?.position ?? this.#position;
    await this.#stream.waitFor(emit(batch) ?? Promise.resolve());
  }
}

function touch(snapshotter: Snapshotter | undefined, transaction: number, { before, after }: Extract<CdcRecord, { after: unknown }>): void {
  if (before !== null) snapshotter?.touch(transaction, before);
  if (after !== null) snapshotter?.touch(transaction, after);
}

function weigh(record: CdcRecord): number {
  return isRowRecord(record) ? (record.before?.byteLength ?? 0) + (record.after?.byteLength ?? 0) : 0;
}

export const templateSource: SourceConnector<typeof TEMPLATE_OPTIONS> = {
  options: TEMPLATE_OPTIONS,
  connectorName: 'template',
  create: (settings) => new TemplateSource(toConfig(settings)),
};
