import { CdcError } from '../../shared/errors/cdc-error.ts';
import { type DataType, isMillis } from '../../shared/record/data-type.ts';
import type { RowReader } from '../../shared/record/row-reader.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, type Value } from '../../shared/record/value.ts';
import type { IntegerLayout, RowBinaryWriter } from './row-binary.ts';
import { firstMicros, lastMicros, type TimeRange, timeText } from './time-range.ts';
import { type ColumnType, elementOf, widthOf } from './types.ts';

/**
 * Moves one present value from a row's bytes, where the reader stands, to RowBinary. `source` is the reader's buffer.
 * Throws `VALUE_OUT_OF_RANGE` where the target's type does not hold the value.
 */
export type CellWriter = (reader: RowReader, source: Buffer, out: RowBinaryWriter) => void;

export interface CellContext {
  /** For messages. */
  readonly table: string;
  readonly column: string;
  readonly range: TimeRange;
}

/** The writer for a pair of types that `accepts` has agreed to; worked out once per column. */
export function cellWriter(type: DataType, target: ColumnType, context: CellContext): CellWriter {
  if (target.name === 'String') return textWriter(type);
  switch (type.kind) {
    case 'boolean':
      return (reader, _source, out) => out.uint8(reader.value(type) === true ? 1 : 0);
    case 'int16':
    case 'int32':
    case 'int64':
      return integerWriter(type.kind, target);
    case 'float32':
      return target.name === 'Float64' ? (reader, _source, out) => out.float64(reader.float()) : (reader, _source, out) => out.float32(reader.float());
    case 'float64':
      return (reader, _source, out) => out.float64(reader.double());
    case 'uint64':
      return unscaledWriter({ width: 8, isSigned: false }, context);
    case 'decimal':
      return decimalWriter(type.scale, target, context);
    case 'date':
      return dateWriter(context);
    case 'timestamp':
    case 'timestampTz':
      return timestampWriter(type, context);
    case 'uuid':
      return uuidWriter(context);
    case 'array':
      return arrayWriter(type, elementOf(target), context);
    default:
      throw new CdcError('INVARIANT_BROKEN', `No way to write ${type.kind} as ${target.text}.`);
  }
}

function integerWriter(kind: 'int16' | 'int32' | 'int64', target: ColumnType): CellWriter {
  if (target.name === 'Int64') {
    return kind === 'int64' ? (reader, _source, out) => out.int64(reader.long()) : (reader, _source, out) => out.int64(reader.int());
  }
  return target.name === 'Int32' ? (reader, _source, out) => out.int32(reader.int()) : (reader, _source, out) => out.int16(reader.int());
}

function decimalWriter(scale: number, target: ColumnType, context: CellContext): CellWriter {
  const width = widthOf(target);
  const targetScale = Number(target.args[1]);
  if (targetScale === scale) return unscaledWriter({ width, isSigned: true }, context);
  return (reader, _source, out) => {
    const unscaled = BigInt(reader.decimal(0)) * 10n ** BigInt(targetScale - scale);
    out.bigInteger(unscaled, width);
  };
}

function unscaledWriter(layout: IntegerLayout, context: CellContext): CellWriter {
  return (reader, source, out) => {
    const length = reader.int();
    const start = reader.position;
    reader.position = start + length;
    if (!out.bigEndian(source, start, start + length, layout)) throw outOfRange(context, 'a number of more digits than its column has');
  };
}

function dateWriter(context: CellContext): CellWriter {
  const { firstDay, lastDay } = context.range;
  return (reader, _source, out) => {
    const day = reader.int();
    if (day >= firstDay && day <= lastDay) return out.int32(day);
    if (day === DATE_INFINITY) return out.int32(lastDay);
    if (day === DATE_MINUS_INFINITY) return out.int32(firstDay);
    throw outOfRange(context, 'a date that this server does not hold');
  };
}

/** A safe number is exact, and a bound that is none lies beyond all of them; so plain comparison will do. */
function timestampWriter(type: DataType, context: CellContext): CellWriter {
  const first = firstMicros(context.range);
  const last = lastMicros(context.range);
  const [lowest, highest] = [Number(first), Number(last)];
  const unit = isMillis(type) ? 1000 : 1;
  return (reader, _source, out) => {
    const raw = reader.long();
    const micros = typeof raw === 'number' ? raw * unit : Number.NaN;
    if (Number.isSafeInteger(micros) && micros >= lowest && micros <= highest) return out.int64(micros);
    return out.int64(largeTimestamp(BigInt(raw), BigInt(unit)));
  };

  function largeTimestamp(raw: bigint, factor: bigint): bigint {
    if (raw === TIMESTAMP_INFINITY) return last;
    if (raw === TIMESTAMP_MINUS_INFINITY) return first;
    const micros = raw * factor;
    if (micros < first || micros > last) throw outOfRange(context, 'a timestamp that this server does not hold');
    return micros;
  }
}

/** A UUID is two 64-bit halves, each little-endian. Its digits are read from the bytes, which takes a fraction of the time that text does. */
function uuidWriter(context: CellContext): CellWriter {
  const bytes = Buffer.alloc(16);
  return (reader, source, out) => {
    const length = reader.int();
    const start = reader.position;
    reader.position = start + length;
    if (!parseUuid(source, start, start + length, bytes)) throw outOfRange(context, 'a text that is no UUID');
    out.raw(bytes, 0, 16);
  };
}

export const DASH = 0x2d;
/** -1 for what is no digit, so that it shows in whatever it is combined with. */
export const DIGITS = Int8Array.from({ length: 256 }, (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase()));

function parseUuid(source: Buffer, start: number, end: number, bytes: Buffer): boolean {
  let count = 0;
  for (let at = start; at < end; at++) {
    const code = source[at] as number;
    if (code === DASH) continue;
    const digit = DIGITS[code] as number;
    if (digit < 0 || count === 32) return false;
    const place = (count >> 1) ^ 7;
    bytes[place] = (count & 1) === 0 ? digit << 4 : (bytes[place] as number) | digit;
    count++;
  }
  return count === 32;
}

function arrayWriter(type: Extract<DataType, { kind: 'array' }>, element: ColumnType, context: CellContext): CellWriter {
  const write = cellWriter(type.element, element, context);
  return (reader, source, out) => {
    out.length(countElements(reader, type.element));
    for (let count = reader.int(); count !== 0; count = reader.int()) {
      if (count < 0) reader.long();
      for (let rest = Math.abs(count); rest > 0; rest--) {
        const isPresent = reader.isPresent();
        if (element.isNullable) out.uint8(isPresent ? 0 : 1);
        else if (!isPresent) throw outOfRange(context, 'an array with a null in it, which its column cannot hold');
        if (isPresent) write(reader, source, out);
      }
    }
  };
}

/** Avro writes arrays in blocks of a known length, RowBinary the length of the whole first. */
function countElements(reader: RowReader, element: DataType): number {
  const start = reader.position;
  const { length } = reader.array(element);
  reader.position = start;
  return length;
}

/** What has no type of its own here, and what an older or wider String column holds: as text. */
function textWriter(type: DataType): CellWriter {
  switch (type.kind) {
    case 'int16':
    case 'int32':
    case 'int64':
    case 'uint64':
    case 'decimal':
      return (reader, _source, out) => out.string(String(reader.value(type)));
    case 'time':
      return (reader, _source, out) => out.string(timeText(Number(reader.value(type))));
    case 'array':
      return (reader, _source, out) => out.string(arrayText(reader.value(type)));
    default:
      return copyText;
  }
}

function copyText(reader: RowReader, source: Buffer, out: RowBinaryWriter): void {
  const length = reader.int();
  const start = reader.position;
  reader.position = start + length;
  out.slice(source, start, reader.position);
}

function arrayText(value: Value): string {
  return JSON.stringify(value, (_name, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
}

function outOfRange({ table, column }: CellContext, what: string): CdcError {
  return new CdcError('VALUE_OUT_OF_RANGE', `Column ${column} of ${table} has ${what}.`, { context: { table, column } });
}

/** Where a value in RowBinary ends; the inverse of the writers above, for values that are only passed on. */
export function endOfCell(bytes: Buffer, start: number, type: ColumnType): number {
  let position = start;
  if (type.isNullable) {
    position++;
    if (bytes[start] === 1) return position;
  }
  if (type.name === 'String') {
    const { value, end } = readLength(bytes, position);
    return end + value;
  }
  if (type.name !== 'Array') return position + widthOf(type);
  const { value, end } = readLength(bytes, position);
  const element = elementOf(type);
  position = end;
  for (let rest = value; rest > 0; rest--) position = endOfCell(bytes, position, element);
  return position;
}

export function readLength(bytes: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  let factor = 1;
  let end = start;
  for (let byte = 0x80; byte > 0x7f; factor *= 0x80) {
    byte = bytes[end++] ?? 0;
    value += (byte & 0x7f) * factor;
  }
  return { value, end };
}
