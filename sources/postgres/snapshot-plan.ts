import type { Client } from 'pg';
import type { RangeProgress, SnapshotProgress, TableProgress } from '../../shared/connector/source.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import type { Split } from '../snapshot/range-queue.ts';
import type { CatalogTable } from './catalog.ts';
import { buildSampleKeys, LIST_FILES, LIST_WRITERS } from './statements.ts';

/** Ranges of a file that workers take: not so small that their last chunks are mostly short, not so large that the last one is waited for. */
const MIN_BLOCKS = 512;
const MAX_BLOCKS = 8192;
const RANGES_A_WORKER = 4;
/** Below this size a table in the order of its key is not divided. */
const MIN_DIVIDED_BYTES = 32 * 1024 * 1024;
/** Blocks that are looked at for dividing a table by its key. */
const SAMPLED_BLOCKS = 400;
const BLOCK_BYTES = 8192;

/** A file that rows of a table lie in. */
export interface TableFile {
  readonly schema: string;
  readonly name: string;
  readonly id: string;
  readonly filenode: string;
  readonly blocks: number;
  readonly is_heap: boolean;
  readonly has_large_values: boolean;
}

const FRESH: Omit<TableProgress, 'expectedRows'> = { state: 'pending', rows: 0, rest: null, startsOver: false, note: null };

/** A table of which nothing that was published counts. */
export const STARTS_OVER: TableProgress = { ...FRESH, state: 'running', startsOver: true, expectedRows: 0 };

/** All of these tables as ones that start over. */
export function startOver(tables: readonly TableRef[]): SnapshotProgress {
  return { tables: Object.fromEntries(tables.map((ref) => [qualified(ref), STARTS_OVER])) };
}

/**
 * What is to be read, given what was read before: tables that are new start at their beginning, and those of which
 * changes may have been missed (`missed`) start over.
 */
export function planSnapshot(tables: readonly CatalogTable[], before: SnapshotProgress | null, missed: readonly TableRef[]): SnapshotProgress {
  const again = new Set(missed.map(qualified));
  const entries = tables.map(({ ref, expectedRows }): [string, TableProgress] => {
    const name = qualified(ref);
    const known = before?.tables[name];
    if (known === undefined) return [name, { ...FRESH, expectedRows }];
    // Also of one that is still to be read: the stream may have brought rows of it that are gone by now.
    if (again.has(name)) return [name, { ...FRESH, state: 'running', startsOver: true, expectedRows }];
    return [name, known.startsOver ? { ...known, expectedRows } : known];
  });
  return { ...before, tables: Object.fromEntries(entries) };
}

/** With SNAPSHOT_MODE=never: only what was asked for by a signal is read. */
export function withoutFirst(before: SnapshotProgress | null): SnapshotProgress {
  const isAsked = (name: string) => before?.requests?.some(({ state, anew }) => state === 'waiting' && anew?.includes(name) === true) === true;
  const entries = Object.entries(before?.tables ?? {}).filter(([name, { state, request }]) => state === 'done' || request !== undefined || isAsked(name));
  return { ...before, tables: Object.fromEntries(entries) };
}

export async function listFiles(client: Client, table: CatalogTable): Promise<readonly TableFile[]> {
  const { rows } = await client.query<TableFile>(LIST_FILES, [table.id]);
  return rows;
}

/**
 * The ranges of a table, in the order in which its rows lie in their files where that is right, else in the order of
 * its key. `Snapshotter` says when it is right.
 */
export async function planRanges(client: Client, table: CatalogTable, key: readonly string[], workers: number): Promise<readonly RangeProgress[]> {
  const files = await listFiles(client, table);
  const isWhole = table.replicaIdentity === 'f';
  if (files.length === 0 || files.some(({ is_heap: isHeap, has_large_values: isLarge }) => !isHeap || (isLarge && !isWhole))) {
    return divideByKey(client, table, { key, workers });
  }
  return files.map((file) => ({ of: fileOrder(file, isWhole && file.has_large_values), after: [place(0)], end: [place(file.blocks)] }));
}

/** Cuts a range of a file, such that all workers find some until the end. */
export function splitFile(workers: number): Split {
  return (range) => {
    if (!isFileOrder(range.of)) return undefined;
    const [first, end] = [blockOf(range.after), blockOf(range.end)];
    const blocks = Math.min(MAX_BLOCKS, Math.max(MIN_BLOCKS, Math.ceil((end - first) / (workers * RANGES_A_WORKER))));
    if (first + blocks >= end) return undefined;
    const cut = [place(first + blocks)];
    return [
      { ...range, end: cut },
      { ...range, after: cut },
    ];
  };
}

export function keyOrder(key: readonly string[]): string {
  return `key ${JSON.stringify(key)}`;
}

/** The one range of a table that is asked for keys, and not read. */
export const BY_KEYS: RangeProgress = { of: 'keys', after: null, end: null };

export function isFileOrder(of: string): boolean {
  return of.startsWith('file ');
}

/** The file that a range lies in, as it is now; undefined where it is another one, or has to be read in another order. */
export function findFile(of: string, files: readonly TableFile[], table: CatalogTable): TableFile | undefined {
  return files.find((file) => of === fileOrder(file, false) || (table.replicaIdentity === 'f' && of === fileOrder(file, true)));
}

/** `needsWhole`: right only while the log has old rows whole. */
function fileOrder({ id, filenode }: TableFile, needsWhole: boolean): string {
  return `file ${id} ${filenode}${needsWhole ? ' whole' : ''}`;
}

async function divideByKey(
  client: Client,
  table: CatalogTable,
  { key, workers }: { readonly key: readonly string[]; readonly workers: number },
): Promise<readonly RangeProgress[]> {
  const of = keyOrder(key);
  const ends = table.tableBytes < MIN_DIVIDED_BYTES || workers === 1 ? [] : await sampleKeys(client, table, { key, parts: workers * RANGES_A_WORKER });
  return [...ends, null].map((end, index) => ({ of, after: ends[index - 1] ?? null, end }));
}

async function sampleKeys(
  client: Client,
  table: CatalogTable,
  { key, parts }: { readonly key: readonly string[]; readonly parts: number },
): Promise<readonly (readonly string[])[]> {
  const percent = Math.min(100, (SAMPLED_BLOCKS * BLOCK_BYTES * 100) / table.tableBytes);
  const { rows } = await client.query<string[]>({ text: buildSampleKeys(table, key, { percent, parts }), rowMode: 'array' });
  return rows;
}

/** Waits until every transaction that writes to a table at this moment is over: what it wrote before the table was published is not in the stream. */
export async function writersAreOver(client: Client, table: CatalogTable, isStopped: () => boolean): Promise<void> {
  const waiting = await listWriters(client, table);
  for (let waitMs = 5; waiting.size > 0 && !isStopped(); waitMs = Math.min(waitMs * 2, 500)) {
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    const now = await listWriters(client, table);
    for (const id of waiting) if (!now.has(id)) waiting.delete(id);
  }
}

async function listWriters(client: Client, { id }: CatalogTable): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string }>(LIST_WRITERS, [id]);
  return new Set(rows.map((row) => row.id));
}

function place(block: number): string {
  return `(${block},0)`;
}

function blockOf(at: readonly string[] | null): number {
  return Number(/^\((\d+),/.exec(at?.[0] ?? '')?.[1] ?? 0);
}

export function qualified({ schema, name }: TableRef): string {
  return `${schema}.${name}`;
}

/** The inverse: neither part of a name that TABLES can ask for has a dot. */
export function parseName(name: string): TableRef {
  const dot = name.indexOf('.');
  return { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}
