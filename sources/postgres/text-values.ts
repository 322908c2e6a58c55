import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, type Value } from '../../shared/record/value.ts';

const DIGIT_0 = 0x30;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const SPACE = 0x20;
const COLON = 0x3a;
const UPPER_B = 0x42;
const LOWER_I = 0x69;
/** The last letter of `infinity`. */
const LOWER_Y = 0x79;
const DAY_SECONDS = 86_400;
/** Below this many seconds from 1970, microseconds are safe integers. */
const SAFE_SECONDS = 9_000_000_000;

/** Days since 1970-01-01 of a date in the proleptic Gregorian calendar, as PostgreSQL uses it. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/**
 * Reads the text that PostgreSQL prints with `datestyle = ISO` and `timezone = UTC`, at a moving position.
 * Grammar: PostgreSQL manual, 8.5.2 "Date/Time Output". One instance serves a whole stream.
 */
class TemporalText {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #lastDate = 19_700_101;
  #lastDays = 0;

  date(bytes: Uint8Array, start: number, end: number): number {
    this.#open(bytes, start, end);
    if (this.#isInfinity()) return bytes[start] === MINUS ? DATE_MINUS_INFINITY : DATE_INFINITY;
    return this.#days();
  }

  /** Microseconds since midnight. */
  time(bytes: Uint8Array, start: number, end: number): number {
    this.#open(bytes, start, end);
    const seconds = this.#clockSeconds();
    return seconds * 1_000_000 + this.#micros();
  }

  /** Microseconds since 1970; text with an offset is brought to UTC. */
  timestamp(bytes: Uint8Array, start: number, end: number): number | bigint {
    this.#open(bytes, start, end);
    if (this.#isInfinity()) return bytes[start] === MINUS ? TIMESTAMP_MINUS_INFINITY : TIMESTAMP_INFINITY;
    const seconds = this.#plainSeconds() ?? this.#slowSeconds();
    const micros = this.#micros();
    return toMicros(seconds - this.#offsetSeconds(), micros);
  }

  #open(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  #isInfinity(): boolean {
    return this.#bytes[this.#at] === LOWER_I || (this.#bytes[this.#at] === MINUS && this.#bytes[this.#at + 1] === LOWER_I);
  }

  /** The era stands at the end of the text: `0044-03-15 12:00:00 BC`. */
  #isBeforeChrist(): boolean {
    return this.#bytes[this.#end - 2] === UPPER_B && this.#bytes[this.#end - 3] === SPACE;
  }

  /**
   * The common form, `YYYY-MM-DD HH:MM:SS`, read at fixed places; undefined for any other. Neighbouring rows often
   * have the same date, so the last one is kept.
   */
  #plainSeconds(): number | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    if (bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS || bytes[at + 10] !== SPACE || bytes[at + 13] !== COLON || this.#isBeforeChrist()) return undefined;
    const date = twoDigits(bytes, at) * 1_000_000 + twoDigits(bytes, at + 2) * 10_000 + twoDigits(bytes, at + 5) * 100 + twoDigits(bytes, at + 8);
    if (date !== this.#lastDate) {
      this.#lastDate = date;
      this.#lastDays = daysFromCivil(Math.floor(date / 10_000), Math.floor(date / 100) % 100, date % 100);
    }
    this.#at = at + 19;
    return this.#lastDays * DAY_SECONDS + twoDigits(bytes, at + 11) * 3600 + twoDigits(bytes, at + 14) * 60 + twoDigits(bytes, at + 17);
  }

  #slowSeconds(): number {
    const days = this.#days();
    this.#skip(SPACE);
    return days * DAY_SECONDS + this.#clockSeconds();
  }

  #days(): number {
    const year = this.#number();
    this.#skip(MINUS);
    const month = this.#number();
    this.#skip(MINUS);
    const day = this.#number();
    return daysFromCivil(this.#isBeforeChrist() ? 1 - year : year, month, day);
  }

  #clockSeconds(): number {
    const hours = this.#number();
    this.#skip(COLON);
    const minutes = this.#number();
    this.#skip(COLON);
    return (hours * 60 + minutes) * 60 + this.#number();
  }

  #micros(): number {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== DOT) return 0;
    this.#at++;
    let value = 0;
    let places = 0;
    for (; places < 6 && this.#isDigit(); places++) value = value * 10 + this.#digit();
    for (; places < 6; places++) value *= 10;
    return value;
  }

  #offsetSeconds(): number {
    const sign = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (sign !== PLUS && sign !== MINUS) return 0;
    this.#at++;
    let seconds = this.#number() * 3600;
    for (let unit = 60; this.#at < this.#end && this.#bytes[this.#at] === COLON; unit = 1) {
      this.#at++;
      seconds += this.#number() * unit;
    }
    return sign === MINUS ? -seconds : seconds;
  }

  #number(): number {
    if (!this.#isDigit()) throw new RangeError('a digit was expected');
    let value = 0;
    while (this.#isDigit()) value = value * 10 + this.#digit();
    return value;
  }

  #isDigit(): boolean {
    if (this.#at >= this.#end) return false;
    const digit = (this.#bytes[this.#at] as number) - DIGIT_0;
    return digit >= 0 && digit <= 9;
  }

  #digit(): number {
    return (this.#bytes[this.#at++] as number) - DIGIT_0;
  }

  #skip(expected: number): void {
    if (this.#bytes[this.#at] !== expected) throw new RangeError('a date or time was expected');
    this.#at++;
  }
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) - DIGIT_0) * 10 + (bytes[at + 1] as number) - DIGIT_0;
}

function toMicros(seconds: number, micros: number): number | bigint {
  if (seconds < SAFE_SECONDS && seconds > -SAFE_SECONDS) return seconds * 1_000_000 + micros;
  return BigInt(seconds) * 1_000_000n + BigInt(micros);
}

export const temporalText = new TemporalText();

const POWERS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/**
 * A floating-point number from its text. Up to 15 digits without an exponent are exact as integers, and so is the power
 * of ten, so one division gives the nearest number; everything else goes to the engine.
 */
export function parseFloating(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  let digits = 0;
  let places = -1;
  for (let at = bytes[start] === MINUS ? start + 1 : start; at < end; at++) {
    const digit = (bytes[at] as number) - DIGIT_0;
    if (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digits++;
      if (places >= 0) places++;
    } else if (bytes[at] === DOT && places < 0) places = 0;
    else return Number(bytes.latin1Slice(start, end));
  }
  if (digits > 15 || value === 0) return Number(bytes.latin1Slice(start, end));
  const size = places > 0 ? value / (POWERS[places] as number) : value;
  return bytes[start] === MINUS ? -size : size;
}

/** Microseconds since 1970. Throws `VALUE_OUT_OF_RANGE` for a finite value beyond the two that stand for the infinities. */
export function timestampOf(bytes: Uint8Array, start: number, end: number): number | bigint {
  const micros = temporalText.timestamp(bytes, start, end);
  return typeof micros === 'number' || bytes[end - 1] === LOWER_Y ? micros : assertTimestamp(micros);
}

/** The same for a value that is finite. */
export function assertTimestamp(micros: bigint): bigint {
  if (micros > TIMESTAMP_MINUS_INFINITY && micros < TIMESTAMP_INFINITY) return micros;
  throw new CdcError('VALUE_OUT_OF_RANGE', 'A timestamp does not fit into 64 bits of microseconds since 1970.');
}

/** One value from PostgreSQL's text form: for array elements and other rare places; rows take the direct way. */
export function valueFromText(type: DataType, text: string): Value {
  const bytes = Buffer.from(text);
  switch (type.kind) {
    case 'boolean':
      return text === 't';
    case 'int16':
    case 'int32':
    case 'float32':
    case 'float64':
      return Number(text);
    case 'int64':
      return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
    case 'decimal':
      if (!/^-?[\d.]+$/.test(text))
        throw new CdcError('VALUE_OUT_OF_RANGE', `A decimal with a fixed precision cannot carry ${text}.`, { remedy: 'Set DECIMAL_HANDLING=string.' });
      return text;
    case 'bytes':
      return Buffer.from(text.slice(2), 'hex');
    case 'date':
      return temporalText.date(bytes, 0, bytes.length);
    case 'time':
      return temporalText.time(bytes, 0, bytes.length);
    case 'timestamp':
    case 'timestampTz':
      return timestampOf(bytes, 0, bytes.length);
    default:
      return text;
  }
}

/** Elements of an array's text form; null for NULL; nested arrays for further dimensions. */
export type ArrayText = readonly (string | null | ArrayText)[];

/** Parses `{1,NULL,"a b",{…}}` (PostgreSQL manual, 8.15.6 "Array Input and Output Syntax"). Throws `RangeError`. */
export function parseArrayText(text: string, delimiter = ','): ArrayText {
  // A leading `[2:4]=` gives bounds other than 1; the topics carry the elements alone.
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  const [elements, end] = parseBraces(text, start, delimiter);
  if (end !== text.length) throw new RangeError('text after an array');
  return elements;
}

function parseBraces(text: string, start: number, delimiter: string): [ArrayText, number] {
  if (text[start] !== '{') throw new RangeError('an array was expected');
  const elements: (string | null | ArrayText)[] = [];
  let at = start + 1;
  if (text[at] === '}') return [elements, at + 1];
  for (;;) {
    const [element, next] = parseElement(text, at, delimiter);
    elements.push(element);
    if (text[next] === '}') return [elements, next + 1];
    if (text[next] !== delimiter) throw new RangeError('a comma or the end of an array was expected');
    at = next + 1;
  }
}

function parseElement(text: string, at: number, delimiter: string): [string | null | ArrayText, number] {
  if (text[at] === '{') return parseBraces(text, at, delimiter);
  if (text[at] === '"') return parseQuoted(text, at + 1);
  let end = at;
  while (end < text.length && text[end] !== delimiter && text[end] !== '}') end++;
  const word = text.slice(at, end);
  return [word === 'NULL' ? null : word.replaceAll(/\\(.)/gs, '$1'), end];
}

function parseQuoted(text: string, start: number): [string, number] {
  let value = '';
  for (let at = start; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '"') return [value, at + 1];
    value += char === '\\' ? (text[++at] ?? '') : char;
  }
  throw new RangeError('an array element without an end');
}

/** An array of several dimensions as JSON text: numbers and booleans plain, everything else as strings. */
export function arrayTextToJson(elements: ArrayText, element: DataType): string {
  const toJson = (item: string | null | ArrayText): unknown => {
    if (item === null) return null;
    if (typeof item !== 'string') return item.map(toJson);
    if (element.kind === 'boolean') return item === 't';
    return element.kind === 'int16' || element.kind === 'int32' ? Number(item) : item;
  };
  return JSON.stringify(elements.map(toJson));
}
