import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import { checkName } from './identifiers.ts';
import {
  buildAddColumn,
  buildAddMetaColumn,
  buildAlterType,
  buildPrimaryKey,
  buildVersionIndex,
  META_DECLARATIONS,
  type TargetName,
} from './setup-statements.ts';
import { OWN_TABLES } from './statements.ts';
import { fitOf, type TargetColumn } from './type-fit.ts';
import { targetSqlOf } from './types.ts';

export interface UniqueIndex {
  readonly isPrimary: boolean;
  readonly isPartial: boolean;
  /** Sorted. */
  readonly columns: readonly string[];
}

/** A table of the target as it is. */
export interface TargetTable extends TargetName {
  readonly columns: readonly TargetColumn[];
  readonly uniqueIndexes: readonly UniqueIndex[];
  readonly hasTriggers: boolean;
}

export type SchemaChanges = 'apply' | 'ignore' | 'stop';

/** Throws `SCHEMA_INCOMPATIBLE` for a source table that no target can take: our own names, or names that do not fit. */
export function checkTable(target: TargetName, table: TableSchema): void {
  checkName(target.name, 'a table');
  if (OWN_TABLES.includes(target.name))
    throw incompatible(target, table, 'the name is that of a table of ours', 'Set a SINK_TABLE pattern that gives another name.');
  const ours = new Set<string>(Object.values(META_COLUMNS));
  for (const { name } of table.columns) {
    checkName(name, 'a column');
    if (ours.has(name))
      throw incompatible(target, table, `the source has a column ${name} of its own, which is our name`, 'Leave it out with EXCLUDE_COLUMNS at the source.');
  }
}

/**
 * What has to be done to the target so that it takes the rows of a source table; nothing where it does already.
 * Our own columns and the key's index are always made. Throws `SCHEMA_INCOMPATIBLE` where the setting forbids a
 * change, or no change would do.
 */
export function planChanges(target: TargetTable, table: TableSchema, mode: SchemaChanges): readonly string[] {
  return [
    ...planMetaColumns(target, table),
    ...table.columns.flatMap((column, index) => planColumn({ target, table, mode }, column, table.key.includes(index))),
    ...planUniqueIndex(target, table),
  ];
}

interface Plan {
  readonly target: TargetTable;
  readonly table: TableSchema;
  readonly mode: SchemaChanges;
}

function planMetaColumns(target: TargetTable, table: TableSchema): readonly string[] {
  return Object.entries(META_DECLARATIONS).flatMap(([name, declaration]) => {
    const column = target.columns.find((found) => found.name === name);
    if (column === undefined) return [buildAddMetaColumn(target, name)];
    if (declaration.startsWith(column.baseType)) return [];
    throw incompatible(target, table, `its column ${name} is ${column.type}, not ${declaration}`, 'Drop that column, or choose another SINK_TABLE.');
  });
}

function planColumn(plan: Plan, column: ColumnDef, isKey: boolean): readonly string[] {
  const existing = plan.target.columns.find(({ name }) => name === column.name);
  if (existing === undefined) return planMissing(plan, column, isKey);
  if (existing.isGenerated) return [];
  const fit = fitOf(column, existing);
  if (fit.verdict === 'fits' || fit.verdict === 'checked') return [];
  if (fit.verdict === 'widen' && plan.mode === 'apply') return [buildAlterType(plan.target, column.name, fit.to)];
  if (fit.verdict === 'widen' && plan.mode === 'ignore' && !fit.isSilent) return [];
  const reason = `column ${column.name} is ${existing.type}, and the source's is ${targetSqlOf(column)}`;
  throw incompatible(
    plan.target,
    plan.table,
    reason,
    'Change the type of the column in the target, or set SCHEMA_CHANGES=apply where it can simply be widened.',
  );
}

function planMissing({ target, table, mode }: Plan, column: ColumnDef, isKey: boolean): readonly string[] {
  if (mode === 'apply') return [buildAddColumn(target, column)];
  if (mode === 'ignore' && !isKey) return [];
  throw incompatible(target, table, `it lacks the column ${column.name}`, 'Add the column, or set SCHEMA_CHANGES=apply.');
}

function planUniqueIndex(target: TargetTable, table: TableSchema): readonly string[] {
  const { version } = META_COLUMNS;
  const wanted = table.key.length === 0 ? [version] : table.keyColumns.map(({ name }) => name).toSorted();
  const isThere = target.uniqueIndexes.some(({ columns, isPartial }) => columns.join('\0') === wanted.join('\0') && isPartial === (table.key.length === 0));
  if (isThere) return [];
  if (table.key.length === 0) return [buildVersionIndex(target)];
  if (!target.uniqueIndexes.some(({ isPrimary }) => isPrimary)) return [buildPrimaryKey(target, table)];
  throw incompatible(target, table, `its primary key is not (${wanted.join(', ')})`, `Give it that key, or a unique index on these columns.`);
}

function incompatible(target: TargetName, table: TableSchema, reason: string, remedy: string): CdcError {
  return new CdcError('SCHEMA_INCOMPATIBLE', `${table.qualifiedName} cannot be written to ${target.schema}.${target.name}: ${reason}.`, {
    context: { table: table.qualifiedName },
    remedy,
  });
}
