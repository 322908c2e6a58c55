import { randomUUID } from 'node:crypto';
import type { SnapshotProgress, TableProgress } from '../../shared/connector/source.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { ChunkWindow } from '../snapshot/chunk-window.ts';
import type { TemplateConfig } from './config.ts';
import type { MemoryDatabase } from './memory-database.ts';
import { formatPlace } from './positions.ts';
import { schemaOf } from './setup.ts';
import { toValue } from './types.ts';

interface Chunk {
  readonly id: string;
  readonly schema: TableSchema;
  readonly rows: readonly Row[];
  readonly last: string | null;
  readonly isLast: boolean;
  /** The read has seen all transactions that begin before this place of the log. */
  readonly seen: number;
}

/**
 * What belongs into `snapshot.ts`: how chunks of a table are read, and how each is marked in the log. How they meet the
 * stream is common to all sources (`../snapshot/chunk-window.ts`).
 *
 * One table at a time, one chunk in flight. The progress goes out with the rows, so that both are stored or neither.
 */
export class Snapshotter {
  readonly #config: TemplateConfig;
  readonly #database: MemoryDatabase;
  readonly #windows = new Map<string, ChunkWindow>();
  #progress: SnapshotProgress;
  #chunk: Chunk | undefined;

  constructor(config: TemplateConfig, database: MemoryDatabase, progress: SnapshotProgress) {
    this.#config = config;
    this.#database = database;
    this.#progress = progress;
    for (const [name, { state }] of Object.entries(progress.tables)) if (state !== 'done') this.#windows.set(name, new ChunkWindow());
  }

  get progress(): SnapshotProgress {
    return this.#progress;
  }

  /** Notes a change that the stream has brought. */
  touch(transaction: number, row: Row): void {
    this.#windows.get(row.table.qualifiedName)?.touch(transaction, row);
  }

  /** Reads the next chunk, if one is left, and writes its mark. */
  next(): void {
    const [name] = this.#windows.keys();
    if (name === undefined) return;
    this.#chunk = this.#read(name);
    if (this.#chunk !== undefined) this.#database.mark(this.#chunk.id);
  }

  /** The rows that go out at a mark; undefined where it is not ours. Then comes the next chunk. */
  pass(id: string, place: number): readonly CdcRecord[] | undefined {
    const chunk = this.#chunk;
    if (chunk?.id !== id) return undefined;
    const name = chunk.schema.qualifiedName;
    const isSeen = (transaction: number) => transaction < chunk.seen;
    const rows = this.#windows.get(name)?.select(chunk.rows, isSeen);
    this.#windows.get(name)?.forget(isSeen);
    if (rows !== undefined) this.#advance(name, chunk);
    this.next();
    return (rows ?? []).map((row, index) => toRead(row, place, index));
  }

  #read(name: string): Chunk | undefined {
    const table = this.#database.tables.get(name.slice(name.indexOf('.') + 1));
    const schema = schemaOf(table);
    if (table === undefined || schema === undefined) return undefined;
    const [after = null] = this.#progress.tables[name]?.rest?.[0]?.after ?? [];
    const keys = [...table.rows.keys()].toSorted((a, b) => Number(a) - Number(b)).filter((key) => after === null || Number(key) > Number(after));
    const taken = keys.slice(0, this.#config.chunkSize);
    const writer = new RowWriter();
    const rows = taken.map((key) =>
      writer.row(
        schema,
        (table.rows.get(key) ?? []).map((cell, index) => toValue(schema.column(index).dataType, cell)),
      ),
    );
    return { id: randomUUID(), schema, rows, last: taken.at(-1) ?? after, isLast: taken.length < this.#config.chunkSize, seen: this.#database.end };
  }

  #advance(name: string, { rows, last, isLast }: Chunk): void {
    const before = this.#progress.tables[name] as TableProgress;
    const after: TableProgress = {
      ...before,
      state: isLast ? 'done' : 'running',
      rows: before.rows + rows.length,
      rest: isLast ? [] : [{ of: 'key', after: last === null ? null : [last], end: null }],
    };
    this.#progress = { tables: { ...this.#progress.tables, [name]: after } };
    if (isLast) this.#windows.delete(name);
  }
}

/** What is to be read, given what was read before. */
export function planSnapshot(tables: readonly TableSchema[], before: SnapshotProgress | null): SnapshotProgress {
  const fresh: TableProgress = { state: 'pending', rows: 0, expectedRows: 0, rest: null, startsOver: false, note: null };
  return { tables: Object.fromEntries(tables.map(({ qualifiedName }) => [qualifiedName, before?.tables[qualifiedName] ?? fresh])) };
}

function toRead(row: Row, place: number, index: number): CdcRecord {
  return {
    kind: 'read',
    table: row.table,
    before: null,
    after: row,
    position: { transaction: formatPlace(place), ordinal: index + 1 },
    committedAtMicros: Date.now() * 1000,
    version: 0,
  };
}
