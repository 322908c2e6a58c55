import type { DataType } from '../../shared/record/data-type.ts';

/** Digits that ClickHouse's widest decimal holds. */
export const MAX_DECIMAL_PRECISION = 76;

/** A column type of the target, as `system.columns` writes it, taken apart. */
export interface ColumnType {
  readonly text: string;
  readonly isNullable: boolean;
  /** Without `LowCardinality` and `Nullable`, and without arguments: `Decimal`, `String`, `Array` … */
  readonly name: string;
  readonly args: readonly string[];
}

/**
 * The type that a column of the source gets here. Key columns are never Nullable, and an array never is: ClickHouse
 * has no such type, so an absent array becomes an empty one.
 */
export function columnTypeFor(type: DataType, rules: { readonly isKey: boolean; readonly isNullable: boolean }): string {
  const plain = plainTypeFor(type, rules.isKey);
  if (rules.isKey || !rules.isNullable || plain.startsWith('Array')) return type.kind === 'enum' ? `LowCardinality(${plain})` : plain;
  return type.kind === 'enum' ? `LowCardinality(Nullable(${plain}))` : `Nullable(${plain})`;
}

const PLAIN_TYPES: Readonly<Partial<Record<DataType['kind'], string>>> = {
  boolean: 'Bool',
  int16: 'Int16',
  int32: 'Int32',
  int64: 'Int64',
  uint64: 'UInt64',
  float32: 'Float32',
  float64: 'Float64',
  uuid: 'UUID',
  date: 'Date32',
  timestamp: "DateTime64(6, 'UTC')",
  timestampTz: "DateTime64(6, 'UTC')",
};

function plainTypeFor(type: DataType, isKey: boolean): string {
  if (type.kind === 'decimal' && type.precision <= MAX_DECIMAL_PRECISION) return `Decimal(${type.precision}, ${type.scale})`;
  if (type.kind === 'array' && !isKey) return `Array(Nullable(${plainTypeFor(type.element, false)}))`;
  return PLAIN_TYPES[type.kind] ?? 'String';
}

export function parseColumnType(text: string): ColumnType {
  let rest = text;
  let isNullable = false;
  for (let inner = unwrap(rest); inner !== undefined; inner = unwrap(rest)) {
    isNullable ||= rest.startsWith('Nullable(');
    rest = inner;
  }
  const parenthesis = rest.indexOf('(');
  if (parenthesis < 0) return { text, isNullable, name: rest, args: [] };
  return { text, isNullable, name: rest.slice(0, parenthesis), args: splitArguments(rest.slice(parenthesis + 1, -1)) };
}

function unwrap(text: string): string | undefined {
  return /^(?:LowCardinality|Nullable)\((.*)\)$/s.exec(text)?.[1];
}

function splitArguments(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')') depth--;
    else if (text[at] === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return [...parts, text.slice(start).trim()];
}

const INTEGER_BITS: Readonly<Record<string, number>> = { Int16: 16, Int32: 32, Int64: 64 };
const SOURCE_BITS: Readonly<Partial<Record<DataType['kind'], number>>> = { int16: 16, int32: 32, int64: 64 };
/** Kinds that an existing String column may hold in text form. */
const TEXT_KINDS: ReadonlySet<DataType['kind']> = new Set([
  'int16',
  'int32',
  'int64',
  'uint64',
  'decimal',
  'numeric',
  'string',
  'text',
  'enum',
  'bytes',
  'json',
  'jsonb',
  'uuid',
  'time',
]);

/** Whether every value of the source's type can be written to the target's column without loss. */
export function accepts(target: ColumnType, source: DataType, isKey = false): boolean {
  if (target.name === 'String') return TEXT_KINDS.has(source.kind) || (source.kind === 'array' && isKey);
  const wanted = parseColumnType(plainTypeFor(source, isKey));
  switch (wanted.name) {
    case 'Int16':
    case 'Int32':
    case 'Int64':
      return (INTEGER_BITS[target.name] ?? 0) >= (SOURCE_BITS[source.kind] ?? 64);
    case 'Float32':
      return target.name === 'Float32' || target.name === 'Float64';
    case 'Decimal':
      return target.name === 'Decimal' && isWiderDecimal(target, wanted);
    case 'DateTime64':
      return target.name === 'DateTime64' && target.args[0] === '6';
    case 'Array':
      return target.name === 'Array' && source.kind === 'array' && accepts(elementOf(target), source.element);
    default:
      return target.name === wanted.name;
  }
}

/** Whether ClickHouse can change a column from one type to the other and keep every value. */
export function canWiden(from: ColumnType, to: ColumnType): boolean {
  if (from.name === to.name && from.args.join() === to.args.join()) return true;
  if (to.name === 'String') return ['Int16', 'Int32', 'Int64', 'UInt64', 'Decimal', 'UUID'].includes(from.name);
  if (to.name === 'Decimal') return from.name === 'Decimal' && isWiderDecimal(to, from);
  if (to.name === 'Float64') return from.name === 'Float32';
  if (to.name === 'Array') return from.name === 'Array' && canWiden(elementOf(from), elementOf(to));
  return (INTEGER_BITS[to.name] ?? 0) > (INTEGER_BITS[from.name] ?? 64);
}

export function elementOf(array: ColumnType): ColumnType {
  return parseColumnType(array.args[0] ?? 'Nothing');
}

/** The same type, able to hold null; an array stays as it is. */
export function asNullable({ text, isNullable, name }: ColumnType): string {
  if (isNullable || name === 'Array') return text;
  const inner = /^LowCardinality\((.*)\)$/s.exec(text)?.[1];
  return inner === undefined ? `Nullable(${text})` : `LowCardinality(Nullable(${inner}))`;
}

function isWiderDecimal(wide: ColumnType, narrow: ColumnType): boolean {
  const [widePrecision = 0, wideScale = 0] = wide.args.map(Number);
  const [precision = 0, scale = 0] = narrow.args.map(Number);
  return wideScale >= scale && widePrecision - wideScale >= precision - scale;
}

/** Bytes of a Decimal of that precision, as of an integer of that name. */
export function widthOf(type: ColumnType): number {
  if (type.name === 'Decimal') {
    const precision = Number(type.args[0]);
    if (precision <= 9) return 4;
    if (precision <= 18) return 8;
    return precision <= 38 ? 16 : 32;
  }
  return FIXED_WIDTHS[type.name] ?? 0;
}

const FIXED_WIDTHS: Readonly<Record<string, number>> = {
  Bool: 1,
  UInt8: 1,
  Int16: 2,
  Int32: 4,
  Int64: 8,
  UInt64: 8,
  Float32: 4,
  Float64: 8,
  UUID: 16,
  Date32: 4,
  DateTime64: 8,
};
