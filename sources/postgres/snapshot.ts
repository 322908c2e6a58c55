import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import type { SnapshotProgress, TableProgress } from '../../shared/connector/source.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableRef, TableSchema } from '../../shared/record/table-schema.ts';
import { ChunkWindow } from '../snapshot/chunk-window.ts';
import { type CatalogTable, type SchemaRules, type TableVersion, toTableVersion } from './catalog.ts';
import { connect, disconnect, toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { CopyTextReader } from './copy-text.ts';
import { type Barrier, barrierOf, isBehind, toNote } from './keyless.ts';
import { formatLsn, type LogicalMessage } from './parser.ts';
import { Relation } from './relation.ts';
import { buildCopyChunk, buildCopyTable, WRITE_MARK } from './statements.ts';
import { closeView, copyOut, openView, type TableView } from './table-view.ts';
import { isVisible, parseVisibility, type Visibility } from './visibility.ts';

/** A chunk is kept in memory until its mark comes by: it should not weigh more than this. */
const CHUNK_BYTES = 16 * 1024 * 1024;
const MIN_CHUNK_ROWS = 10;
/** Before anything is known of the size of a table's rows. */
const FIRST_CHUNK_ROWS = 1000;
const RECORD_OVERHEAD_BYTES = 200;
/** Where rows stand that were read before the stream began. */
const START = '00000000/00000000';

interface ChunkRows {
  /** Undefined where the table is gone. */
  readonly table: TableSchema | undefined;
  readonly rows: readonly Row[];
  readonly bytes: number;
  readonly visibility: Visibility;
  readonly lastKey: readonly string[] | null;
  readonly isLast: boolean;
}

interface Chunk extends ChunkRows {
  readonly id: string;
  readonly tableName: string;
  /** Resolves once the mark came by: true when the rows were handed on, false when they have to be read again. */
  readonly passed: PromiseWithResolvers<boolean>;
}

const NO_TABLE: ChunkRows = { table: undefined, rows: [], bytes: 0, visibility: parseVisibility(''), lastKey: null, isLast: true };

export interface SnapshotBatch {
  readonly records: CdcRecord[];
  readonly bytes: number;
  readonly snapshot: SnapshotProgress;
}

export interface SnapshotterOptions {
  readonly config: PostgresSourceConfig;
  readonly rules: SchemaRules;
  readonly log: Logger;
  readonly progress: SnapshotProgress;
  /** The version of a table that is current on the stream, where this one says the same. */
  readonly adopt: (version: TableVersion) => TableVersion;
  /** Hands a finished chunk on, at its place in the stream. */
  readonly publish: (batch: SnapshotBatch) => void;
  /** Hands rows of a table without a key on, before the stream starts. */
  readonly emit: (batch: SnapshotBatch) => Promise<void> | undefined;
}

/**
 * Reads the tables while the stream goes on; `ChunkWindow` says how the two meet.
 *
 * Tables are taken by a few workers, each with one connection and one chunk in flight. The end of each chunk is stored
 * together with its rows, so a snapshot that was interrupted goes on after the last chunk that was published.
 *
 * A table without a key offers nothing to tell rows apart by: it is read in one pass before the stream starts, and of
 * the stream's changes those are left out that this pass has seen. Interrupted, it starts over with a truncate. So does
 * a table that was read before and of which changes were missed since.
 */
export class Snapshotter {
  readonly #options: SnapshotterOptions;
  /** Of the tables that are not done. */
  readonly #windows = new Map<string, ChunkWindow>();
  /** Tables of which a worker may have a chunk in hand. */
  readonly #active = new Set<string>();
  readonly #chunks = new Map<string, Chunk>();
  readonly #barriers = new Map<string, Barrier>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #clients = new Set<Client>();
  #isStopped = false;
  #progress: SnapshotProgress;

  constructor(options: SnapshotterOptions) {
    this.#options = options;
    this.#progress = options.progress;
    for (const [name, { state }] of Object.entries(options.progress.tables)) {
      if (state !== 'done') this.#windows.set(name, new ChunkWindow());
    }
  }

  get progress(): SnapshotProgress {
    return this.#progress;
  }

  get isDone(): boolean {
    return Object.values(this.#progress.tables).every(({ state }) => state === 'done');
  }

  /** Notes a change that the stream has brought. False: the snapshot of a table without a key has it already. */
  touch(xid: number, commitPosition: string, table: TableSchema, row: Row): boolean {
    if (table.key.length === 0) return !this.#hasSeen(xid, commitPosition, table.qualifiedName);
    this.#windows.get(table.qualifiedName)?.touch(xid, row);
    return true;
  }

  /** The same of a TRUNCATE. */
  truncate(xid: number, commitPosition: string, table: TableSchema): boolean {
    if (table.key.length === 0) return !this.#hasSeen(xid, commitPosition, table.qualifiedName);
    this.#windows.get(table.qualifiedName)?.truncate(xid);
    return true;
  }

  /** A message of the log: where it is a chunk's mark, that chunk is handed on. */
  onMessage(message: LogicalMessage): void {
    const chunk = message.prefix === markPrefix(this.#options.config) ? this.#chunks.get(message.content) : undefined;
    if (chunk === undefined) return;
    this.#chunks.delete(chunk.id);
    const isSeen = (xid: number) => isVisible(chunk.visibility, xid);
    const rows = this.#windows.get(chunk.tableName)?.select(chunk.rows, isSeen);
    for (const [name, window] of this.#windows) if (!this.#active.has(name)) window.forget(isSeen);
    if (rows !== undefined) this.#handOn(chunk, rows, formatLsn(message.lsn));
    chunk.passed.resolve(rows !== undefined);
  }

  /** Reads all tables with a key; to be called while the stream runs. Resolves when the last chunk was handed on, or on `stop`. */
  async run(workers: number): Promise<void> {
    const waiting = Object.entries(this.#progress.tables)
      .filter(([, { state }]) => state !== 'done')
      .map(([name]) => name);
    if (waiting.length === 0) return;
    this.#options.log.info({ tables: waiting.length }, 'snapshot: reading tables beside the stream');
    await Promise.all(Array.from({ length: Math.min(workers, waiting.length) }, () => this.#work(waiting)));
    if (this.isDone) this.#options.log.info('snapshot: done');
  }

  /** Reads the tables without a key; to be called before the stream starts. */
  async readKeyless(tables: readonly CatalogTable[]): Promise<void> {
    for (const { ref } of tables) {
      const name = qualified(ref);
      if (this.#progress.tables[name]?.state !== 'done') await this.#withClient((client) => this.#copyKeyless(client, ref, name));
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
    for (const chunk of this.#chunks.values()) chunk.passed.resolve(false);
    for (const client of this.#clients) void disconnect(client);
  }

  async #work(waiting: string[]): Promise<void> {
    for (let name = waiting.shift(); name !== undefined && !this.#isStopped; name = waiting.shift()) {
      const table = name;
      this.#active.add(table);
      await this.#withClient((client) => this.#snapshotTable(client, table));
      this.#active.delete(table);
    }
  }

  async #snapshotTable(client: Client, name: string): Promise<void> {
    let limit = Math.min(FIRST_CHUNK_ROWS, this.#options.config.settings.SNAPSHOT_CHUNK_SIZE);
    while (!this.#isStopped && this.#progress.tables[name]?.state !== 'done') {
      const read = await this.#readChunk(client, name, limit);
      if (read.table === undefined) this.#options.log.warn({ table: name }, 'snapshot: the table was dropped meanwhile');
      if (read.rows.length > 0) limit = this.#limitFor(read.bytes / read.rows.length);
      const chunk: Chunk = { id: randomUUID(), tableName: name, ...read, passed: Promise.withResolvers() };
      this.#chunks.set(chunk.id, chunk);
      await client.query(WRITE_MARK, [markPrefix(this.#options.config), chunk.id]);
      if (!(await chunk.passed.promise) && !this.#isStopped)
        this.#options.log.warn({ table: name }, 'snapshot: reading a chunk again, too many of its rows changed meanwhile');
    }
  }

  async #readChunk(client: Client, name: string, limit: number): Promise<ChunkRows> {
    const view = await openView(client, parseName(name));
    if (view === undefined) return NO_TABLE;
    const { table, columns } = this.#versionOf(view);
    const key = table.keyColumns.map((column) => column.name);
    const before = this.#progress.tables[name]?.lastKey ?? null;
    const after = before?.length === key.length ? before : null;
    const names = columns.map((column) => column.name);
    const reader = new CopyTextReader(new Relation(table, columns), new RowWriter());
    const rows: Row[] = [];
    let bytes = 0;
    let isCut = false;
    for await (const piece of copyOut(client, buildCopyChunk({ table: view.table, columns: names, key, after, limit }))) {
      // Rows much larger than the ones before: what comes is read to its end, but not kept.
      isCut ||= bytes > 2 * CHUNK_BYTES;
      if (isCut) continue;
      for (const row of reader.read(piece)) {
        rows.push(row);
        bytes += row.byteLength + RECORD_OVERHEAD_BYTES;
      }
    }
    await closeView(client);
    const lastKey = rows.length === 0 ? null : reader.lastTexts(key.map((column) => names.indexOf(column)));
    return { table, rows, bytes, visibility: parseVisibility(view.snapshot), lastKey, isLast: !isCut && rows.length < limit };
  }

  #versionOf(view: TableView): TableVersion {
    const { table, columns } = this.#options.adopt(toTableVersion(view.table, this.#options.rules));
    return { table, columns: columns.filter(({ column }) => column >= 0) };
  }

  #limitFor(rowBytes: number): number {
    const byBytes = Math.max(MIN_CHUNK_ROWS, Math.floor(CHUNK_BYTES / Math.max(rowBytes, 1)));
    return Math.min(this.#options.config.settings.SNAPSHOT_CHUNK_SIZE, byBytes);
  }

  #handOn(chunk: Chunk, rows: readonly Row[], position: string): void {
    const before = this.#progress.tables[chunk.tableName] as TableProgress;
    this.#advance(chunk.tableName, {
      ...before,
      state: chunk.isLast ? 'done' : 'running',
      rows: before.rows + chunk.rows.length,
      lastKey: chunk.lastKey ?? before.lastKey,
    });
    const records = chunk.table === undefined ? [] : [schemaRecord(chunk.table, position)];
    if (chunk.table !== undefined && isRestart(before)) records.push(truncateRecord(chunk.table, position));
    for (const [index, row] of rows.entries()) records.push(readRecord(row, position, index));
    this.#options.publish({ records, bytes: chunk.bytes, snapshot: this.#progress });
  }

  #advance(name: string, progress: TableProgress): void {
    this.#progress = { tables: { ...this.#progress.tables, [name]: progress } };
    if (progress.state === 'done') this.#windows.delete(name);
  }

  async #copyKeyless(client: Client, ref: TableRef, name: string): Promise<void> {
    const view = await openView(client, ref);
    if (view === undefined) return;
    const { table, columns } = this.#versionOf(view);
    const before = this.#progress.tables[name] as TableProgress;
    const truncate = before.state === 'running' ? [truncateRecord(table, START)] : [];
    this.#advance(name, { ...before, state: 'running', rows: 0, lastKey: null, note: null });
    await this.#emit([schemaRecord(table, START), ...truncate], 0);
    const reader = new CopyTextReader(new Relation(table, columns), new RowWriter());
    let count = 0;
    for await (const piece of copyOut(
      client,
      buildCopyTable(
        view.table,
        columns.map((column) => column.name),
      ),
    )) {
      const rows = reader.read(piece);
      const records = rows.map((row, index) => readRecord(row, START, count + index));
      count += rows.length;
      this.#advance(name, { ...before, state: 'running', rows: count, lastKey: null, note: null });
      await this.#emit(
        records,
        rows.reduce((sum, row) => sum + row.byteLength + RECORD_OVERHEAD_BYTES, 0),
      );
    }
    await closeView(client);
    this.#advance(name, { ...before, state: 'done', rows: count, lastKey: null, note: toNote(view) });
    await this.#emit([], 0);
  }

  async #emit(records: CdcRecord[], bytes: number): Promise<void> {
    if (this.#isStopped) return;
    await Promise.race([this.#options.emit({ records, bytes, snapshot: this.#progress }), this.#stopped.promise]);
  }

  #hasSeen(xid: number, commitPosition: string, name: string): boolean {
    const barrier = this.#barriers.get(name) ?? barrierOf(this.#progress.tables[name]);
    if (barrier === undefined) return false;
    this.#barriers.set(name, barrier);
    return isBehind(barrier, xid, commitPosition);
  }

  async #withClient(use: (client: Client) => Promise<void>): Promise<void> {
    if (this.#isStopped) return;
    const client = await connect(this.#options.config);
    this.#clients.add(client);
    try {
      await use(client);
    } catch (error) {
      if (!this.#isStopped) throw toPostgresError(error, 'reading the snapshot');
    } finally {
      this.#clients.delete(client);
      await disconnect(client);
    }
  }
}

function schemaRecord(table: TableSchema, transaction: string): CdcRecord {
  return { kind: 'schemaChange', table, position: { transaction, ordinal: 0 } };
}

function truncateRecord(table: TableSchema, transaction: string): CdcRecord {
  return { kind: 'truncate', table, position: { transaction, ordinal: 0 }, committedAtMicros: 0, version: 0 };
}

function readRecord(row: Row, transaction: string, index: number): CdcRecord {
  return {
    kind: 'read',
    table: row.table,
    before: null,
    after: row,
    position: { transaction, ordinal: index + 1 },
    committedAtMicros: Date.now() * 1000,
    version: 0,
  };
}

export function markPrefix(config: PostgresSourceConfig): string {
  return `dbmazz-chunk:${config.slot}`;
}

/**
 * What is to be read, given what was read before: tables that are new start at their beginning, and those of which
 * changes may have been missed (`missed`) start over.
 */
export function planSnapshot(tables: readonly CatalogTable[], before: SnapshotProgress | null, missed: readonly TableRef[]): SnapshotProgress {
  const again = new Set(missed.map(qualified));
  const entries = tables.map(({ ref, expectedRows }): [string, TableProgress] => {
    const known = before?.tables[qualified(ref)];
    if (known === undefined) return [qualified(ref), { state: 'pending', rows: 0, expectedRows, lastKey: null, note: null }];
    const isAgain = again.has(qualified(ref)) && known.state !== 'pending';
    return [qualified(ref), isAgain ? { ...known, state: 'running', rows: 0, lastKey: null, note: null } : known];
  });
  return { tables: Object.fromEntries(entries) };
}

/** A table under way that is at its beginning: what was published of it before does not count. */
function isRestart({ state, lastKey }: TableProgress): boolean {
  return state === 'running' && lastKey === null;
}

function qualified({ schema, name }: TableRef): string {
  return `${schema}.${name}`;
}

/** The inverse: neither part of a name that TABLES can ask for has a dot. */
function parseName(name: string): TableRef {
  const dot = name.indexOf('.');
  return { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}
