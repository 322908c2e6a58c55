import { CdcError } from '../../shared/errors/cdc-error.ts';
import { type DataType, isMillis } from '../../shared/record/data-type.ts';
import type { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { binaryToArrayText } from './binary-text.ts';
import { dateAt, int16At, int32At, int64At, numericTextAt, timestampAt, unscaledAt } from './binary-values.ts';
import { REDACTED } from './masks.ts';
import type { RelationColumn, TextCells } from './text-cells.ts';
import { CELL, type NativeType } from './types.ts';

/** How a cell's binary form becomes bytes of a row. */
const BINARY = {
  /** A column that is no value of the row. */
  none: 0,
  boolean: 1,
  int16: 2,
  int32: 3,
  /** 32 bits without a sign. */
  id: 4,
  int64: 5,
  float: 6,
  double: 7,
  decimal: 8,
  numeric: 9,
  text: 10,
  jsonb: 11,
  uuid: 12,
  date: 13,
  time: 14,
  timeMillis: 15,
  timestamp: 16,
  timestampMillis: 17,
  redacted: 18,
  digest: 19,
  nothing: 20,
  array: 21,
  /** What is read as text alone. */
  unreadable: 22,
} as const;

type BinaryCode = (typeof BINARY)[keyof typeof BINARY];

/** By `pg_type.typname`: those whose binary form gives the value at no greater expense than its text, and the same. */
const CODES: Readonly<Record<string, BinaryCode>> = {
  bool: BINARY.boolean,
  int2: BINARY.int16,
  int4: BINARY.int32,
  int8: BINARY.int64,
  oid: BINARY.id,
  xid: BINARY.id,
  cid: BINARY.id,
  float4: BINARY.float,
  float8: BINARY.double,
  text: BINARY.text,
  varchar: BINARY.text,
  bpchar: BINARY.text,
  name: BINARY.text,
  citext: BINARY.text,
  json: BINARY.text,
  jsonb: BINARY.jsonb,
  bytea: BINARY.text,
  uuid: BINARY.uuid,
  date: BINARY.date,
};

/** Bytes of a value of a code whose values all have as many; 0 for others, and where the bytes are not looked at. */
const WIDTHS: Readonly<Partial<Record<BinaryCode, number>>> = {
  [BINARY.boolean]: 1,
  [BINARY.int16]: 2,
  [BINARY.int32]: 4,
  [BINARY.id]: 4,
  [BINARY.int64]: 8,
  [BINARY.float]: 4,
  [BINARY.double]: 8,
  [BINARY.uuid]: 16,
  [BINARY.date]: 4,
  [BINARY.time]: 8,
  [BINARY.timeMillis]: 8,
  [BINARY.timestamp]: 8,
  [BINARY.timestampMillis]: 8,
};
/** Of a numeric without digits. */
const NUMERIC_HEAD_BYTES = 8;

/** Whether all that the log sends of a table can be read in binary form. */
export function isBinary(table: TableSchema, columns: readonly RelationColumn[]): boolean {
  return columns.every((column) => codeOf(table, column) !== undefined);
}

/** The same of a COPY, which wants a binary form of every column, also of one that is not looked at. */
export function isCopiedInBinary(table: TableSchema, columns: readonly RelationColumn[]): boolean {
  return isBinary(table, columns) && columns.every((column) => hasBinaryForm(table, column));
}

/** Writes values from PostgreSQL's binary form, for the snapshot's COPY and for the log alike: prepared once a table. */
export class BinaryCells {
  /** For what is rare, and for what is said of a bad value. */
  readonly #text: TextCells;
  readonly #codes: Uint8Array;
  readonly #widths: Uint8Array;
  readonly #hasBranch: Uint8Array;
  readonly #scales: Int32Array;

  constructor(text: TextCells) {
    const { table, columns } = text;
    this.#text = text;
    this.#codes = Uint8Array.from(columns, (column) => codeOf(table, column) ?? BINARY.unreadable);
    this.#widths = Uint8Array.from(this.#codes, (code) => WIDTHS[code as BinaryCode] ?? 0);
    this.#hasBranch = Uint8Array.from(columns, (_, index) => (text.hasBranch(index) ? 1 : 0));
    this.#scales = Int32Array.from(columns, ({ column }) => table.layout[column]?.scale ?? 0);
  }

  /** Throws `PARSE_FAILED` where a column has no NULL. */
  writeNull(index: number, writer: RowWriter): void {
    const code = this.#codes[index] as BinaryCode;
    if (code === BINARY.none) return;
    if (this.#hasBranch[index] === 0 && code !== BINARY.nothing) throw this.#broken();
    writer.absent();
  }

  /** Writes one value. Throws `PARSE_FAILED` where it is not as long as its type, and `VALUE_OUT_OF_RANGE`. */
  write(index: number, bytes: Buffer, start: number, end: number, writer: RowWriter): void {
    const code = this.#codes[index] as BinaryCode;
    const width = this.#widths[index] as number;
    if (code === BINARY.none) return;
    if (width !== 0 && end - start !== width) throw this.#broken();
    if (code === BINARY.decimal) return this.#decimal(index, bytes, start, end, writer);
    if (this.#hasBranch[index] === 1) writer.present();
    switch (code) {
      case BINARY.boolean:
        return writer.boolean(bytes[start] === 1);
      case BINARY.int16:
        return writer.int(int16At(bytes, start));
      case BINARY.int32:
        return writer.int(int32At(bytes, start));
      case BINARY.id:
        return writer.long(int32At(bytes, start) >>> 0);
      case BINARY.int64:
      case BINARY.time:
        return writer.long(int64At(bytes, start));
      case BINARY.float:
        return writer.float(bytes.readFloatBE(start));
      case BINARY.double:
        return writer.double(bytes.readDoubleBE(start));
      case BINARY.numeric:
        this.#assertNumeric(bytes, start, end);
        return writer.string(numericTextAt(bytes, start));
      case BINARY.text:
        return writer.slice(bytes, start, end);
      case BINARY.jsonb:
        return this.#jsonb(bytes, start, end, writer);
      case BINARY.uuid:
        return writer.uuid(bytes, start);
      case BINARY.date:
        return writer.int(dateAt(bytes, start));
      case BINARY.timeMillis:
        return writer.int(Math.floor(Number(int64At(bytes, start)) / 1000));
      case BINARY.timestamp:
        return writer.long(this.#timestamp(index, bytes, start));
      case BINARY.timestampMillis:
        return writer.value({ kind: 'timestamp', unit: 'millis' }, this.#timestamp(index, bytes, start));
      case BINARY.redacted:
        return writer.string(REDACTED);
      case BINARY.digest:
        return writer.string(this.#text.columns[index]?.mask?.digest(bytes.subarray(start, end)) ?? '');
      case BINARY.nothing:
        return writer.absent();
      case BINARY.array:
        return this.#array(index, bytes, start, end, writer);
      case BINARY.unreadable:
        throw this.#broken();
    }
  }

  /** What is not simply a number is rare; its text says what is to be done with it. */
  #decimal(index: number, bytes: Buffer, start: number, end: number, writer: RowWriter): void {
    this.#assertNumeric(bytes, start, end);
    const value = unscaledAt(bytes, start, this.#scales[index] as number);
    if (value === undefined) {
      const digits = Buffer.from(numericTextAt(bytes, start));
      return this.#text.write(index, CELL.decimal, digits, 0, digits.length, writer);
    }
    if (this.#hasBranch[index] === 1) writer.present();
    writer.unscaled(value);
  }

  #array(index: number, bytes: Buffer, start: number, end: number, writer: RowWriter): void {
    try {
      const { native } = this.#text.columns[index] as RelationColumn;
      this.#text.writeArray(index, binaryToArrayText(native, bytes, start, end), writer);
    } catch (error) {
      throw this.#text.toBadValue(index, error);
    }
  }

  #assertNumeric(bytes: Buffer, start: number, end: number): void {
    if (end - start < NUMERIC_HEAD_BYTES || end - start !== NUMERIC_HEAD_BYTES + int16At(bytes, start) * 2) throw this.#broken();
  }

  /** The text behind the number of its form, of which there is one. */
  #jsonb(bytes: Buffer, start: number, end: number, writer: RowWriter): void {
    if (end === start || bytes[start] !== 1) throw this.#broken();
    writer.slice(bytes, start + 1, end);
  }

  #timestamp(index: number, bytes: Buffer, start: number): number | bigint {
    try {
      return timestampAt(bytes, start);
    } catch (error) {
      throw this.#text.toBadValue(index, error);
    }
  }

  #broken(): CdcError {
    const { qualifiedName } = this.#text.table;
    return new CdcError('PARSE_FAILED', `A value of ${qualifiedName} is not in the binary form of its type.`, { context: { table: qualifiedName } });
  }
}

/** Undefined for what has to come as text. */
function codeOf(table: TableSchema, { column, native, mask }: RelationColumn): BinaryCode | undefined {
  if (column < 0) return BINARY.none;
  if (mask?.kind === 'redact') return BINARY.redacted;
  if (mask?.kind === 'null') return BINARY.nothing;
  const code = plainCodeOf(native, table.column(column).dataType);
  if (mask === undefined) return code;
  // A digest is one of the text form.
  return code === BINARY.text && native.name !== 'bytea' ? BINARY.digest : undefined;
}

/** Types of others may have none; the place of a row in its file has one. */
function hasBinaryForm(table: TableSchema, { column, native }: RelationColumn): boolean {
  return column < 0 ? native.name === 'tid' : plainCodeOf(native, table.column(column).dataType) !== undefined;
}

function plainCodeOf(native: NativeType, type: DataType): BinaryCode | undefined {
  if (native.isArray) return isArrayReadable(native, type) ? BINARY.array : undefined;
  if (native.category === 'e') return BINARY.text;
  if (native.category !== 'b') return undefined;
  switch (native.name) {
    case 'numeric':
      return type.kind === 'decimal' ? BINARY.decimal : BINARY.numeric;
    case 'time':
      return isMillis(type) ? BINARY.timeMillis : BINARY.time;
    case 'timestamp':
    case 'timestamptz':
      return isMillis(type) ? BINARY.timestampMillis : BINARY.timestamp;
    default:
      return CODES[native.name];
  }
}

/** Where an array becomes JSON, its elements have to be printed as the server prints them. */
const PRINTED_ALIKE = new Set('bool int2 int4 int8 numeric text varchar bpchar name citext json uuid bytea'.split(' '));

function isArrayReadable(native: NativeType, type: DataType): boolean {
  const element = { ...native, isArray: false };
  if (type.kind === 'array') return plainCodeOf(element, type.element) !== undefined;
  return native.category === 'e' || (native.category === 'b' && PRINTED_ALIKE.has(native.name));
}
