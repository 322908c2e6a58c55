import type { TableRef } from '../../shared/record/table-schema.ts';
import { type CatalogTable, columnPath, keyOf, type PublishedShape } from './catalog.ts';
import type { PostgresSourceConfig } from './config.ts';

export interface PublicationState {
  /** Another one once it was dropped and made anew. */
  readonly id: string;
  readonly server_version: number;
  readonly all_tables: boolean;
  readonly has_changes: boolean;
  readonly has_truncates: boolean;
  readonly via_root: boolean;
  /** Whether generated columns that are stored are published (PostgreSQL 18). */
  readonly has_generated: boolean;
  readonly is_owner: boolean;
  /** All that it publishes, as `schema.table`, however that was said. */
  readonly tables: readonly string[];
  /** Of the tables that it names one by one. */
  readonly shapes: ReadonlyMap<string, PublishedShape>;
}

/** What is to be done with one table. */
export interface TablePlan {
  readonly table: CatalogTable;
  readonly change: 'none' | 'add' | 'set';
  /** What it is to become; with `none` what it is. */
  readonly shape: PublishedShape;
  /** What the settings ask for. */
  readonly wanted: PublishedShape;
  /** Columns will be published that were not. */
  readonly isWider: boolean;
  /** Columns that `EXCLUDE_COLUMNS` names and that go out all the same, to be dropped in this process. */
  readonly leaks: readonly string[];
  /** Columns that a publication which is not ours leaves out of its own accord. */
  readonly leftOut: readonly string[];
}

export interface PlanInput {
  readonly config: PostgresSourceConfig;
  readonly version: number;
  readonly tables: readonly CatalogTable[];
  readonly publication: PublicationState | undefined;
  /** Partitioned tables of which a partition has REPLICA IDENTITY FULL. */
  readonly fullPartitions: ReadonlySet<string>;
}

/** Column lists, row filters and their like came with this version. */
export const SHAPES_VERSION = 150_000;
const GENERATED_VERSION = 180_000;

const EVERYTHING: PublishedShape = { columns: null, filter: null };

/** Whether generated columns that are stored come on the stream: a publication that we make has them, where the server can. */
export function sendsGenerated(version: number, publication: PublicationState | undefined): boolean {
  return publication?.has_generated ?? version >= GENERATED_VERSION;
}

/**
 * A publication under the name that follows from SOURCE_NAME, which we may change: it is kept in step with the settings.
 * One that the user names is the user's: tables that it lacks are added, and nothing else.
 */
export function isOurs(config: PostgresSourceConfig, publication: PublicationState | undefined): boolean {
  return config.settings.SOURCE_PUBLICATION_NAME === undefined && publication?.is_owner === true;
}

export function planPublication(input: PlanInput): readonly TablePlan[] {
  return input.tables.map((table) => planTable(table, input));
}

function planTable(table: CatalogTable, input: PlanInput): TablePlan {
  const { config, publication } = input;
  const name = qualified(table.ref);
  const wanted = { columns: wantedColumns(table, input), filter: config.filters.get(name) ?? null };
  if (publication === undefined || !isPublished(publication, name)) {
    return { table, change: 'add', shape: wanted, wanted, isWider: false, leaks: leaksOf(table, wanted, config), leftOut: [] };
  }
  const now = publication.shapes.get(name);
  // Part of a whole schema or of all tables: what is said of those cannot be said of one of them.
  if (now === undefined) return keep({ table, now: EVERYTHING, wanted }, config);
  return planKnown({ table, now, wanted }, input);
}

interface Known {
  readonly table: CatalogTable;
  readonly now: PublishedShape;
  readonly wanted: PublishedShape;
}

function planKnown(known: Known, { config, publication, version }: PlanInput): TablePlan {
  const { table, now, wanted } = known;
  const mayChange = isOurs(config, publication) && table.isOwner && version >= SHAPES_VERSION;
  if (!mayChange || hasLost(table, config) || sameShape(now, wanted)) return keep(known, config);
  const isWider = now.columns !== null && (wanted.columns === null || wanted.columns.some((column) => now.columns?.includes(column) === false));
  return { table, change: 'set', shape: wanted, wanted, isWider, leaks: leaksOf(table, wanted, config), leftOut: [] };
}

/** A column that must not leave may be there under another name, which the list as it is still hides. */
function hasLost({ ref, columns }: CatalogTable, { excluded }: PostgresSourceConfig): boolean {
  const paths = new Set(columns.map(({ name }) => columnPath(ref, name)));
  return [...excluded].some((path) => path.startsWith(`${qualified(ref)}.`) && !paths.has(path));
}

function keep({ table, now, wanted }: Known, config: PostgresSourceConfig): TablePlan {
  return { table, change: 'none', shape: now, wanted, isWider: false, leaks: leaksOf(table, now, config), leftOut: leftOutOf(table, now, config) };
}

/**
 * Null where no list is wanted, or none is possible: PostgreSQL refuses updates and deletes of a table whose list lacks
 * a column of the replica identity, and REPLICA IDENTITY FULL counts as all columns, whatever the list has.
 */
function wantedColumns(table: CatalogTable, { config, version, publication, fullPartitions }: PlanInput): readonly string[] | null {
  const isExcluded = (column: string) => config.excluded.has(columnPath(table.ref, column));
  const isFull = table.replicaIdentity === 'f' || fullPartitions.has(qualified(table.ref));
  if (version < SHAPES_VERSION || isFull || keyOf(table).some(isExcluded)) return null;
  if (!table.columns.some(({ name }) => isExcluded(name))) return null;
  const withGenerated = sendsGenerated(version, publication);
  return table.columns.filter(({ name, isGenerated, isStored }) => !isExcluded(name) && (!isGenerated || (isStored && withGenerated))).map(({ name }) => name);
}

export function sameShape(a: PublishedShape, b: PublishedShape): boolean {
  return a.filter === b.filter && sameColumns(a.columns, b.columns);
}

function sameColumns(a: readonly string[] | null, b: readonly string[] | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((column) => b.includes(column));
}

function leaksOf(table: CatalogTable, shape: PublishedShape, config: PostgresSourceConfig): readonly string[] {
  const sent = table.columns.filter(({ name, isGenerated }) => shape.columns?.includes(name) ?? !isGenerated);
  return sent.map(({ name }) => name).filter((name) => config.excluded.has(columnPath(table.ref, name)));
}

function leftOutOf({ ref, columns }: CatalogTable, shape: PublishedShape, config: PostgresSourceConfig): readonly string[] {
  const sent = shape.columns;
  if (sent === null) return [];
  return columns.filter(({ name, isGenerated }) => !isGenerated && !sent.includes(name) && !config.excluded.has(columnPath(ref, name))).map(({ name }) => name);
}

function isPublished({ all_tables: allTables, tables }: PublicationState, name: string): boolean {
  return allTables || tables.includes(name);
}

function qualified({ schema, name }: TableRef): string {
  return `${schema}.${name}`;
}
