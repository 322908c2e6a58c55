import { CdcError } from '../../shared/errors/cdc-error.ts';
import { type DataType, isMillis } from '../../shared/record/data-type.ts';
import type { RowPages } from '../../shared/record/row-pages.ts';
import type { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { dateAt, int16At, int32At, int64At, numericTextAt, timestampAt, unscaledAt } from './binary-values.ts';
import { REDACTED } from './masks.ts';
import type { Relation, RelationColumn } from './relation.ts';
import { CELL, type NativeType } from './types.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** The signature, flags, and the length of an extension. */
const HEADER_BYTES = SIGNATURE.length + 8;
const END = -1;

/** How a cell's binary form becomes bytes of a row. */
const BINARY = {
  /** A column of the output that is no value of the table: the place of the row in its file. */
  place: 1,
  boolean: 2,
  int16: 3,
  int32: 4,
  /** 32 bits without a sign. */
  id: 5,
  int64: 6,
  float: 7,
  double: 8,
  decimal: 9,
  numeric: 10,
  text: 11,
  jsonb: 12,
  uuid: 13,
  date: 14,
  time: 15,
  timeMillis: 16,
  timestamp: 17,
  timestampMillis: 18,
  redacted: 19,
  digest: 20,
  nothing: 21,
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

/** Whether all columns of a table can be read in binary form. Where one cannot, all are read as text. */
export function isBinary(table: TableSchema, columns: readonly RelationColumn[]): boolean {
  return columns.every((column) => codeOf(table, column) !== undefined);
}

/** Turns rows in the binary format of `COPY … TO STDOUT` into ours (PostgreSQL manual, COPY, "Binary Format"). */
export class CopyBinaryReader {
  readonly #relation: Relation;
  readonly #writer: RowWriter;
  readonly #codes: Uint8Array;
  readonly #hasBranch: Uint8Array;
  readonly #scales: Int32Array;
  #hasBegun = false;
  #placeBytes: Buffer = SIGNATURE;
  #placeAt = 0;

  constructor(relation: Relation, writer: RowWriter) {
    const { table, columns } = relation;
    this.#relation = relation;
    this.#writer = writer;
    this.#codes = Uint8Array.from(columns, (column) => codeOf(table, column) ?? 0);
    this.#hasBranch = Uint8Array.from(columns, (_, index) => (relation.hasBranch(index) ? 1 : 0));
    this.#scales = Int32Array.from(columns, ({ column }) => table.layout[column]?.scale ?? 0);
  }

  /** Reads what the server sent as one message, and adds the row in it. */
  read(bytes: Buffer, start: number, end: number, rows: RowPages): void {
    let at = this.#hasBegun ? start : this.#begin(bytes, start, end);
    if (at === end) return;
    const count = at + 2 > end ? 0 : int16At(bytes, at);
    if (count === END) return;
    const codes = this.#codes;
    if (count !== codes.length) throw this.#broken();
    at += 2;
    this.#writer.begin();
    for (let index = 0; index < count; index++) {
      if (at + 4 > end) throw this.#broken();
      const length = int32At(bytes, at);
      at += 4;
      if (length < 0) {
        this.#null(index);
        continue;
      }
      if (length > end - at) throw this.#broken();
      this.#cell(index, codes[index] as BinaryCode, bytes, at, at + length);
      at += length;
    }
    this.#writer.endIn(rows);
  }

  /** Text of the place of the last row, where the output has it. */
  lastTexts(): string[] {
    const [block, row] = [this.#placeBytes.readUInt32BE(this.#placeAt), this.#placeBytes.readUInt16BE(this.#placeAt + 4)];
    return [`(${block},${row})`];
  }

  #begin(bytes: Buffer, start: number, end: number): number {
    this.#hasBegun = true;
    if (end - start < HEADER_BYTES || !bytes.subarray(start, start + SIGNATURE.length).equals(SIGNATURE)) throw this.#broken();
    return start + HEADER_BYTES + bytes.readUInt32BE(start + HEADER_BYTES - 4);
  }

  #null(index: number): void {
    if (this.#hasBranch[index] === 0 && this.#codes[index] !== BINARY.nothing) throw this.#broken();
    this.#writer.absent();
  }

  #cell(index: number, code: BinaryCode, bytes: Buffer, start: number, end: number): void {
    if (code === BINARY.place) {
      this.#placeBytes = bytes;
      this.#placeAt = start;
      return;
    }
    if (code === BINARY.decimal) return this.#decimal(index, bytes, start);
    const writer = this.#writer;
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
        return writer.string(numericTextAt(bytes, start));
      case BINARY.text:
        return writer.slice(bytes, start, end);
      case BINARY.jsonb:
        return this.#jsonb(bytes, start, end);
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
        return writer.string(this.#relation.columns[index]?.mask?.digest(bytes.subarray(start, end)) ?? '');
      case BINARY.nothing:
        return writer.absent();
    }
  }

  /** What is not simply a number is rare; its text says what is to be done with it. */
  #decimal(index: number, bytes: Buffer, start: number): void {
    const value = unscaledAt(bytes, start, this.#scales[index] as number);
    if (value === undefined) {
      const text = Buffer.from(numericTextAt(bytes, start));
      return this.#relation.writeCell(index, CELL.decimal, text, 0, text.length, this.#writer);
    }
    if (this.#hasBranch[index] === 1) this.#writer.present();
    this.#writer.unscaled(value);
  }

  /** The text behind the number of its form, of which there is one. */
  #jsonb(bytes: Buffer, start: number, end: number): void {
    if (bytes[start] !== 1) throw this.#broken();
    this.#writer.slice(bytes, start + 1, end);
  }

  #timestamp(index: number, bytes: Buffer, start: number): number | bigint {
    try {
      return timestampAt(bytes, start);
    } catch (error) {
      throw this.#relation.toBadValue(index, error);
    }
  }

  #broken(): CdcError {
    const { qualifiedName } = this.#relation.table;
    return new CdcError('PARSE_FAILED', `A row of ${qualifiedName} is not in the binary form of COPY.`, { context: { table: qualifiedName } });
  }
}

/** Undefined for what has to come as text. */
function codeOf(table: TableSchema, { column, native, mask }: RelationColumn): BinaryCode | undefined {
  if (column < 0) return native.name === 'tid' ? BINARY.place : undefined;
  const code = plainCodeOf(native, table.column(column).dataType);
  if (mask === undefined || code === undefined) return code;
  if (mask.kind === 'redact') return BINARY.redacted;
  if (mask.kind === 'null') return BINARY.nothing;
  // A digest is one of the text form.
  return code === BINARY.text && native.name !== 'bytea' ? BINARY.digest : undefined;
}

function plainCodeOf(native: NativeType, type: DataType): BinaryCode | undefined {
  if (native.isArray) return undefined;
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
