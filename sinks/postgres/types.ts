import type { ColumnDef } from '../../shared/record/table-schema.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';

/** How a value lies in the staging table, and so in the bytes of COPY: one type for each kind of value. */
export interface StagingType {
  readonly sql: string;
  /** Its number in `pg_type`, the same on every server: the binary form of an array names it. */
  readonly oid: number;
}

const STAGING_TYPES: Record<Exclude<DataType['kind'], 'array'>, StagingType> = {
  boolean: { sql: 'boolean', oid: 16 },
  int16: { sql: 'smallint', oid: 21 },
  int32: { sql: 'integer', oid: 23 },
  int64: { sql: 'bigint', oid: 20 },
  uint64: { sql: 'numeric', oid: 1700 },
  float32: { sql: 'real', oid: 700 },
  float64: { sql: 'double precision', oid: 701 },
  decimal: { sql: 'numeric', oid: 1700 },
  numeric: { sql: 'text', oid: 25 },
  string: { sql: 'text', oid: 25 },
  text: { sql: 'text', oid: 25 },
  enum: { sql: 'text', oid: 25 },
  bytes: { sql: 'bytea', oid: 17 },
  json: { sql: 'json', oid: 114 },
  jsonb: { sql: 'jsonb', oid: 3802 },
  uuid: { sql: 'uuid', oid: 2950 },
  date: { sql: 'date', oid: 1082 },
  time: { sql: 'time without time zone', oid: 1083 },
  timestamp: { sql: 'timestamp without time zone', oid: 1114 },
  timestampTz: { sql: 'timestamp with time zone', oid: 1184 },
};

export function stagingTypeOf(type: Exclude<DataType, { kind: 'array' }>): StagingType {
  return STAGING_TYPES[type.kind];
}

/** The staging column's type: of an array, `text[]` and the like. */
export function stagingSqlOf(type: DataType): string {
  return type.kind === 'array' ? `${stagingTypeOf(elementOf(type)).sql}[]` : stagingTypeOf(type).sql;
}

/** Arrays have one dimension in the record model; an array of arrays is nothing that a source sends. */
export function elementOf(type: Extract<DataType, { kind: 'array' }>): Exclude<DataType, { kind: 'array' }> {
  if (type.element.kind !== 'array') return type.element;
  throw new CdcError('TYPE_UNSUPPORTED', 'An array of arrays cannot be written to PostgreSQL.');
}

/** The declaration of `varchar(40)`, `timestamp(3) without time zone` or `bit varying(8)[]`, taken apart. */
export interface NativeType {
  readonly name: string;
  readonly modifier: string;
  readonly isArray: boolean;
}

const DECLARATION = /^([a-z_][a-z0-9_]*(?: [a-z]+)*?) ?(?:\((\d+(?:, ?\d+)?)\))?( (?:with|without) time zone)?(\[\])?$/;

export function parseDeclaration(declaration: string): NativeType | undefined {
  const match = DECLARATION.exec(declaration.trim().toLowerCase());
  if (match === null) return undefined;
  const name = `${match[1]}${match[3] ?? ''}`;
  return { name: SPELLINGS[name] ?? name, modifier: (match[2] ?? '').replace(' ', ''), isArray: match[4] !== undefined };
}

/** PostgreSQL's own spelling (format_type) of what may also be written shorter. */
const SPELLINGS: Readonly<Record<string, string>> = {
  varchar: 'character varying',
  varbit: 'bit varying',
  timetz: 'time with time zone',
  timestamptz: 'timestamp with time zone',
  timestamp: 'timestamp without time zone',
  datetime: 'timestamp without time zone',
  time: 'time without time zone',
};

/**
 * Types whose values travel as text and that every PostgreSQL from 12 on has. A declaration among them comes from a
 * PostgreSQL source, or from one whose text PostgreSQL reads the same way. `char(n)` is not among them: other
 * databases cut trailing blanks where PostgreSQL adds them; PostgreSQL itself writes `character(n)`.
 */
const TEXTUAL: Readonly<Record<string, 'plain' | 'length'>> = {
  'character varying': 'length',
  character: 'length',
  bit: 'length',
  'bit varying': 'length',
  interval: 'length',
  'time with time zone': 'length',
  ...plain('bpchar inet cidr macaddr macaddr8 xml tsvector tsquery pg_lsn jsonpath name'),
  ...plain('int4range int8range numrange tsrange tstzrange daterange'),
  ...plain('line lseg box path circle'),
};

function plain(names: string): Record<string, 'plain'> {
  return Object.fromEntries(names.split(' ').map((name) => [name, 'plain']));
}

/**
 * The type of a column that we create, as format_type would print it: the source's own declaration where PostgreSQL
 * has it, else by its kind.
 */
export function targetSqlOf(column: ColumnDef): string {
  return targetSql(column.dataType, parseDeclaration(column.nativeType));
}

function targetSql(type: DataType, native: NativeType | undefined): string {
  switch (type.kind) {
    case 'array':
      return `${targetSql(elementOf(type), native)}[]`;
    case 'uint64':
      return 'numeric(20,0)';
    case 'decimal':
      return `numeric(${type.precision},${type.scale})`;
    case 'numeric':
      return native?.name === 'numeric' ? withModifier('numeric', native.modifier) : 'numeric';
    case 'string':
    case 'text':
      return textualSql(native);
    case 'time':
    case 'timestamp':
    case 'timestampTz':
      return temporalSql(type.kind, native);
    default:
      return stagingTypeOf(type).sql;
  }
}

function textualSql(native: NativeType | undefined): string {
  const form = native === undefined ? undefined : TEXTUAL[native.name];
  if (native === undefined || form === undefined) return 'text';
  return form === 'length' ? withModifier(native.name, native.modifier) : native.name;
}

/** `timestamp(3) without time zone` keeps its 3; microseconds need no number. */
function temporalSql(kind: 'time' | 'timestamp' | 'timestampTz', native: NativeType | undefined): string {
  const { sql } = STAGING_TYPES[kind];
  const digits = native?.name === sql ? native.modifier : '';
  return digits === '6' ? sql : withModifier(sql, digits);
}

function withModifier(name: string, modifier: string): string {
  if (modifier === '') return name;
  return name.replace(/^(\w+)(.*?)((?: with(?:out)? time zone)?)$/, `$1$2(${modifier})$3`);
}
