import type { TableSchema } from '../../shared/record/table-schema.ts';
import { type CatalogColumn, type CatalogTable, type SchemaRules, type TableVersion, toTableVersion } from '../../sources/postgres/catalog.ts';
import type { RelationMessage } from '../../sources/postgres/parser.ts';

/** Tables as the catalogue would describe them, without a server. */

export const RULES: SchemaRules = {
  database: 'shop',
  excluded: new Set(),
  masks: new Map(),
  keys: new Map(),
  published: new Map(),
  sendsGenerated: false,
  widensLists: false,
  decimals: 'decimal',
  timeUnit: 'micros',
  unknown: 'stop',
};

const TYPE_IDS: Readonly<Record<string, number>> = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  json: 114,
  float4: 700,
  float8: 701,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
};
const ARRAY_OF = 100_000;

export interface ColumnSpec extends Partial<Omit<CatalogColumn, 'native'>> {
  readonly name: string;
  /** `pg_type.typname`, with `[]` behind it for an array. */
  readonly type: string;
  readonly dimensions?: number;
  readonly category?: string;
}

export function column({ type, dimensions, category = 'b', ...spec }: ColumnSpec): CatalogColumn {
  const isArray = type.endsWith('[]');
  const base = isArray ? type.slice(0, -2) : type;
  const typeModifier = spec.typeModifier ?? -1;
  return {
    typeId: (TYPE_IDS[base] ?? 50_000 + base.length) + (isArray ? ARRAY_OF : 0),
    declaration: type,
    notNull: spec.primaryPlace !== undefined,
    isGenerated: false,
    isStored: false,
    primaryPlace: null,
    identityPlace: null,
    ...spec,
    typeModifier,
    native: { name: base, category, modifier: typeModifier, isArray, dimensions: dimensions ?? Number(isArray), enumValues: [] },
  };
}

export function catalogTable(columns: readonly ColumnSpec[], more: Partial<CatalogTable> = {}): CatalogTable {
  return {
    id: 1,
    ref: { schema: 'public', name: 't' },
    replicaIdentity: 'd',
    isPartitioned: false,
    canSelect: true,
    isOwner: true,
    hasRowSecurity: false,
    hasImmediateKey: true,
    expectedRows: 0,
    tableBytes: 0,
    columns: columns.map(column),
    ...more,
  };
}

export function version(columns: readonly ColumnSpec[], rules: Partial<SchemaRules> = {}): TableVersion {
  return toTableVersion(catalogTable(columns), { ...RULES, ...rules });
}

/** The Relation message that the log would have for a table. */
export function relationMessage({ id, ref, replicaIdentity, columns }: CatalogTable): RelationMessage {
  const place = replicaIdentity === 'i' ? 'identityPlace' : 'primaryPlace';
  const sent = columns.filter(({ isGenerated }) => !isGenerated);
  return {
    id,
    ...ref,
    replicaIdentity,
    columns: sent.map((found) => ({
      isKey: replicaIdentity === 'f' || (replicaIdentity !== 'n' && found[place] !== null),
      name: found.name,
      typeId: found.typeId,
      typeModifier: found.typeModifier,
    })),
  };
}

export function keyNames(table: TableSchema): string[] {
  return table.keyColumns.map(({ name }) => name);
}
