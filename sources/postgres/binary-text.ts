import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from '../../shared/record/value.ts';
import { dateAt, int16At, int32At, int64At, numericTextAt } from './binary-values.ts';
import { EPOCH_MICROS } from './parser.ts';
import type { ArrayText } from './text-values.ts';
import type { NativeType } from './types.ts';

const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;

/** An array's dimensions, whether it has nulls, and the id of its elements' type; of each dimension its length and first index (`array_send`). */
const ARRAY_HEAD_BYTES = 12;
const DIMENSION_BYTES = 8;
/** What the server allows (`MAXDIM`). */
const MOST_DIMENSIONS = 6;

/** A value from its binary form as text that the server takes for the same one: for a condition on a key. */
export function binaryToInput(native: NativeType, bytes: Buffer, start: number, end: number): string {
  if (!native.isArray) return binaryToText(native, bytes, start, end);
  const bounds = Array.from({ length: int32At(bytes, start) }, (_, place) => {
    const at = start + ARRAY_HEAD_BYTES + place * DIMENSION_BYTES;
    const [length, first] = [int32At(bytes, at), int32At(bytes, at + 4)];
    return `[${first}:${first + length - 1}]`;
  });
  const elements = arrayInput(binaryToArrayText(native, bytes, start, end));
  // Arrays that begin at other places than 1 are not equal to those that do.
  return bounds.length === 0 ? elements : `${bounds.join('')}=${elements}`;
}

function arrayInput(items: ArrayText): string {
  const inputs = items.map((item) => {
    if (item === null) return 'NULL';
    return typeof item === 'string' ? `"${item.replaceAll(/["\\]/g, String.raw`\$&`)}"` : arrayInput(item);
  });
  return `{${inputs.join(',')}}`;
}

/** The elements of an array from its binary form, each as text; null for NULL. Throws `RangeError`. */
export function binaryToArrayText(native: NativeType, bytes: Buffer, start: number, end: number): ArrayText {
  const dimensions = lengthAt(bytes, start, end);
  if (dimensions > MOST_DIMENSIONS) throw new RangeError('an array of too many dimensions');
  const lengths = Array.from({ length: dimensions }, (_, place) => lengthAt(bytes, start + ARRAY_HEAD_BYTES + place * DIMENSION_BYTES, end));
  let at = start + ARRAY_HEAD_BYTES + dimensions * DIMENSION_BYTES;
  const element = (): string | null => {
    const length = lengthAt(bytes, at, end);
    at += 4;
    if (length < 0) return null;
    at += length;
    if (at > end) throw new RangeError('an array that ends too early');
    return binaryToText(native, bytes, at - length, at);
  };
  const read = (dimension: number): ArrayText =>
    Array.from({ length: lengths[dimension] ?? 0 }, () => (dimension === dimensions - 1 ? element() : read(dimension + 1)));
  const elements = read(0);
  if (at !== end) throw new RangeError('something behind an array');
  return elements;
}

function lengthAt(bytes: Buffer, at: number, end: number): number {
  if (at + 4 > end) throw new RangeError('an array that ends too early');
  return int32At(bytes, at);
}

/** A value that is no array, as text that means the same to the server, though it may print it in another way. */
function binaryToText({ name, category }: NativeType, bytes: Buffer, start: number, end: number): string {
  if (category === 'e') return bytes.utf8Slice(start, end);
  switch (name) {
    case 'bool':
      return bytes[start] === 1 ? 't' : 'f';
    case 'int2':
      return String(int16At(bytes, start));
    case 'int4':
      return String(int32At(bytes, start));
    case 'int8':
      return String(int64At(bytes, start));
    case 'oid':
    case 'xid':
    case 'cid':
      return String(int32At(bytes, start) >>> 0);
    case 'float4':
      return String(bytes.readFloatBE(start));
    case 'float8':
      return String(bytes.readDoubleBE(start));
    case 'numeric':
      return numericTextAt(bytes, start);
    case 'bytea':
      return `\\x${bytes.toString('hex', start, end)}`;
    case 'uuid':
      return uuidText(bytes.toString('hex', start, end));
    case 'jsonb':
      return bytes.utf8Slice(start + 1, end);
    case 'date':
      return dateText(dateAt(bytes, start));
    case 'time':
      return clockText(BigInt(int64At(bytes, start)));
    case 'timestamp':
    case 'timestamptz':
      return timestampText(BigInt(int64At(bytes, start)));
    default:
      return bytes.utf8Slice(start, end);
  }
}

function uuidText(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function dateText(days: number): string {
  if (days === DATE_INFINITY) return 'infinity';
  return days === DATE_MINUS_INFINITY ? '-infinity' : civilText(days);
}

/** Of microseconds since 2000, as the server counts; in UTC, which sessions of ours have. */
function timestampText(micros: bigint): string {
  if (micros === TIMESTAMP_INFINITY) return 'infinity';
  if (micros === TIMESTAMP_MINUS_INFINITY) return '-infinity';
  const since1970 = micros + BigInt(EPOCH_MICROS);
  const clock = ((since1970 % DAY) + DAY) % DAY;
  const [date, era] = civilText(Number((since1970 - clock) / DAY)).split(' ');
  return `${date} ${clockText(clock)}${era === undefined ? '' : ` ${era}`}`;
}

function clockText(micros: bigint): string {
  const seconds = micros / SECOND;
  const parts = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => String(part).padStart(2, '0'));
  return `${parts.join(':')}.${String(micros % SECOND).padStart(6, '0')}`;
}

/** Days since 1970 as a date of the proleptic Gregorian calendar, with `BC` behind one before the year 1. */
function civilText(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const [shown, mark] = year > 0 ? [year, ''] : [1 - year, ' BC'];
  return `${String(shown).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}${mark}`;
}
