import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { SnapshotProgress, TableProgress } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableRef, TableSchema } from '../../shared/record/table-schema.ts';
import { ChunkWindow } from '../snapshot/chunk-window.ts';
import { type CatalogTable, describeTables, type SchemaRules, type TableVersion, toTableVersion } from './catalog.ts';
import { connect, toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { CopyTextReader } from './copy-text.ts';
import { formatLsn, type LogicalMessage } from './parser.ts';
import { Relation } from './relation.ts';
import { buildCopyChunk, buildCopyTable } from './statements.ts';
import { isVisible, parseVisibility, type Visibility } from './visibility.ts';

/** A chunk is kept in memory until its mark comes by: it should not weigh more than this. */
const CHUNK_BYTES = 16 * 1024 * 1024;
const MIN_CHUNK_ROWS = 10;
const RECORD_OVERHEAD_BYTES = 200;

interface Chunk {
  readonly id: string;
  readonly tableName: string;
  readonly rows: readonly Row[];
  readonly bytes: number;
  readonly visibility: Visibility;
  readonly lastKey: readonly string[] | null;
  readonly isLast: boolean;
  /** Resolves once the mark came by: true when the rows were handed on, false when they have to be read again. */
  readonly passed: PromiseWithResolvers<boolean>;
}

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
 * the stream's changes those are left out that this pass has seen. Interrupted, it starts over with a truncate.
 */
export class Snapshotter {
  readonly #options: SnapshotterOptions;
  readonly #windows = new Map<string, ChunkWindow>();
  readonly #chunks = new Map<string, Chunk>();
  readonly #stopped = new AbortController();
  readonly #clients = new Set<Client>();
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
    if (table.key.length === 0) return !this.#isInBarrier(xid, commitPosition, table.qualifiedName);
    this.#windows.get(table.qualifiedName)?.touch(xid, row);
    return true;
  }

  /** A message of the log: where it is a chunk's mark, that chunk is handed on. */
  onMessage(message: LogicalMessage): void {
    const chunk = message.prefix === markPrefix(this.#options.config) ? this.#chunks.get(message.content) : undefined;
    if (chunk === undefined) return;
    this.#chunks.delete(chunk.id);
    const rows = this.#windows.get(chunk.tableName)?.select(chunk.rows, (xid) => isVisible(chunk.visibility, xid));
    if (rows !== undefined) this.#handOn(chunk, rows, formatLsn(message.lsn));
    chunk.passed.resolve(rows !== undefined);
  }

  /** Reads all tables with a key; to be called while the stream runs. Resolves when the last chunk was handed on, or on `stop`. */
  async run(workers: number): Promise<void> {
    const waiting = Object.entries(this.#progress.tables).filter(([, { state }]) => state !== 'done').map(([name]) => name);
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
    this.#stopped.abort();
    for (const chunk of this.#chunks.values()) chunk.passed.resolve(false);
    for (const client of this.#clients) void client.end().catch(() => undefined);
  }

  async #work(waiting: string[]): Promise<void> {
    for (let name = waiting.shift(); name !== undefined && !this.#stopped.signal.aborted; name = waiting.shift()) {
      const table = name;
      await this.#withClient((client) => this.#snapshotTable(client, table));
    }
  }

  async #snapshotTable(client: Client, name: string): Promise<void> {
    const ref = parseName(name);
    let limit: number | undefined;
    while (!this.#stopped.signal.aborted && this.#progress.tables[name]?.state !== 'done') {
      const chunk = await this.#readChunk(client, ref, name, limit);
      if (chunk.rows.length > 0) limit = this.#limitFor(chunk.bytes / chunk.rows.length);
      this.#chunks.set(chunk.id, chunk);
      await client.query('SELECT pg_logical_emit_message(false, $1, $2)', [markPrefix(this.#options.config), chunk.id]);
      if (!(await chunk.passed.promise) && !this.#stopped.signal.aborted) this.#options.log.warn({ table: name }, 'snapshot: reading a chunk again, too many of its rows changed meanwhile');
    }
  }

  async #readChunk(client: Client, ref: TableRef, name: string, limit: number | undefined): Promise<Chunk> {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: seen } = await client.query<{ snapshot: string }>('SELECT pg_current_snapshot()::text AS snapshot');
    const [table] = await describeTables(client, [ref]);
    if (table === undefined) throw new CdcError('TABLE_NOT_FOUND', `Table ${name} was dropped while its snapshot was under way.`, { remedy: 'Take it out of TABLES.' });
    const version = this.#options.adopt(toTableVersion(table, this.#options.rules));
    const columns = version.columns.filter(({ column }) => column >= 0);
    const key = version.table.keyColumns.map((column) => column.name);
    const rowLimit = limit ?? this.#limitFor(table.expectedRows > 0 ? table.tableBytes / table.expectedRows : 1000);
    const sql = buildCopyChunk({ table: ref, columns: columns.map((column) => column.name), key, after: this.#progress.tables[name]?.lastKey ?? null, limit: rowLimit });
    const reader = new CopyTextReader(new Relation(version.table, columns), new RowWriter());
    const rows: Row[] = [];
    let bytes = 0;
    for await (const piece of client.query(copyTo(sql)) as AsyncIterable<Buffer>) {
      for (const row of reader.read(piece)) {
        rows.push(row);
        bytes += row.byteLength + RECORD_OVERHEAD_BYTES;
      }
    }
    await client.query('COMMIT');
    const lastKey = rows.length === 0 ? null : reader.lastTexts(key.map((column) => columns.findIndex((entry) => entry.name === column)));
    return { id: randomUUID(), tableName: name, rows, bytes, visibility: parseVisibility(seen[0]?.snapshot ?? ''), lastKey, isLast: rows.length < rowLimit, passed: Promise.withResolvers() };
  }

  #limitFor(rowBytes: number): number {
    const byBytes = Math.max(MIN_CHUNK_ROWS, Math.floor(CHUNK_BYTES / Math.max(rowBytes, 1)));
    return Math.min(this.#options.config.settings.SNAPSHOT_CHUNK_SIZE, byBytes);
  }

  #handOn(chunk: Chunk, rows: readonly Row[], position: string): void {
    const before = this.#progress.tables[chunk.tableName] as TableProgress;
    this.#advance(chunk.tableName, { ...before, state: chunk.isLast ? 'done' : 'running', rows: before.rows + chunk.rows.length, lastKey: chunk.lastKey ?? before.lastKey });
    if (chunk.isLast) this.#windows.delete(chunk.tableName);
    const records = rows.map((row, index) => readRecord(row, position, index));
    const first = rows[0];
    const announced = first === undefined ? records : [schemaRecord(first.table, position), ...records];
    this.#options.publish({ records: announced, bytes: chunk.bytes, snapshot: this.#progress });
  }

  #advance(name: string, progress: TableProgress): void {
    this.#progress = { tables: { ...this.#progress.tables, [name]: progress } };
  }

  async #copyKeyless(client: Client, ref: TableRef, name: string): Promise<void> {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: seen } = await client.query<{ snapshot: string; lsn: string }>('SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_lsn()::text AS lsn');
    const [table] = await describeTables(client, [ref]);
    if (table === undefined) return;
    const version = this.#options.adopt(toTableVersion(table, this.#options.rules));
    const columns = version.columns.filter(({ column }) => column >= 0);
    const start = '00000000/00000000';
    const before = this.#progress.tables[name] as TableProgress;
    if (before.state === 'running') {
      const position = { transaction: start, ordinal: 0 };
      await this.#options.emit({ records: [schemaRecord(version.table, start), { kind: 'truncate', table: version.table, position, committedAtMicros: 0, version: 0 }], bytes: 0, snapshot: this.#progress });
    }
    this.#advance(name, { ...before, state: 'running', rows: 0 });
    await this.#options.emit({ records: [schemaRecord(version.table, start)], bytes: 0, snapshot: this.#progress });
    const reader = new CopyTextReader(new Relation(version.table, columns), new RowWriter());
    let count = 0;
    for await (const piece of client.query(copyTo(buildCopyTable(ref, columns.map((column) => column.name)))) as AsyncIterable<Buffer>) {
      const rows = reader.read(piece);
      const records = rows.map((row, index) => readRecord(row, start, count + index));
      count += rows.length;
      this.#advance(name, { ...before, state: 'running', rows: count });
      await this.#options.emit({ records, bytes: rows.reduce((sum, row) => sum + row.byteLength + RECORD_OVERHEAD_BYTES, 0), snapshot: this.#progress });
    }
    await client.query('COMMIT');
    this.#advance(name, { ...before, state: 'done', rows: count, note: `${seen[0]?.lsn ?? ''} ${seen[0]?.snapshot ?? ''}` });
    await this.#options.emit({ records: [], bytes: 0, snapshot: this.#progress });
  }

  readonly #barriers = new Map<string, { readonly lsn: string; readonly visibility: Visibility } | null>();

  #isInBarrier(xid: number, commitPosition: string, name: string): boolean {
    const barrier = this.#barrierOf(name);
    return barrier !== null && commitPosition <= barrier.lsn && isVisible(barrier.visibility, xid);
  }

  #barrierOf(name: string) {
    const cached = this.#barriers.get(name);
    const note = this.#progress.tables[name]?.note;
    if (cached !== undefined || note == null) return cached ?? null;
    const [lsn = '', snapshot = ''] = note.split(' ');
    const [high = '', low = ''] = lsn.split('/');
    const barrier = { lsn: formatLsn({ high: Number.parseInt(high, 16), low: Number.parseInt(low, 16) }), visibility: parseVisibility(snapshot) };
    this.#barriers.set(name, barrier);
    return barrier;
  }

  async #withClient(use: (client: Client) => Promise<void>): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const client = await connect(this.#options.config);
    this.#clients.add(client);
    try {
      await use(client);
    } catch (error) {
      if (!this.#stopped.signal.aborted) throw toPostgresError(error, 'reading the snapshot');
    } finally {
      this.#clients.delete(client);
      await client.end().catch(() => undefined);
    }
  }
}

function schemaRecord(table: TableSchema, transaction: string): CdcRecord {
  return { kind: 'schemaChange', table, position: { transaction, ordinal: 0 } };
}

function readRecord(row: Row, transaction: string, index: number): CdcRecord {
  return { kind: 'read', table: row.table, before: null, after: row, position: { transaction, ordinal: index + 1 }, committedAtMicros: Date.now() * 1000, version: 0 };
}

export function markPrefix(config: PostgresSourceConfig): string {
  return `dbmazz-chunk:${config.slot}`;
}

/** What is to be read, given what was read before: tables that are new start at their beginning. */
export function planSnapshot(tables: readonly CatalogTable[], before: SnapshotProgress | null): SnapshotProgress {
  const entries = tables.map(({ ref, expectedRows }): [string, TableProgress] => {
    const known = before?.tables[qualified(ref)];
    return [qualified(ref), known ?? { state: 'pending', rows: 0, expectedRows, lastKey: null, note: null }];
  });
  return { tables: Object.fromEntries(entries) };
}

function qualified({ schema, name }: TableRef): string {
  return `${schema}.${name}`;
}

/** The inverse: neither part of a name that TABLES can ask for has a dot. */
function parseName(name: string): TableRef {
  const dot = name.indexOf('.');
  return { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}
