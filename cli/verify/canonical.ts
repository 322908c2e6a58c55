import type { DataType } from '../../shared/record/data-type.ts';
import type { ColumnDef } from '../../shared/record/table-schema.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from '../../shared/record/value.ts';
import { arrayTextToJson, type ArrayText, parseArrayText, valueFromText } from '../../sources/postgres/text-values.ts';

/**
 * Canonical texts: two cells are the same value exactly when their canonical texts are equal, whichever database they
 * come from.
 *
 * | type | canonical text |
 * |---|---|
 * | boolean | `true`, `false` |
 * | integers | decimal digits |
 * | decimals | without trailing zeros after the point |
 * | floats | JavaScript's shortest form of the number in its own width |
 * | bytes | lower-case hex |
 * | date | days since 1970 |
 * | timestamps | microseconds since 1970 |
 * | arrays | JSON array of canonical texts and nulls |
 * | everything else | as PostgreSQL prints it |
 *
 * Databases bring most of it about themselves, in their own SQL; what is left is done here, on what they answer.
 */
export type Cell = string | null;

/** What still has to be done with a cell of a column that a database has answered. */
export type Finish = (cell: Cell) => Cell;

const keep: Finish = (cell) => cell;

/** What a target cannot tell apart. */
export interface TargetLimits {
  /** Canonical texts of the ends of its range, which stand for the infinities too. */
  readonly infinityOf: (kind: DataType['kind'], text: string) => string;
  /** An absent array and an empty one are the same. */
  readonly hasNullArrays: boolean;
}

export const NO_LIMITS: TargetLimits = { infinityOf: (_kind, text) => text, hasNullArrays: true };

/** For cells that PostgreSQL answered to `buildPostgresQuery`. */
export function finishPostgres(column: ColumnDef, limits: TargetLimits): Finish {
  const type = column.dataType;
  if (type.kind === 'json' && column.nativeType.endsWith('[]')) return onText((text) => nestedArrayJson(text, column.nativeType));
  if (type.kind !== 'array') return finishScalar(type, limits);
  const { element } = type;
  const finishElement = (item: ArrayText[number]): Cell => {
    if (item === null) return null;
    return typeof item === 'string' ? elementFromText(element, item, limits) : JSON.stringify(item.map(finishElement));
  };
  const finish = (text: string): string => JSON.stringify(parseArrayText(text).map(finishElement));
  return (cell) => (cell === null ? emptyArray(limits) : finish(cell));
}

/** For cells that ClickHouse answered to `buildClickHouseQuery`. */
export function finishClickHouse(column: ColumnDef, limits: TargetLimits): (cell: unknown) => Cell {
  const type = column.dataType;
  if (type.kind !== 'array') {
    const finish = finishScalar(type, limits);
    return (cell) => finish(cell as Cell);
  }
  const finishElement = finishScalar(type.element, limits);
  return (cell) => (cell === null ? emptyArray(limits) : JSON.stringify((cell as readonly Cell[]).map(finishElement)));
}

function finishScalar(type: DataType, limits: TargetLimits): Finish {
  switch (type.kind) {
    case 'float32':
      return onText((text) => canonicalFloat(Math.fround(toFloat(text))));
    case 'float64':
      return onText((text) => canonicalFloat(toFloat(text)));
    case 'timestamp':
    case 'timestampTz':
      return onText((text) => limits.infinityOf(type.kind, type.unit === 'millis' ? floorToMillis(text) : text));
    case 'date':
      return onText((text) => limits.infinityOf('date', text));
    default:
      return keep;
  }
}

/** One element of an array, in the text form in which PostgreSQL prints it. */
function elementFromText(type: DataType, text: string, limits: TargetLimits): string {
  const finish = (canonical: string): string => finishScalar(type, limits)(canonical) ?? '';
  switch (type.kind) {
    case 'boolean':
      return text === 't' ? 'true' : 'false';
    case 'decimal':
    case 'numeric':
      return trimZeros(text);
    case 'bytes':
      return text.slice(2);
    case 'date':
      return finish(infinityText(Number(valueFromText(type, text)), DATE_MINUS_INFINITY, DATE_INFINITY));
    case 'timestamp':
    case 'timestampTz':
      return finish(infinityText(BigInt(valueFromText(type, text) as bigint), TIMESTAMP_MINUS_INFINITY, TIMESTAMP_INFINITY));
    default:
      return finish(text);
  }
}

function infinityText<T extends number | bigint>(value: T, lowest: T, highest: T): string {
  if (value === highest) return 'infinity';
  return value === lowest ? '-infinity' : String(value);
}

function emptyArray(limits: TargetLimits): Cell {
  return limits.hasNullArrays ? null : '[]';
}

/** An array of several dimensions is an array in the source and JSON in a target. */
function nestedArrayJson(text: string, nativeType: string): string {
  const isArray = /^(\{|\[-?\d+:-?\d+\])/.test(text);
  return isArray ? arrayTextToJson(parseArrayText(text), elementOfNested(nativeType)) : text;
}

function elementOfNested(nativeType: string): DataType {
  if (nativeType.startsWith('boolean')) return { kind: 'boolean' };
  return /^(smallint|integer)\b/.test(nativeType) ? { kind: 'int32' } : { kind: 'text' };
}

function onText(finish: (text: string) => string): Finish {
  return (cell) => (cell === null ? null : finish(cell));
}

export function trimZeros(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal;
}

/** PostgreSQL writes `Infinity`, ClickHouse `inf`. */
function toFloat(text: string): number {
  const special = /^([+-]?)(inf|nan)/i.exec(text);
  if (special === null) return Number(text);
  if (special[2]?.toLowerCase() === 'nan') return Number.NaN;
  return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function canonicalFloat(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function floorToMillis(micros: string): string {
  if (micros.endsWith('infinity')) return micros;
  const value = BigInt(micros);
  return String(value - (((value % 1000n) + 1000n) % 1000n));
}
