import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import { type ClickHouseConfig, ROWS_SUFFIX, type TargetNames } from './config.ts';
import type { FoundColumn, FoundTable } from './found-table.ts';
import { buildAddColumn, buildModifyColumn, META_COLUMN_TYPES, qualify, ROW_ID_COLUMN } from './statements.ts';
import { accepts, asNullable, canWiden, columnTypeFor, parseColumnType } from './types.ts';

type Policy = Pick<ClickHouseConfig, 'deleteMode' | 'schemaChanges'>;

export interface ChangeInput {
  readonly schema: TableSchema;
  readonly names: TargetNames;
  readonly found: FoundTable;
  readonly policy: Policy;
}

/** Refuses a source table whose columns have the names of ours, or whose target has the name of a table behind a view. */
export function checkNames(schema: TableSchema, names: TargetNames): void {
  const reserved: readonly string[] = [...Object.values(META_COLUMNS), ROW_ID_COLUMN];
  const column = schema.columns.find(({ name }) => reserved.includes(name));
  const table = schema.qualifiedName;
  if (column !== undefined) {
    throw new CdcError('SCHEMA_INCOMPATIBLE', `${table} has a column ${column.name}, which is the name of a column that every target table gets.`, {
      context: { table, column: column.name },
      remedy: 'Rename the column, or leave it out with EXCLUDE_COLUMNS at the source.',
    });
  }
  if (!names.view.endsWith(ROWS_SUFFIX)) return;
  throw new CdcError(
    'CONFIG_INVALID',
    `The target of ${table} would be ${names.view}; names that end with ${ROWS_SUFFIX} are kept for the tables behind the views.`,
    {
      remedy: 'Give SINK_TABLE a pattern that makes another name.',
    },
  );
}

/** Refuses an existing table that cannot keep the promises of this sink, whatever columns it has. */
export function checkEngine({ schema, names, found, policy }: ChangeInput): void {
  const key = schema.key.length === 0 ? [ROW_ID_COLUMN] : schema.keyColumns.map(({ name }) => name);
  const hasKey = key.length === found.sortingKey.length && key.every((name) => found.sortingKey.includes(name));
  if (!found.keepsHighestVersion) {
    throw refused(names, found, `has the engine ${found.engine}, and not ReplacingMergeTree(${META_COLUMNS.version}, ${META_COLUMNS.isDeleted})`);
  }
  if (!hasKey) throw refused(names, found, `is sorted by (${found.sortingKey.join(', ')}), and not by the key (${key.join(', ')})`);
  if (policy.deleteMode === 'soft' && found.hidesDeleted) throw refused(names, found, 'was made for DELETE_MODE=hard: its engine hides deleted rows');
  if (policy.deleteMode === 'hard' && !found.hidesDeleted && found.name === names.view) {
    throw refused(names, found, `has an engine without ${META_COLUMNS.isDeleted}, so that deleted rows would stay in sight`);
  }
}

/** The statements that make an existing table ready for a schema, in order. Throws `SCHEMA_INCOMPATIBLE`. */
export function planChanges(input: ChangeInput): readonly string[] {
  const { schema, names, found } = input;
  const table = qualify(names.database, found.name);
  const meta = META_COLUMN_TYPES.filter(({ name }) => !found.columns.has(name)).map((column) => buildAddColumn(table, column));
  const own = schema.columns.flatMap((column, index) => changeColumn(input, column, schema.key.includes(index)));
  return [...meta, ...own, ...relaxDropped(input)];
}

function changeColumn(input: ChangeInput, column: ColumnDef, isKey: boolean): readonly string[] {
  const found = input.found.columns.get(column.name);
  if (found === undefined) return addColumn(input, column);
  if (!accepts(found.type, column.dataType, isKey)) return [widen(input, column, { found, isKey })];
  const mustRelax = !isKey && column.nullable && !found.type.isNullable && found.type.name !== 'Array';
  return mustRelax && input.policy.schemaChanges === 'apply' ? [modify(input, column.name, asNullable(found.type))] : [];
}

/** What comes later is null in the rows that are there. */
function addColumn({ schema, names, found, policy }: ChangeInput, { name, dataType }: ColumnDef): readonly string[] {
  if (policy.schemaChanges === 'ignore') return [];
  if (policy.schemaChanges === 'stop') throw incompatible(schema, name, 'is new, and SCHEMA_CHANGES=stop');
  return [buildAddColumn(qualify(names.database, found.name), { name, type: columnTypeFor(dataType, { isKey: false, isNullable: true }) })];
}

function widen(input: ChangeInput, { name, dataType, nullable, nativeType }: ColumnDef, { found, isKey }: { found: FoundColumn; isKey: boolean }): string {
  const wanted = columnTypeFor(dataType, { isKey, isNullable: nullable || found.type.isNullable });
  const change = `is ${nativeType} now, and ${found.type.text} in the target`;
  if (isKey) throw incompatible(input.schema, name, `${change}; ClickHouse cannot change the type of a key`);
  if (!canWiden(found.type, parseColumnType(wanted))) throw incompatible(input.schema, name, `${change}, which cannot be changed without loss`);
  if (input.policy.schemaChanges !== 'apply') throw incompatible(input.schema, name, `${change}, and SCHEMA_CHANGES is not apply`);
  return modify(input, name, wanted);
}

/** A column that rows no longer have must be able to say so. In a table that is not ours we leave them alone. */
function relaxDropped(input: ChangeInput): readonly string[] {
  const { schema, names, found, policy } = input;
  if (policy.schemaChanges !== 'apply' || found.name === names.view) return [];
  const known = new Set<string>([...schema.columns.map(({ name }) => name), ...Object.values(META_COLUMNS), ROW_ID_COLUMN]);
  return [...found.columns]
    .filter(([name, { type, hasDefault }]) => !known.has(name) && !hasDefault && asNullable(type) !== type.text)
    .map(([name, { type }]) => modify(input, name, asNullable(type)));
}

function modify({ names, found }: ChangeInput, name: string, type: string): string {
  return buildModifyColumn(qualify(names.database, found.name), { name, type });
}

function incompatible(schema: TableSchema, column: string, change: string): CdcError {
  const table = schema.qualifiedName;
  return new CdcError('SCHEMA_INCOMPATIBLE', `Column ${column} of ${table} ${change}.`, {
    context: { table, column },
    remedy: 'Change the column in the target by hand, or drop the target table and replay the topic.',
  });
}

function refused({ database }: TargetNames, { name }: FoundTable, reason: string): CdcError {
  return new CdcError('SCHEMA_INCOMPATIBLE', `The table ${database}.${name} exists and ${reason}.`, {
    context: { target: `${database}.${name}` },
    remedy: 'Rename or drop it, or choose another name with SINK_TABLE; the sink then creates its own.',
  });
}
