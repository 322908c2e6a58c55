import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { mergeByKey, type RowState } from '../../shared/record/merge-by-key.ts';
import type { Records, RowKind } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import type { TargetTable } from './client.ts';
import type { Cells, Statement, StoredTable } from './memory-database.ts';
import { type Cell, toCell, toColumn } from './types.ts';

interface BatchInput {
  readonly records: Records;
  readonly schema: TableSchema;
  readonly target: TargetTable;
  readonly deleteMode: 'hard' | 'soft';
}

interface Batch {
  /** To be carried out in this order, all or none. */
  readonly statements: readonly Statement[];
  /** Rows after merging. */
  readonly rows: number;
  readonly bytes: number;
}

/** One row of a batch, in the target's terms. */
interface Change {
  /** Tells rows of a table apart: the key's cells, or nothing in a table without a key. */
  readonly id: string;
  readonly opType: string;
  readonly isDeleted: boolean;
  readonly version: number;
  /** What the batch knows of the row: an unchanged value is left out, so that the target keeps its own. */
  readonly cells: Cells;
  /** The old row, in a table without a key. */
  readonly old: Cells | null;
}

const OP_TYPES: Readonly<Record<RowKind, string>> = { insert: 'c', update: 'u', delete: 'd', read: 'r' };

/**
 * What belongs into `statements.ts`: from a batch to statements. Pure, no input or output, so that tables of cases can
 * test it. For a target that speaks SQL these are functions that return text, with every identifier quoted; here a
 * statement is a function on a stored table.
 *
 * Why repeating anything changes nothing: each statement compares versions with the row that is there, with the
 * version at which a deleted row went, and with that of the last truncate. The last two must be stored as durably as rows are.
 */
export function buildBatch({ records, schema, target, deleteMode }: BatchInput): Batch {
  const { truncatedBelow, rows } = mergeByKey(records);
  const toChange = (state: RowState) => changeOf(state, schema, target);
  const last = rows.map(toChange);
  const isKeyed = schema.key.length > 0;
  const passing = isKeyed && deleteMode === 'soft' ? passingRows(records, last, toChange) : [];
  const changes = [...passing, ...last];
  const truncate = truncatedBelow > 0 ? [buildTruncate(truncatedBelow, deleteMode)] : [];
  const build = isKeyed ? buildKeyed : buildKeyless;
  return {
    statements: [...truncate, ...changes.map((change) => build(change, deleteMode))],
    rows: last.length,
    bytes: changes.reduce((sum, { cells }) => sum + bytesOf(cells), 0),
  };
}

/** What rows had that this batch both changes and deletes: a row that is kept, marked, keeps its last values. */
function passingRows(records: Records, last: readonly Change[], toChange: (state: RowState) => Change): readonly Change[] {
  const deleted = new Set(last.filter(({ isDeleted }) => isDeleted).map(({ id }) => id));
  if (deleted.size === 0) return [];
  const alive = mergeByKey([...records].filter(({ kind }) => kind !== 'delete')).rows.map(toChange);
  return alive.filter(({ id }) => deleted.has(id));
}

function changeOf({ record, isDeleted, values }: RowState, schema: TableSchema, target: TargetTable): Change {
  const cells = cellsOf(values, schema, target);
  const key = new Map(target.key.map((name) => [name, cells.get(name) ?? null]));
  const isKeyOnly = isDeleted && target.key.length > 0;
  return {
    id: JSON.stringify([...key.values()]),
    opType: OP_TYPES[record.kind],
    isDeleted,
    version: record.version,
    cells: isKeyOnly ? key : cells,
    old: target.key.length === 0 ? oldCells(record.before, schema, target) : null,
  };
}

function oldCells(before: Row | null, schema: TableSchema, target: TargetTable): Cells | null {
  return before === null ? null : cellsOf(before.values(), schema, target);
}

/** Columns that the target lacks are left out (`SCHEMA_CHANGES=ignore`). */
function cellsOf(values: readonly Value[], schema: TableSchema, target: TargetTable): Cells {
  const cells = new Map<string, Cell>();
  for (const [index, { name, dataType }] of schema.columns.entries()) {
    const columnType = target.columns.get(name);
    const value = values[index] ?? null;
    if (columnType === undefined || value === UNCHANGED) continue;
    cells.set(name, toColumn(toCell(dataType, value, `column ${name} of ${schema.qualifiedName}`), columnType));
  }
  return cells;
}

function buildTruncate(below: number, deleteMode: 'hard' | 'soft'): Statement {
  return (table) => {
    table.truncatedBelow = Math.max(table.truncatedBelow, below);
    for (const [id, row] of table.rows) {
      if (versionOf(row) >= below) continue;
      if (deleteMode === 'hard') table.rows.delete(id);
      else table.rows.set(id, new Map([...row, [META_COLUMNS.opType, 'd'], [META_COLUMNS.isDeleted, 'true']]));
    }
  };
}

function buildKeyed(change: Change, deleteMode: 'hard' | 'soft'): Statement {
  return (table) => {
    const { id, version, isDeleted } = change;
    const row = table.rows.get(id);
    const newest = Math.max(versionOf(row), table.deleted.get(id) ?? -1, table.truncatedBelow - 1);
    if (version <= newest) return;
    if (isDeleted && deleteMode === 'hard') {
      table.rows.delete(id);
      table.deleted.set(id, version);
    } else {
      table.rows.set(id, new Map([...(row ?? []), ...change.cells, ...metaOf(change)]));
    }
  };
}

/**
 * A delete or an update takes one of the rows that equal its old row, so no change may be carried out twice. All changes
 * of such a table come in order of version: what is not above the highest one so far has been carried out.
 */
function buildKeyless(change: Change, deleteMode: 'hard' | 'soft'): Statement {
  return (table) => {
    const { version, isDeleted, old, cells } = change;
    if (version <= table.highestVersion || version < table.truncatedBelow) return;
    table.highestVersion = version;
    const id = old === null ? undefined : findEqual(table, old);
    if (id === undefined && isDeleted) return;
    const row = id === undefined ? old : table.rows.get(id);
    if (id !== undefined && isDeleted && deleteMode === 'hard') table.rows.delete(id);
    else table.rows.set(id ?? String(version), new Map([...(row ?? []), ...cells, ...metaOf(change)]));
  };
}

function findEqual(table: StoredTable, old: Cells): string | undefined {
  for (const [id, row] of table.rows) {
    if (row.get(META_COLUMNS.isDeleted) === 'true') continue;
    if ([...old].every(([name, cell]) => (row.get(name) ?? null) === cell)) return id;
  }
  return undefined;
}

function metaOf({ opType, isDeleted, version }: Change): Cells {
  return new Map([
    [META_COLUMNS.opType, opType],
    [META_COLUMNS.isDeleted, String(isDeleted)],
    [META_COLUMNS.syncedAt, new Date().toISOString()],
    [META_COLUMNS.version, String(version)],
  ]);
}

/** -1 for a row that is not there. */
function versionOf(row: Cells | undefined): number {
  return Number(row?.get(META_COLUMNS.version) ?? -1);
}

function bytesOf(cells: Cells): number {
  let bytes = 0;
  for (const cell of cells.values()) bytes += cell === null ? 0 : Buffer.byteLength(cell);
  return bytes;
}
