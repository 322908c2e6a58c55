import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, type UNCHANGED, type Value } from '../../shared/record/value.ts';

/**
 * What belongs into `types.ts`: from a column's type to the target's, from a value to what is sent, and which column
 * takes which other one. Pure, and complete: the compiler asks for every kind. No value is rounded, cut or made null.
 *
 * This target takes text, as many loaders do (CSV, JSON): a cell is text or null.
 */
export type Cell = string | null;

const COLUMN_TYPES: Readonly<Record<Exclude<DataType['kind'], 'decimal' | 'array'>, string>> = {
  boolean: 'boolean',
  int16: 'smallint',
  int32: 'integer',
  int64: 'bigint',
  uint64: 'decimal(20,0)',
  float32: 'real',
  float64: 'double',
  numeric: 'number',
  string: 'text',
  text: 'text',
  enum: 'text',
  bytes: 'bytes',
  json: 'json',
  jsonb: 'json',
  uuid: 'uuid',
  date: 'date',
  time: 'time',
  timestamp: 'timestamp',
  timestampTz: 'timestamp with time zone',
};

/** From narrow to wide: a column of a type holds every value of those before it. */
const WIDENINGS: readonly (readonly string[])[] = [
  ['smallint', 'integer', 'bigint'],
  ['real', 'double'],
];

export function columnTypeOf(type: DataType): string {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`;
    case 'array':
      return `${columnTypeOf(type.element)}[]`;
    default:
      return COLUMN_TYPES[type.kind];
  }
}

/** Whether a column of type `into` holds every value of type `from`. */
export function fits(from: string, into: string): boolean {
  if (from === into || WIDENINGS.some((types) => types.includes(from) && types.indexOf(from) < types.indexOf(into))) return true;
  const [narrow, wide] = [digitsOf(from), digitsOf(into)];
  return narrow !== undefined && wide !== undefined && narrow.whole <= wide.whole && narrow.scale <= wide.scale;
}

/** A value as it is sent. `where` names column and table for messages, which never show the value. */
export function toCell(type: DataType, value: Exclude<Value, typeof UNCHANGED>, where: string): Cell {
  if (value === null) return null;
  switch (type.kind) {
    case 'bytes':
      return (value as Buffer).toString('hex');
    case 'date':
      return dateText(value as number, where);
    case 'time':
      return timeText(BigInt(value as number));
    case 'timestamp':
    case 'timestampTz':
      return timestampText(BigInt(value as number | bigint), where);
    case 'array':
      return JSON.stringify((value as readonly Exclude<Value, typeof UNCHANGED>[]).map((item) => toCell(type.element, item, where)));
    default:
      return String(value);
  }
}

/** A cell as a column of this type shows it: with exactly its digits after the point. */
export function toColumn(cell: Cell, columnType: string): Cell {
  const digits = digitsOf(columnType);
  if (cell === null || digits === undefined || digits.scale === 0) return cell;
  const [whole, fraction = ''] = cell.split('.');
  return `${whole}.${fraction.padEnd(digits.scale, '0')}`;
}

function digitsOf(columnType: string): { readonly whole: number; readonly scale: number } | undefined {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(columnType) ?? [];
  return precision === undefined ? undefined : { whole: Number(precision) - Number(scale), scale: Number(scale) };
}

const MICROS_A_DAY = 86_400_000_000n;
/** Days of 0001-01-01 and 9999-12-31, beyond which this target has no dates. */
const FIRST_DAY = -719_162n;
const LAST_DAY = 2_932_896n;

function dateText(days: number, where: string): string {
  if (days === DATE_INFINITY) return 'infinity';
  if (days === DATE_MINUS_INFINITY) return '-infinity';
  return dayText(BigInt(days), where);
}

/** In UTC. A remainder of `%` is negative before 1970, hence the second one. */
function timestampText(micros: bigint, where: string): string {
  if (micros >= TIMESTAMP_INFINITY) return 'infinity';
  if (micros <= TIMESTAMP_MINUS_INFINITY) return '-infinity';
  const ofDay = ((micros % MICROS_A_DAY) + MICROS_A_DAY) % MICROS_A_DAY;
  return `${dayText((micros - ofDay) / MICROS_A_DAY, where)} ${timeText(ofDay)}`;
}

function dayText(day: bigint, where: string): string {
  if (day < FIRST_DAY || day > LAST_DAY) throw new CdcError('VALUE_OUT_OF_RANGE', `A date of ${where} is not between 0001-01-01 and 9999-12-31.`);
  return new Date(Number(day) * 86_400_000).toISOString().slice(0, 10);
}

/** Midnight at the end of a day, `24:00:00`, is a time too. */
function timeText(micros: bigint): string {
  const seconds = micros / 1_000_000n;
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => String(part).padStart(2, '0'));
  return `${clock.join(':')}.${String(micros % 1_000_000n).padStart(6, '0')}`;
}
