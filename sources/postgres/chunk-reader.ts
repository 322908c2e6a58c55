import type { Client } from 'pg';
import type { KeyTexts, RangeProgress } from '../../shared/connector/source.ts';
import { failAt } from '../../shared/process/failpoint.ts';
import { RowPages } from '../../shared/record/row-pages.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { TableVersion } from './catalog.ts';
import { isCopiedInBinary } from './binary-cells.ts';
import { CopyBinaryReader } from './copy-binary.ts';
import { copyOut } from './copy-out.ts';
import { CopyTextReader } from './copy-text.ts';
import { Relation } from './relation.ts';
import { findFile, isFileOrder, keyOrder, listFiles } from './snapshot-plan.ts';
import { buildCopyAbsent, buildCopyChunk, type ChunkQuery, type ReadTable } from './statements.ts';
import type { RelationColumn } from './text-cells.ts';
import type { TableView } from './table-view.ts';

/** A chunk is kept in memory until its mark comes by: it should not weigh more than this. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

export interface ChunkRows {
  readonly table: TableSchema;
  readonly rows: RowPages;
  /** Where its last row stands in the order of its range; null without rows. */
  readonly last: readonly string[] | null;
  /** Whether nothing is left of the range behind it. */
  readonly isLast: boolean;
  /** The rows are keys that the table does not have. */
  readonly areAbsent: boolean;
}

export interface ChunkRequest {
  readonly range: RangeProgress;
  readonly where: string | null;
  readonly limit: number;
}

/** Reads the next rows of a range, as a transaction sees the table; undefined where the range is of an order that the table no longer has. */
export async function readChunk(client: Client, view: TableView, version: TableVersion, request: ChunkRequest): Promise<ChunkRows | undefined> {
  const source = await sourceOf(client, view, version, request.range);
  if (source === undefined) return undefined;
  const { table, columns } = version;
  const names = columns.map((column) => column.name);
  const { key } = source;
  const inOutput = key === null ? [...columns, PLACE] : columns;
  // Of a key the text is needed, to go on behind the last one.
  const isBinaryRead = key === null && isCopiedInBinary(table, inOutput);
  const reader = copyReader(new Relation(table, inOutput), isBinaryRead);
  const rows = new RowPages(table);
  let isCut = false;
  const { range, where, limit } = request;
  await copyOut(client, buildCopyChunk({ ...source, columns: names, after: range.after, end: range.end, where, limit, isBinary: isBinaryRead }), {
    onRow: (bytes, start, end) => {
      // Rows much larger than the ones before: what comes is read to its end, but not kept.
      isCut ||= rows.byteLength > 2 * CHUNK_BYTES;
      if (!isCut) reader.read(bytes, start, end, rows);
    },
    onPiece: () => failAt('inside-chunk'),
  });
  const places = key === null ? [columns.length] : key.map((column) => names.indexOf(column));
  return { table, rows, last: rows.length === 0 ? null : reader.lastTexts(places), isLast: !isCut && rows.length < limit, areAbsent: false };
}

/** Which of these keys no published row has, as a transaction sees the table. */
export async function readAbsent(
  client: Client,
  view: TableView,
  { table, columns }: TableVersion,
  keys: readonly KeyTexts[],
  where: string | null,
): Promise<ChunkRows> {
  const isKey = new Set(table.keyColumns.map(({ name }) => name));
  const names = columns.map(({ name }) => (isKey.has(name) ? name : null));
  const rows = await copyRows(client, buildCopyAbsent(view.table, names, { keys, where }), new Relation(table, columns));
  return { table, rows, last: null, isLast: true, areAbsent: true };
}

/** All rows of a COPY in text form. */
export async function copyRows(client: Client, sql: string, relation: Relation): Promise<RowPages> {
  const [reader, rows] = [copyReader(relation, false), new RowPages(relation.table)];
  await copyOut(client, sql, { onRow: (bytes, start, end) => reader.read(bytes, start, end, rows) });
  return rows;
}

export function copyReader(relation: Relation, isBinaryRead: boolean): CopyTextReader | CopyBinaryReader {
  return isBinaryRead ? new CopyBinaryReader(relation, new RowWriter()) : new CopyTextReader(relation, new RowWriter());
}

/** Stands behind a table's columns in the output, and is no value of it. */
const PLACE: RelationColumn = { name: 'ctid', column: -1, native: { name: 'tid', category: 'b', modifier: -1, isArray: false, dimensions: 0, enumValues: [] } };

async function sourceOf(
  client: Client,
  view: TableView,
  { table }: TableVersion,
  { of }: RangeProgress,
): Promise<{ readonly table: ReadTable; readonly key: ChunkQuery['key'] } | undefined> {
  const key = table.keyColumns.map(({ name }) => name);
  if (!isFileOrder(of)) return of === keyOrder(key) ? { table: view.table, key } : undefined;
  const file = findFile(of, await listFiles(client, view.table), view.table);
  return file === undefined ? undefined : { table: { ref: file, isPartitioned: false }, key: null };
}
