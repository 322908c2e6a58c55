import type { Client } from 'pg';
import type { DataType } from '../../shared/record/data-type.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { type ColumnDef, type TableRef, TableSchema } from '../../shared/record/table-schema.ts';
import { type Mask, maskedType } from './masks.ts';
import type { RelationMessage, RelationMessageColumn } from './parser.ts';
import type { RelationColumn } from './text-cells.ts';
import { DESCRIBE_TABLES, DESCRIBE_TYPES, UNIQUE_KEYS } from './statements.ts';
import { type NativeType, toDataType, type TypeHandling } from './types.ts';

/** A type as the catalogue describes it: of a column, or by itself. */
export interface CatalogType {
  readonly typeId: number;
  readonly typeModifier: number;
  readonly declaration: string;
  readonly native: NativeType;
}

/** One column as the catalogue describes it. */
export interface CatalogColumn extends CatalogType {
  readonly name: string;
  readonly notNull: boolean;
  readonly isGenerated: boolean;
  /** Of a generated one: whether its value lies in the table, and so may be published. */
  readonly isStored: boolean;
  /** Place in the primary key, or null. */
  readonly primaryPlace: number | null;
  readonly identityPlace: number | null;
}

export interface CatalogTable {
  /** `pg_class.oid`, by which the log names the table. */
  readonly id: number;
  readonly ref: TableRef;
  readonly replicaIdentity: string;
  readonly isPartitioned: boolean;
  readonly canSelect: boolean;
  readonly isOwner: boolean;
  /** Policies hide rows of the table from our user. */
  readonly hasRowSecurity: boolean;
  /** A deferrable primary key is no replica identity (PostgreSQL manual, ALTER TABLE). */
  readonly hasImmediateKey: boolean;
  readonly expectedRows: number;
  readonly tableBytes: number;
  readonly columns: readonly CatalogColumn[];
}

/** What a publication carries of a table: all columns and rows where these are null. */
export interface PublishedShape {
  readonly columns: readonly string[] | null;
  /** A condition, as PostgreSQL or the setting has it. */
  readonly filter: string | null;
}

export interface SchemaRules extends TypeHandling {
  readonly database: string;
  /** `schema.table.column` of columns that are left out. */
  readonly excluded: ReadonlySet<string>;
  /** By `schema.table.column`. */
  readonly masks: ReadonlyMap<string, Mask>;
  /** Columns that make the key, by `schema.table`, where not the table itself decides. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** What the publication carries of each table, by `schema.table`; the snapshot reads the same. */
  readonly published: ReadonlyMap<string, PublishedShape>;
  /** Whether generated columns that are stored come on the stream. */
  readonly sendsGenerated: boolean;
  /** Whether a column that is added to a table with a list of columns is to be published. */
  readonly widensLists: boolean;
}

/** A table version that rows can be read with: its schema, and its columns as the log sends them. */
export interface TableVersion {
  readonly table: TableSchema;
  readonly columns: readonly RelationColumn[];
}

interface TypeRow {
  readonly type_id: string;
  readonly type_modifier: number;
  readonly declaration: string;
  readonly is_array: boolean;
  readonly dimensions: number;
  readonly type_name: string;
  readonly type_category: string;
  readonly base_modifier: number;
  readonly enum_values: readonly string[];
}

interface CatalogRow extends TypeRow {
  readonly schema: string;
  readonly name: string;
  readonly table_id: string;
  readonly replica_identity: string;
  readonly kind: string;
  readonly can_select: boolean;
  readonly is_owner: boolean;
  readonly has_row_security: boolean;
  readonly has_immediate_key: boolean;
  readonly expected_rows: number;
  readonly table_bytes: number;
  readonly column_name: string;
  readonly not_null: boolean;
  readonly is_generated: boolean;
  readonly is_stored: boolean;
  readonly primary_place: number | null;
  readonly identity_place: number | null;
}

/** Describes tables; those that do not exist are missing from the answer. */
export async function describeTables(client: Client, tables: readonly TableRef[]): Promise<readonly CatalogTable[]> {
  const { rows } = await client.query<CatalogRow>(DESCRIBE_TABLES, [tables.map(({ schema }) => schema), tables.map(({ name }) => name)]);
  return [...Map.groupBy(rows, ({ schema, name }) => JSON.stringify([schema, name])).values()].map(toTable);
}

/** What is unique in tables, by `schema.table`: sets of columns. */
export async function readUniqueKeys(client: Client, tables: readonly TableRef[]): Promise<ReadonlyMap<string, readonly (readonly string[])[]>> {
  const values = [tables.map(({ schema }) => schema), tables.map(({ name }) => name)];
  const { rows } = await client.query<TableRef & { readonly columns: readonly string[] }>(UNIQUE_KEYS, values);
  const groups = Map.groupBy(rows, ({ schema, name }) => `${schema}.${name}`);
  return new Map([...groups].map(([table, found]) => [table, found.map(({ columns }) => columns)]));
}

/** Describes types that the log uses, also of columns that no table has any more; those that were dropped are missing. */
export async function describeTypes(client: Client, columns: readonly RelationMessageColumn[]): Promise<readonly CatalogType[]> {
  const { rows } = await client.query<TypeRow>(DESCRIBE_TYPES, [columns.map(({ typeId }) => typeId), columns.map(({ typeModifier }) => typeModifier)]);
  return rows.map(toType);
}

function toTable(rows: readonly CatalogRow[]): CatalogTable {
  const first = rows[0] as CatalogRow;
  return {
    id: Number(first.table_id),
    ref: { schema: first.schema, name: first.name },
    replicaIdentity: first.replica_identity,
    isPartitioned: first.kind === 'p',
    canSelect: first.can_select,
    isOwner: first.is_owner,
    hasRowSecurity: first.has_row_security,
    hasImmediateKey: first.has_immediate_key,
    expectedRows: first.expected_rows,
    tableBytes: first.table_bytes,
    columns: rows.map(toColumn),
  };
}

function toColumn(row: CatalogRow): CatalogColumn {
  const {
    column_name: name,
    not_null: notNull,
    is_generated: isGenerated,
    is_stored: isStored,
    primary_place: primaryPlace,
    identity_place: identityPlace,
  } = row;
  return { ...toType(row), name, notNull, isGenerated, isStored, primaryPlace, identityPlace };
}

function toType(row: TypeRow): CatalogType {
  return {
    typeId: Number(row.type_id),
    typeModifier: row.type_modifier,
    declaration: row.declaration,
    native: {
      name: row.type_name,
      category: row.type_category,
      modifier: row.base_modifier,
      isArray: row.is_array,
      dimensions: row.dimensions,
      enumValues: row.enum_values,
    },
  };
}

/** The columns that are carried: what the log sends, without what is left out on purpose. */
export function carriedColumns(table: CatalogTable, rules: SchemaRules): readonly CatalogColumn[] {
  return sentColumns(table, rules).filter(({ name }) => !rules.excluded.has(columnPath(table.ref, name)));
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

/** Names of the columns that make the key of the topic. */
export function topicKeyOf(table: CatalogTable, rules: SchemaRules): readonly string[] {
  return rules.keys.get(`${table.ref.schema}.${table.ref.name}`) ?? keyOf(table);
}

/** The version of a table that the catalogue knows now. Throws `TYPE_UNSUPPORTED`. */
export function toTableVersion(table: CatalogTable, rules: SchemaRules): TableVersion {
  return build(table.ref, sentColumns(table, rules), keyOf(table), rules);
}

/** What is known where the log and the catalogue are at different places: descriptions of the table, and of types. */
export interface KnownVersions {
  /** The likelier first. */
  readonly tables: readonly CatalogTable[];
  readonly types: readonly CatalogType[];
}

/**
 * The version of a table that a Relation message speaks of, with what only the catalogue knows taken from there by
 * column name: the catalogue may be ahead of the log. Undefined where a type of it is known nowhere.
 */
export function toRelationVersion(message: RelationMessage, known: KnownVersions, rules: SchemaRules): TableVersion | undefined {
  const columns: CatalogColumn[] = [];
  for (const column of message.columns) {
    const found = findColumn(column, known);
    if (found === undefined) return undefined;
    columns.push(found);
  }
  return build({ schema: message.schema, name: message.name }, columns, keyOfMessage(message, known.tables), rules);
}

/** The column itself, or else a type that the log can mean by it. */
function findColumn({ name, typeId, typeModifier }: RelationMessageColumn, { tables, types }: KnownVersions): CatalogColumn | undefined {
  const columns = tables.flatMap((table) => table.columns).filter((column) => column.typeId === typeId && column.typeModifier === typeModifier);
  const same = columns.find((column) => column.name === name);
  if (same !== undefined) return { ...same, isGenerated: false };
  const type = types.find((candidate) => candidate.typeId === typeId && candidate.typeModifier === typeModifier) ?? columns[0];
  return type === undefined ? undefined : { ...type, name, notNull: false, isGenerated: false, isStored: false, primaryPlace: null, identityPlace: null };
}

/** The message says which columns make the key, their order is the catalogue's. */
function keyOfMessage(message: RelationMessage, tables: readonly CatalogTable[]): readonly string[] {
  const flagged = keyFlags(message);
  const keys = tables.map(keyOf);
  if (flagged !== undefined) return keys.find((key) => isSameSet(key, flagged)) ?? flagged;
  const names = new Set(message.columns.map(({ name }) => name));
  return keys.find((key) => key.length > 0 && key.every((name) => names.has(name))) ?? [];
}

/** Whether a Relation message speaks of the version that the catalogue knows. */
export function matches(message: RelationMessage, table: CatalogTable, rules: SchemaRules): boolean {
  const sent = sentColumns(table, rules);
  const flagged = keyFlags(message);
  return (
    sent.length === message.columns.length &&
    sent.every(({ name, typeId, typeModifier }, index) => {
      const column = message.columns[index];
      return column?.name === name && column.typeId === typeId && column.typeModifier === typeModifier;
    }) &&
    message.replicaIdentity === table.replicaIdentity &&
    (flagged === undefined || isSameSet(keyOf(table), flagged))
  );
}

/** As the publication has them; generated ones only where it says so, and where their value lies in the table. */
function sentColumns(table: CatalogTable, rules: SchemaRules): readonly CatalogColumn[] {
  const list = rules.published.get(`${table.ref.schema}.${table.ref.name}`)?.columns ?? null;
  if (list !== null) return table.columns.filter(({ name }) => list.includes(name));
  return table.columns.filter(({ isGenerated, isStored }) => !isGenerated || (isStored && rules.sendsGenerated));
}

/** Undefined where the message does not tell the key: REPLICA IDENTITY FULL flags all columns, NOTHING none. */
function keyFlags({ columns, replicaIdentity }: RelationMessage): readonly string[] | undefined {
  const flagged = columns.filter(({ isKey }) => isKey).map(({ name }) => name);
  return replicaIdentity === 'f' || flagged.length === 0 ? undefined : flagged;
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

function build(ref: TableRef, sent: readonly CatalogColumn[], key: readonly string[], rules: SchemaRules): TableVersion {
  const defs: ColumnDef[] = [];
  const columns: RelationColumn[] = [];
  for (const column of sent) {
    const { name, native } = column;
    const path = columnPath(ref, name);
    const mask = rules.masks.get(path);
    const isExcluded = rules.excluded.has(path);
    columns.push({ name, native, column: isExcluded ? -1 : defs.length, mask });
    if (!isExcluded) defs.push(mask === undefined ? plainDef(ref, column, rules) : maskedDef(column, mask, rules));
  }
  const keyIndexes = keyIndexesOf(ref, key, defs, rules);
  const table = new TableSchema({ database: rules.database, schema: ref.schema, name: ref.name, columns: defs, key: keyIndexes });
  return { table, columns };
}

function plainDef(ref: TableRef, column: CatalogColumn, rules: SchemaRules): ColumnDef {
  const { name, notNull, declaration } = column;
  return { name, dataType: carriedType(ref, column, rules), nullable: !notNull, nativeType: declaration };
}

function maskedDef({ name, native, notNull, declaration }: CatalogColumn, mask: Mask, rules: SchemaRules): ColumnDef {
  const type = toDataType(native, rules);
  const dataType = maskedType(mask, type);
  return { name, dataType, nullable: mask.kind === 'null' || !notNull, nativeType: dataType === type ? declaration : 'text' };
}

/** Where the settings name the key, each column of it has to be there: rows under a part of a key would be taken for one another. */
function keyIndexesOf(ref: TableRef, key: readonly string[], defs: readonly ColumnDef[], rules: SchemaRules): readonly number[] {
  const named = rules.keys.get(`${ref.schema}.${ref.name}`);
  const indexes = (named ?? key).map((name) => defs.findIndex((def) => def.name === name));
  if (named === undefined) return indexes.filter((index) => index >= 0);
  const gone = named[indexes.indexOf(-1)];
  if (gone === undefined) return indexes;
  throw new CdcError('CONFIG_INVALID', `MESSAGE_KEY_COLUMNS names ${columnPath(ref, gone)}, which is not among the columns that are carried.`, {
    remedy: 'Put the name that the column has now into MESSAGE_KEY_COLUMNS, or name another one.',
  });
}

function carriedType(ref: TableRef, column: CatalogColumn, rules: SchemaRules): DataType {
  const type = toDataType(column.native, rules);
  if (type !== undefined) return type;
  const { message, remedy } = unsupportedType(ref, column);
  throw new CdcError('TYPE_UNSUPPORTED', message, { remedy });
}

export function unsupportedType(ref: TableRef, column: CatalogColumn): { readonly message: string; readonly remedy: string } {
  return {
    message: `Column ${column.name} of ${ref.schema}.${ref.name} has the type ${column.declaration}, which cannot be carried as it is.`,
    remedy: `Set EXCLUDE_COLUMNS=${columnPath(ref, column.name)} to leave it out, or UNKNOWN_TYPES=string to carry its text.`,
  };
}
