import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from '../../shared/record/value.ts';
import { EPOCH_MICROS } from './parser.ts';
import { assertTimestamp } from './text-values.ts';

/** Of a numeric: its sign, or that it is none (PostgreSQL source, `numeric_send`). */
const NEGATIVE = 0x4000;
const SPECIAL = new Map([
  [0xc000, 'NaN'],
  [0xd000, 'Infinity'],
  [0xf000, '-Infinity'],
]);
/** A digit of a numeric has four decimal ones. */
const GROUP = 4;
const POWERS = [1, 10, 100, 1000, 10_000] as const;
/** Up to this many digits an integer is exact as a number. */
const SAFE_DIGITS = 15;
/** From 1970 to 2000, where PostgreSQL counts from. */
const EPOCH_DAYS = 10_957;
const TWO_32 = 0x100000000;
/** Below this size of the high half, both halves make an exact number. */
const SAFE_HIGH = 0x100000;
const HIGHEST = 0x7fffffff;
const LOWEST = -0x80000000;

export function int16At(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}

export function int32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

export function int64At(bytes: Uint8Array, at: number): number | bigint {
  const high = int32At(bytes, at);
  const low = int32At(bytes, at + 4) >>> 0;
  if (high < SAFE_HIGH && high >= -SAFE_HIGH) return high * TWO_32 + low;
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Days since 1970. */
export function dateAt(bytes: Uint8Array, at: number): number {
  const days = int32At(bytes, at);
  return days === HIGHEST || days === LOWEST ? days : days + EPOCH_DAYS;
}

/** Microseconds since 1970. Throws `VALUE_OUT_OF_RANGE`, as the text form does. */
export function timestampAt(bytes: Uint8Array, at: number): number | bigint {
  const micros = int64At(bytes, at);
  if (typeof micros === 'number') return micros + EPOCH_MICROS;
  if (micros === TIMESTAMP_INFINITY || micros === TIMESTAMP_MINUS_INFINITY) return micros;
  return assertTimestamp(micros + BigInt(EPOCH_MICROS));
}

/**
 * A numeric times ten to the power of `scale`, where that is an integer and exact as a number; undefined for all others.
 * The groups of its digits are those of an integer, but for the last one, which may lie on both sides of the scale.
 */
export function unscaledAt(bytes: Uint8Array, at: number, scale: number): number | undefined {
  const groups = int16At(bytes, at);
  const sign = ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number);
  if (sign !== 0 && sign !== NEGATIVE) return undefined;
  if (groups === 0) return 0;
  /** Of the last group's last digit, in digits before the end of the scale. */
  const place = (int16At(bytes, at + 2) - groups + 1) * GROUP + scale;
  if (place <= -GROUP || groups * GROUP + place > SAFE_DIGITS) return undefined;
  let value = 0;
  const last = at + 8 + (groups - 1) * 2;
  for (let group = at + 8; group < last; group += 2) value = value * 10_000 + int16At(bytes, group);
  const rest = int16At(bytes, last);
  const size = place >= 0 ? (value * 10_000 + rest) * 10 ** place : lastOf(value, rest, -place);
  return sign === NEGATIVE && size !== undefined ? -size : size;
}

function lastOf(value: number, rest: number, beyond: number): number | undefined {
  const divisor = POWERS[beyond] as number;
  return rest % divisor === 0 ? value * (POWERS[GROUP - beyond] as number) + rest / divisor : undefined;
}

/** A numeric as PostgreSQL prints it. */
export function numericTextAt(bytes: Uint8Array, at: number): string {
  const groups = int16At(bytes, at);
  const weight = int16At(bytes, at + 2);
  const sign = ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number);
  const digitsBehind = int16At(bytes, at + 6) & 0x3fff;
  const special = SPECIAL.get(sign);
  if (special !== undefined) return special;
  const group = (place: number) => String(place >= 0 && place < groups ? int16At(bytes, at + 8 + place * 2) : 0);
  let text = weight < 0 ? '0' : group(0);
  for (let place = 1; place <= weight; place++) text += group(place).padStart(GROUP, '0');
  let behind = '';
  for (let place = weight + 1; behind.length < digitsBehind; place++) behind += group(place).padStart(GROUP, '0');
  const fraction = digitsBehind === 0 ? '' : `.${behind.slice(0, digitsBehind)}`;
  return `${sign === NEGATIVE ? '-' : ''}${text}${fraction}`;
}
