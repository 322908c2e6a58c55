import type { Client } from 'pg';
import { type ColumnDef, type TableRef, TableSchema } from '../../shared/record/table-schema.ts';
import type { RelationMessage } from './parser.ts';
import type { RelationColumn } from './relation.ts';
import { DESCRIBE_TABLES } from './statements.ts';
import { type NativeType, toDataType, type TypeHandling } from './types.ts';

/** One column as the catalogue describes it. */
export interface CatalogColumn {
  readonly name: string;
  readonly typeId: number;
  readonly typeModifier: number;
  readonly notNull: boolean;
  readonly isGenerated: boolean;
  readonly declaration: string;
  readonly native: NativeType;
  /** Place in the primary key, or null. */
  readonly primaryPlace: number | null;
  readonly identityPlace: number | null;
}

export interface CatalogTable {
  readonly ref: TableRef;
  readonly replicaIdentity: string;
  readonly isPartitioned: boolean;
  readonly canSelect: boolean;
  readonly isOwner: boolean;
  readonly expectedRows: number;
  readonly tableBytes: number;
  readonly columns: readonly CatalogColumn[];
}

export interface SchemaRules extends TypeHandling {
  readonly database: string;
  /** `schema.table.column` of columns that are left out. */
  readonly excluded: ReadonlySet<string>;
}

/** A table version that rows can be read with: its schema, and its columns as the log sends them. */
export interface TableVersion {
  readonly table: TableSchema;
  readonly columns: readonly RelationColumn[];
}

interface CatalogRow {
  readonly schema: string;
  readonly name: string;
  readonly replica_identity: string;
  readonly kind: string;
  readonly can_select: boolean;
  readonly is_owner: boolean;
  readonly expected_rows: number;
  readonly table_bytes: number;
  readonly column_name: string;
  readonly type_id: string;
  readonly type_modifier: number;
  readonly not_null: boolean;
  readonly is_generated: boolean;
  readonly declaration: string;
  readonly is_array: boolean;
  readonly dimensions: number;
  readonly type_name: string;
  readonly type_category: string;
  readonly base_modifier: number;
  readonly enum_values: readonly string[];
  readonly primary_place: number | null;
  readonly identity_place: number | null;
}

/** Describes tables; those that do not exist are missing from the answer. */
export async function describeTables(client: Client, tables: readonly TableRef[]): Promise<readonly CatalogTable[]> {
  const { rows } = await client.query<CatalogRow>(DESCRIBE_TABLES, [tables.map(({ schema }) => schema), tables.map(({ name }) => name)]);
  return [...Map.groupBy(rows, ({ schema, name }) => JSON.stringify([schema, name])).values()].map(toTable);
}

function toTable(rows: readonly CatalogRow[]): CatalogTable {
  const first = rows[0] as CatalogRow;
  return {
    ref: { schema: first.schema, name: first.name },
    replicaIdentity: first.replica_identity,
    isPartitioned: first.kind === 'p',
    canSelect: first.can_select,
    isOwner: first.is_owner,
    expectedRows: first.expected_rows,
    tableBytes: first.table_bytes,
    columns: rows.map(toColumn),
  };
}

function toColumn(row: CatalogRow): CatalogColumn {
  return {
    name: row.column_name,
    typeId: Number(row.type_id),
    typeModifier: row.type_modifier,
    notNull: row.not_null,
    isGenerated: row.is_generated,
    declaration: row.declaration,
    native: { name: row.type_name, category: row.type_category, modifier: row.base_modifier, isArray: row.is_array, dimensions: row.dimensions, enumValues: row.enum_values },
    primaryPlace: row.primary_place,
    identityPlace: row.identity_place,
  };
}

/** The columns that can be carried: pgoutput sends no generated ones, and some are left out on purpose. */
export function carriedColumns(table: CatalogTable, rules: SchemaRules): readonly CatalogColumn[] {
  return table.columns.filter(({ name, isGenerated }) => !isGenerated && !rules.excluded.has(columnPath(table.ref, name)));
}

export function columnPath({ schema, name }: TableRef, column: string): string {
  return `${schema}.${name}.${column}`;
}

/**
 * Names of the key columns, in key order: the replica identity's index where one is set, else the primary key. With
 * another identity than the primary key the log's deletes do not carry the primary key.
 */
export function keyOf(table: CatalogTable): readonly string[] {
  const place = table.replicaIdentity === 'i' ? 'identityPlace' : 'primaryPlace';
  return table.columns
    .filter((column) => column[place] !== null)
    .toSorted((a, b) => (a[place] ?? 0) - (b[place] ?? 0))
    .map(({ name }) => name);
}

/** The version of a table that the catalogue knows now. Columns of types that cannot be carried are left out. */
export function toTableVersion(table: CatalogTable, rules: SchemaRules): TableVersion {
  const sent = table.columns.filter(({ isGenerated }) => !isGenerated);
  return build(table.ref, sent, keyOf(table), rules);
}

/**
 * The version of a table that a Relation message speaks of, with what only the catalogue knows taken from there by
 * column name: the catalogue may be ahead of the log. Undefined where it lacks the type of a column.
 */
export function toRelationVersion(message: RelationMessage, known: CatalogTable, rules: SchemaRules): TableVersion | undefined {
  const columns: CatalogColumn[] = [];
  for (const column of message.columns) {
    const same = known.columns.find(({ name, typeId }) => name === column.name && typeId === column.typeId);
    const like = same ?? known.columns.find(({ typeId }) => typeId === column.typeId);
    if (like === undefined) return undefined;
    columns.push(adapt(like, column, same !== undefined));
  }
  const flagged = new Set(message.columns.filter(({ isKey }) => isKey).map(({ name }) => name));
  const names = new Set(message.columns.map(({ name }) => name));
  const key = keyOf(known).filter((name) => names.has(name));
  const isWhole = message.replicaIdentity === 'f' || (key.length === flagged.size && key.every((name) => flagged.has(name)));
  return build({ schema: message.schema, name: message.name }, columns, isWhole ? key : [...flagged], rules);
}

function adapt(like: CatalogColumn, column: { readonly name: string; readonly typeModifier: number; readonly isKey: boolean }, isSame: boolean): CatalogColumn {
  const hasSameModifier = like.typeModifier === column.typeModifier;
  return {
    ...like,
    name: column.name,
    typeModifier: column.typeModifier,
    notNull: isSame && like.notNull,
    isGenerated: false,
    declaration: hasSameModifier ? like.declaration : like.declaration.replace(/\(.*\)/, ''),
    native: hasSameModifier ? like.native : { ...like.native, modifier: column.typeModifier },
  };
}

/** Whether a Relation message speaks of the version that the catalogue knows. */
export function matches(message: RelationMessage, table: CatalogTable): boolean {
  const sent = table.columns.filter(({ isGenerated }) => !isGenerated);
  return (
    sent.length === message.columns.length &&
    sent.every(({ name, typeId, typeModifier }, index) => {
      const column = message.columns[index];
      return column?.name === name && column.typeId === typeId && column.typeModifier === typeModifier;
    })
  );
}

function build(ref: TableRef, sent: readonly CatalogColumn[], key: readonly string[], rules: SchemaRules): TableVersion {
  const defs: ColumnDef[] = [];
  const columns: RelationColumn[] = [];
  for (const { name, native, notNull, declaration } of sent) {
    const dataType = rules.excluded.has(columnPath(ref, name)) ? undefined : toDataType(native, rules);
    columns.push({ name, native, column: dataType === undefined ? -1 : defs.length });
    if (dataType !== undefined) defs.push({ name, dataType, nullable: !notNull, nativeType: declaration });
  }
  const keyIndexes = key.map((name) => defs.findIndex((def) => def.name === name)).filter((index) => index >= 0);
  const table = new TableSchema({ database: rules.database, schema: ref.schema, name: ref.name, columns: defs, key: keyIndexes });
  return { table, columns };
}
