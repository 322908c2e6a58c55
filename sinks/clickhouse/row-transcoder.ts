import { RowReader, skipValue } from '../../shared/record/row-reader.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import * as code from './cell-codes.ts';
import { type CellWriter, DASH, DIGITS } from './cells.ts';
import type { RowBinaryWriter } from './row-binary.ts';
import { firstMicros, lastMicros, type TimeRange } from './time-range.ts';
import type { ColumnType } from './types.ts';

interface TargetColumn {
  readonly type: ColumnType;
  readonly write: CellWriter;
}

export interface TranscoderInput {
  readonly schema: TableSchema;
  /** One a column of the schema, null where the target lacks it. */
  readonly columns: readonly (TargetColumn | null)[];
  readonly range: TimeRange;
}

/** A cell takes at most this in the target beside the bytes that it has in the row: a Decimal(76) of one byte. */
const MOST_BESIDE = 34;
/** 2^28: four bytes of seven bits. */
const LOW_BITS = 0x10000000;
/** Up to this many bytes a loop is quicker than a call of the engine's copy. */
const SHORT_COPY = 48;
const UUID_LENGTH = 36;
/** Where the pairs of digits of a UUID stand in its text, in the order in which RowBinary has their bytes: two halves, each backwards. */
const UUID_PAIRS = Uint8Array.of(16, 14, 11, 9, 6, 4, 2, 0, 34, 32, 30, 28, 26, 24, 21, 19);
/**
 * Moves whole rows from Avro's bytes to RowBinary, in one loop over the codes of their columns: no value, no object and no
 * closure a cell. What has no quick way it leaves to the column's own writer, cell by cell, so that both give the same
 * bytes (`row-transcoder.test.ts`). Measured by `npm run bench -- sinks`.
 */
export class RowTranscoder {
  readonly #codes: Int32Array;
  readonly #columns: TranscoderInput['columns'];
  readonly #limits: { readonly firstDay: number; readonly lastDay: number; readonly firstMicros: number; readonly lastMicros: number };
  readonly #reader = new RowReader(Buffer.alloc(0));
  #source: Buffer = Buffer.alloc(0);
  #from = 0;
  #end = 0;
  #target: Buffer = this.#source;
  #to = 0;
  /** The varint that was read last: 28 bits, and up to 28 more. */
  #low = 0;
  #high = 0;

  constructor({ schema, columns, range }: TranscoderInput) {
    this.#codes = Int32Array.from(schema.layout, ({ type, isKey }, index) => code.cellCodeOf(type, isKey, columns[index] ?? null));
    this.#columns = columns;
    this.#limits = { ...range, firstMicros: Number(firstMicros(range)), lastMicros: Number(lastMicros(range)) };
  }

  /** The cells of a row. False, and nothing is written, where a value is absent that its column must have. */
  write(out: RowBinaryWriter, source: Buffer, start: number, end: number): boolean {
    const codes = this.#codes;
    const before = out.position;
    this.#source = source;
    this.#from = start;
    this.#end = end;
    this.#to = before;
    this.#target = out.room(end - start + codes.length * MOST_BESIDE);
    for (let index = 0; index < codes.length; index++) {
      const cell = codes[index] as number;
      const isAbsent = (cell & code.HAS_BRANCH) !== 0 && source[this.#from++] === 0;
      if ((cell & code.IS_NULLABLE) !== 0) this.#target[this.#to++] = isAbsent ? 1 : 0;
      else if (isAbsent && (cell & code.WAY) !== code.PASS_OVER) {
        out.position = before;
        return false;
      }
      if (!isAbsent) this.#cell(cell, index, out);
    }
    out.position = this.#to;
    return true;
  }

  #cell(cell: number, index: number, out: RowBinaryWriter): void {
    const from = this.#from;
    const detail = cell >>> code.DETAIL_SHIFT;
    if (this.#quickly(cell & code.WAY, detail)) return;
    this.#from = from;
    this.#generally(this.#columns[index] as TargetColumn, out);
  }

  /** False where the value needs the general way; what was written then is written over. */
  #quickly(way: number, detail: number): boolean {
    switch (way) {
      case code.TEXT:
        return this.#text();
      case code.INTEGER:
        return this.#varint() && this.#integer(detail);
      case code.TIMESTAMP:
        return this.#varint() && this.#isShownTime() && this.#integer(8);
      case code.DATE:
        return this.#varint() && this.#isShownDay() && this.#integer(4);
      case code.DECIMAL:
        return this.#decimal(detail);
      case code.UUID:
        return this.#uuid();
      case code.BOOLEAN:
        this.#target[this.#to++] = this.#source[this.#from++] === 1 ? 1 : 0;
        return true;
      case code.FIXED:
        for (let left = detail; left > 0; left--) this.#target[this.#to++] = this.#source[this.#from++] as number;
        return true;
      case code.PASS_OVER:
        this.#from = skipValue(this.#source, this.#from, detail);
        return true;
      default:
        return false;
    }
  }

  #generally({ write }: TargetColumn, out: RowBinaryWriter): void {
    const reader = this.#reader;
    reader.reset(this.#source, this.#from);
    out.position = this.#to;
    write(reader, this.#source, out);
    this.#from = reader.position;
    this.#to = out.position;
    // A long text or array may have taken what was there for the cells behind it.
    this.#target = out.room(this.#end - this.#from + this.#codes.length * MOST_BESIDE);
  }

  /** False for an integer of more than 56 bits. */
  #varint(): boolean {
    const source = this.#source;
    let from = this.#from;
    let byte = source[from++] as number;
    let low = byte & 0x7f;
    for (let shift = 7; byte > 0x7f && shift < 28; shift += 7) {
      byte = source[from++] as number;
      low |= (byte & 0x7f) << shift;
    }
    let high = 0;
    for (let shift = 0; byte > 0x7f && shift < 28; shift += 7) {
      byte = source[from++] as number;
      high |= (byte & 0x7f) << shift;
    }
    this.#from = from;
    this.#low = low;
    this.#high = high;
    return byte <= 0x7f;
  }

  /** The varint without its zig-zag, in two's complement of that many bytes. False where it has more. */
  #integer(width: number): boolean {
    const target = this.#target;
    const sign = -(this.#low & 1);
    let word = ((this.#low >>> 1) | (this.#high << 27)) ^ sign;
    if (width < 8 && (this.#high > 0x0f || (width === 2 && (word << 16) >> 16 !== word))) return false;
    let to = this.#to;
    target[to++] = word;
    target[to++] = word >>> 8;
    if (width > 2) {
      target[to++] = word >>> 16;
      target[to++] = word >>> 24;
    }
    if (width > 4) {
      word = (this.#high >>> 5) ^ sign;
      target[to++] = word;
      target[to++] = word >>> 8;
      target[to++] = word >>> 16;
      target[to++] = word >>> 24;
    }
    this.#to = to;
    return true;
  }

  #isShownDay(): boolean {
    const day = ((this.#low >>> 1) | (this.#high << 27)) ^ -(this.#low & 1);
    return this.#high <= 0x0f && day >= this.#limits.firstDay && day <= this.#limits.lastDay;
  }

  /** A double may be off by a few units at the far end of 56 bits; those are for the general way. */
  #isShownTime(): boolean {
    const zigzag = this.#high * LOW_BITS + this.#low;
    if (!Number.isSafeInteger(zigzag)) return false;
    const micros = (zigzag & 1) === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    return micros >= this.#limits.firstMicros && micros <= this.#limits.lastMicros;
  }

  /** The length of text or bytes; moves behind it. */
  #length(): number {
    const source = this.#source;
    let from = this.#from;
    let byte = source[from++] as number;
    let zigzag = byte & 0x7f;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      byte = source[from++] as number;
      zigzag |= (byte & 0x7f) << shift;
    }
    this.#from = from;
    return zigzag >>> 1;
  }

  #text(): boolean {
    const length = this.#length();
    const source = this.#source;
    const target = this.#target;
    const from = this.#from;
    let to = this.#to;
    let rest = length;
    for (; rest > 0x7f; rest >>>= 7) target[to++] = (rest & 0x7f) | 0x80;
    target[to++] = rest;
    if (length <= SHORT_COPY) for (let at = 0; at < length; at++) target[to + at] = source[from + at] as number;
    else source.copy(target, to, from, from + length);
    this.#to = to + length;
    this.#from = from + length;
    return true;
  }

  /** Big-endian two's complement, made as wide as the target. False where it has more bytes than that. */
  #decimal(width: number): boolean {
    const length = this.#length();
    if (length > width || length === 0) return false;
    const source = this.#source;
    const target = this.#target;
    const start = this.#from;
    let to = this.#to;
    for (let at = start + length - 1; at >= start; at--) target[to++] = source[at] as number;
    const sign = (source[start] as number) < 0x80 ? 0 : 0xff;
    for (const stop = this.#to + width; to < stop;) target[to++] = sign;
    this.#to = to;
    this.#from = start + length;
    return true;
  }

  /** The usual form with four dashes; others are for the general way. */
  #uuid(): boolean {
    if (this.#length() !== UUID_LENGTH) return false;
    const source = this.#source;
    const from = this.#from;
    if (source[from + 8] !== DASH || source[from + 13] !== DASH || source[from + 18] !== DASH || source[from + 23] !== DASH) return false;
    let all = 0;
    for (let place = 0; place < UUID_PAIRS.length; place++) {
      const at = from + (UUID_PAIRS[place] as number);
      const pair = ((DIGITS[source[at] as number] as number) << 4) | (DIGITS[source[at + 1] as number] as number);
      all |= pair;
      this.#target[this.#to + place] = pair;
    }
    if (all < 0) return false;
    this.#to += UUID_PAIRS.length;
    this.#from = from + UUID_LENGTH;
    return true;
  }
}
