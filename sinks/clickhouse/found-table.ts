import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { type ColumnType, parseColumnType } from './types.ts';

/** A table or view as the target's system tables describe it. */
export interface FoundTable {
  readonly name: string;
  readonly engine: string;
  readonly comment: string;
  /** Whether its engine keeps, of rows of one key, the one with the highest version. */
  readonly keepsHighestVersion: boolean;
  /** Whether FINAL leaves out rows that are marked as deleted. */
  readonly hidesDeleted: boolean;
  readonly sortingKey: readonly string[];
  readonly columns: ReadonlyMap<string, FoundColumn>;
}

export interface FoundColumn {
  readonly type: ColumnType;
  /** Filled in by the server where an insert does not name it. */
  readonly hasDefault: boolean;
}

export interface TableRow {
  readonly name: string;
  readonly engine: string;
  readonly engine_full: string;
  readonly comment: string;
}

export interface ColumnRow {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly default_kind: string;
  readonly is_in_sorting_key: number;
}

export function toFoundTable(row: TableRow, columnRows: readonly ColumnRow[]): FoundTable {
  const own = columnRows.filter(({ table }) => table === row.name);
  const engineArguments = argumentsOf(row);
  return {
    name: row.name,
    engine: row.engine,
    comment: row.comment,
    keepsHighestVersion: engineArguments.includes(META_COLUMNS.version),
    hidesDeleted: engineArguments.includes(META_COLUMNS.isDeleted),
    sortingKey: own.filter((column) => column.is_in_sorting_key === 1).map(({ name }) => name),
    columns: new Map(own.map((column) => [column.name, { type: parseColumnType(column.type), hasDefault: column.default_kind !== '' }])),
  };
}

/** Of `ReplacingMergeTree(…)` and its replicated and shared kin; none of any other engine. */
function argumentsOf({ engine, engine_full }: TableRow): readonly string[] {
  if (!engine.endsWith('ReplacingMergeTree')) return [];
  const inner = /^\w+\(([^)]*)\)/.exec(engine_full)?.[1] ?? '';
  return inner.split(',').map((argument) => argument.trim().replaceAll('`', ''));
}
