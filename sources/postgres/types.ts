import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { DataType, TimeUnit } from '../../shared/record/data-type.ts';

export interface TypeHandling {
  readonly decimals: 'decimal' | 'string';
  readonly timeUnit: TimeUnit;
  readonly unknown: 'stop' | 'string';
}

/** A column's type as the catalogue describes it; a domain is resolved to its base type. */
export interface NativeType {
  /** `pg_type.typname`, for an array that of its element. */
  readonly name: string;
  /** `pg_type.typtype`: b base, e enum, c composite, r range, m multirange. */
  readonly category: string;
  readonly modifier: number;
  readonly isArray: boolean;
  /** `pg_attribute.attndims`; 0 or 1 for plain arrays. */
  readonly dimensions: number;
  readonly enumValues: readonly string[];
}

/** Types that travel in the text form in which PostgreSQL prints them. */
export const TEXT_FORM = new Set(
  'char name varchar bpchar citext xml money timetz interval inet cidr macaddr macaddr8 bit varbit point line lseg box path polygon circle tsvector tsquery pg_lsn txid_snapshot pg_snapshot jsonpath hstore ltree lquery ltxtquery regclass regproc regtype regrole regnamespace regprocedure regoper regoperator regconfig regdictionary aclitem'.split(
    ' ',
  ),
);

/** The neutral type of a column, or undefined for one that cannot be carried. */
export function toDataType(native: NativeType, handling: TypeHandling): DataType | undefined {
  const element = toScalarType(native, handling);
  if (element === undefined) return handling.unknown === 'string' ? { kind: 'string' } : undefined;
  if (!native.isArray) return element;
  return native.dimensions > 1 ? { kind: 'json' } : { kind: 'array', element };
}

function toScalarType(native: NativeType, handling: TypeHandling): DataType | undefined {
  if (native.category === 'e') return { kind: 'enum', values: native.enumValues };
  if (native.category === 'r' || native.category === 'm') return { kind: 'string' };
  const unit = handling.timeUnit;
  switch (native.name) {
    case 'bool':
      return { kind: 'boolean' };
    case 'int2':
      return { kind: 'int16' };
    case 'int4':
      return { kind: 'int32' };
    case 'int8':
    case 'oid':
    case 'xid':
    case 'cid':
      return { kind: 'int64' };
    case 'float4':
      return { kind: 'float32' };
    case 'float8':
      return { kind: 'float64' };
    case 'numeric':
      return toDecimal(native.modifier, handling);
    case 'text':
      return { kind: 'text' };
    case 'bytea':
      return { kind: 'bytes' };
    case 'json':
      return { kind: 'json' };
    case 'jsonb':
      return { kind: 'jsonb' };
    case 'uuid':
      return { kind: 'uuid' };
    case 'date':
      return { kind: 'date' };
    case 'time':
      return { kind: 'time', unit };
    case 'timestamp':
      return { kind: 'timestamp', unit };
    case 'timestamptz':
      return { kind: 'timestampTz', unit };
    default:
      return TEXT_FORM.has(native.name) ? { kind: 'string' } : undefined;
  }
}

/** The modifier packs precision and an 11-bit signed scale (PostgreSQL source, `numerictypmodin`). */
function toDecimal(modifier: number, handling: TypeHandling): DataType {
  if (modifier < 4 || handling.decimals === 'string') return { kind: 'numeric' };
  const precision = ((modifier - 4) >> 16) & 0xffff;
  const signedScale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  const scale = Math.max(signedScale, 0);
  return { kind: 'decimal', precision: Math.max(signedScale < 0 ? precision - signedScale : precision, scale), scale };
}

/** How a cell's text becomes bytes of a row: a small number, so that the hot loop is one switch. */
export const CELL = {
  boolean: 1,
  int: 2,
  long: 3,
  float: 4,
  double: 5,
  decimal: 6,
  text: 7,
  bytes: 8,
  date: 9,
  time: 10,
  timestamp: 11,
  array: 12,
  nestedArray: 13,
  timeMillis: 14,
  timestampMillis: 15,
  /** Masks: what is written in place of the value. */
  redacted: 16,
  digest: 17,
  nothing: 18,
} as const;

export type CellCode = (typeof CELL)[keyof typeof CELL];

export function cellCodeOf(type: DataType, native: NativeType): CellCode {
  if (native.isArray && type.kind === 'json') return CELL.nestedArray;
  switch (type.kind) {
    case 'boolean':
      return CELL.boolean;
    case 'int16':
    case 'int32':
      return CELL.int;
    case 'int64':
      return CELL.long;
    case 'float32':
      return CELL.float;
    case 'float64':
      return CELL.double;
    case 'decimal':
      return CELL.decimal;
    case 'bytes':
      return CELL.bytes;
    case 'date':
      return CELL.date;
    case 'time':
      return type.unit === 'millis' ? CELL.timeMillis : CELL.time;
    case 'timestamp':
    case 'timestampTz':
      return type.unit === 'millis' ? CELL.timestampMillis : CELL.timestamp;
    case 'array':
      return CELL.array;
    case 'numeric':
    case 'string':
    case 'text':
    case 'enum':
    case 'json':
    case 'jsonb':
    case 'uuid':
      return CELL.text;
    case 'uint64':
      throw new CdcError('INVARIANT_BROKEN', 'PostgreSQL has no unsigned integers.');
  }
}
