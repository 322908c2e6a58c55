import { type DataType, encodingOf, isMillis, scaleOf } from './data-type.ts';
import { Row } from './row.ts';
import type { RowPages } from './row-pages.ts';
import type { TableSchema } from './table-schema.ts';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, UNCHANGED, type Value } from './value.ts';

const ABSENT = 0;
const PRESENT = 2;
const DIGIT_0 = 0x30;
const MINUS = 0x2d;
const DOT = 0x2e;
/** Up to this many bytes a loop is quicker than a call of the engine's copy. */
const SHORT_COPY = 64;
/** 2^28: four bytes of seven bits. */
const LOW_BITS = 0x10000000;
const UUID_LENGTH = 36;
const HEX_DIGITS = Buffer.from('0123456789abcdef');
/** Up to this many digits a number holds an integer and its zig-zag form exactly. */
const SAFE_DIGITS = 15;

/**
 * Writes rows as bytes, one after the other, into chunks that the rows then share.
 *
 * A row's bytes are the Avro binary form of its table's `Value` record (Apache Avro specification, "Binary
 * encoding"): a key column plain, any other column as the union of null and its type. So a source decodes its log
 * straight into what the topics carry, and no value becomes an object on the way.
 *
 * Use: `begin()`, one write per column in table order (`absent()`, or `present()` and the value; key columns without
 * `present()`), `end(table, unchanged)`.
 */
export class RowWriter {
  readonly #chunkBytes: number;
  #buffer: Buffer;
  #position = 0;
  #rowStart = 0;

  constructor(chunkBytes = 256 * 1024) {
    this.#chunkBytes = chunkBytes;
    this.#buffer = Buffer.allocUnsafeSlow(chunkBytes);
  }

  begin(): void {
    this.#rowStart = this.#position;
  }

  end(table: TableSchema, unchanged: readonly number[] | null): Row {
    return new Row(table, this.#buffer, this.#rowStart, this.#position, unchanged);
  }

  /** Ends a whole row among others, instead of making an object of it. */
  endIn(rows: RowPages): void {
    rows.add(this.#buffer, this.#rowStart, this.#position);
  }

  absent(): void {
    this.#reserve(1);
    this.#buffer[this.#position++] = ABSENT;
  }

  present(): void {
    this.#reserve(1);
    this.#buffer[this.#position++] = PRESENT;
  }

  boolean(value: boolean): void {
    this.#reserve(1);
    this.#buffer[this.#position++] = value ? 1 : 0;
  }

  /** A 32-bit integer. */
  int(value: number): void {
    this.#reserve(5);
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.#buffer[this.#position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#position++] = rest;
  }

  /** A 64-bit integer; a number must be a safe integer below 2^52 in size, or it is taken as a bigint. */
  long(value: number | bigint): void {
    if (typeof value === 'bigint') return this.#bigLong(value);
    if (value >= -0x40000000 && value < 0x40000000) return this.int(value);
    if (value > 0xfffffffffffff || value < -0xfffffffffffff) return this.#bigLong(BigInt(value));
    this.#varint(value < 0 ? value * -2 - 1 : value * 2);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#position = this.#buffer.writeFloatLE(value, this.#position);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#position = this.#buffer.writeDoubleLE(value, this.#position);
  }

  /** Bytes or UTF-8 text, copied from another buffer. */
  slice(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length + 5);
    this.int(length);
    if (length < SHORT_COPY) {
      const buffer = this.#buffer;
      let at = this.#position;
      for (let from = start; from < end; from++) buffer[at++] = source[from] as number;
      this.#position = at;
      return;
    }
    this.#buffer.set(source.subarray(start, end), this.#position);
    this.#position += length;
  }

  string(text: string): void {
    const length = Buffer.byteLength(text);
    this.#reserve(length + 5);
    this.int(length);
    this.#position += this.#buffer.write(text, this.#position, 'utf8');
  }

  /** A 64-bit integer from its decimal digits, as databases print it. */
  longFromDigits(source: Uint8Array, start: number, end: number): void {
    const isNegative = source[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    if (end - first > SAFE_DIGITS) return this.#bigLong(BigInt(latin1(source, start, end)));
    let value = 0;
    for (let at = first; at < end; at++) value = value * 10 + ((source[at] as number) - DIGIT_0);
    this.long(isNegative ? -value : value);
  }

  /**
   * A decimal from its text, for instance `-12.50`; missing digits after the point are added, up to `scale`.
   * The caller has made sure that it is a finite number with no more than `scale` digits after the point.
   */
  decimalFromDigits(source: Uint8Array, start: number, end: number, scale: number): void {
    const isNegative = source[start] === MINUS;
    let value = 0;
    let digits = 0;
    let missing = scale;
    let isFraction = false;
    for (let at = isNegative ? start + 1 : start; at < end; at++) {
      const byte = source[at] as number;
      if (byte === DOT) {
        isFraction = true;
        continue;
      }
      value = value * 10 + (byte - DIGIT_0);
      digits++;
      if (isFraction) missing--;
    }
    if (digits + missing > SAFE_DIGITS) return this.decimal(latin1(source, start, end), scale);
    for (; missing > 0; missing--) value *= 10;
    this.#smallUnscaled(isNegative ? -value : value);
  }

  /** A decimal as the integer that it is at its scale: a safe one. */
  unscaled(value: number): void {
    this.#smallUnscaled(value);
  }

  /** The text of a UUID from its 16 bytes. */
  uuid(source: Uint8Array, start: number): void {
    this.#reserve(UUID_LENGTH + 1);
    const buffer = this.#buffer;
    let at = this.#position;
    buffer[at++] = UUID_LENGTH << 1;
    for (let index = 0; index < 16; index++) {
      if (index === 4 || index === 6 || index === 8 || index === 10) buffer[at++] = MINUS;
      const byte = source[start + index] as number;
      buffer[at++] = HEX_DIGITS[byte >> 4] as number;
      buffer[at++] = HEX_DIGITS[byte & 0x0f] as number;
    }
    this.#position = at;
  }

  /** A decimal from its text; as `decimalFromDigits`. */
  decimal(text: string, scale: number): void {
    const point = text.indexOf('.');
    const whole = point < 0 ? text : text.slice(0, point);
    const fraction = point < 0 ? '' : text.slice(point + 1);
    this.#bigUnscaled(BigInt(whole + fraction.padEnd(scale, '0')));
  }

  /** Any value, by its type; the slow and general way, for connectors whose driver gives plain values. */
  value(type: DataType, value: Value): void {
    if (value === null || value === UNCHANGED) throw new TypeError('a null or unchanged value has no encoding');
    switch (encodingOf(type)) {
      case 'boolean':
        return this.boolean(value as boolean);
      case 'int':
        return this.int(isMillis(type) ? Math.trunc((value as number) / 1000) : (value as number));
      case 'long':
        return this.long(isMillis(type) ? toMillis(value as number | bigint) : (value as number | bigint));
      case 'float':
        return this.float(value as number);
      case 'double':
        return this.double(value as number);
      case 'decimal':
        return this.decimal(value as string, scaleOf(type));
      case 'string':
        return this.string(value as string);
      case 'bytes':
        return this.slice(value as Buffer, 0, (value as Buffer).length);
      case 'array':
        return this.array((type as Extract<DataType, { kind: 'array' }>).element, value as readonly Value[]);
    }
  }

  /** An array of nullable elements: one block, then the end mark. */
  array(element: DataType, values: readonly Value[]): void {
    if (values.length > 0) {
      this.int(values.length);
      for (const value of values) {
        if (value === null) {
          this.absent();
        } else {
          this.present();
          this.value(element, value);
        }
      }
    }
    this.int(0);
  }

  /** A whole row from plain values, one a column. */
  row(table: TableSchema, values: readonly Value[]): Row {
    this.begin();
    let unchanged: number[] | null = null;
    for (const [index, column] of table.layout.entries()) {
      const value = values[index] ?? null;
      if (value === null || value === UNCHANGED) {
        if (column.isKey) throw new TypeError(`key column ${table.column(index).name} of ${table.qualifiedName} has no value`);
        if (value === UNCHANGED) (unchanged ??= []).push(index);
        this.absent();
        continue;
      }
      if (!column.isKey) this.present();
      this.value(column.type, value);
    }
    return this.end(table, unchanged);
  }

  /** Up to 53 bits: the low 28 by themselves, so that the rest is done in 32-bit integers too. */
  #varint(zigzag: number): void {
    this.#reserve(8);
    const buffer = this.#buffer;
    let at = this.#position;
    let rest = zigzag;
    if (zigzag >= LOW_BITS) {
      rest = Math.floor(zigzag / LOW_BITS);
      const low = zigzag - rest * LOW_BITS;
      buffer[at++] = (low & 0x7f) | 0x80;
      buffer[at++] = ((low >>> 7) & 0x7f) | 0x80;
      buffer[at++] = ((low >>> 14) & 0x7f) | 0x80;
      buffer[at++] = (low >>> 21) | 0x80;
    }
    for (; rest > 0x7f; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
    buffer[at++] = rest;
    this.#position = at;
  }

  #bigLong(value: bigint): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 0x7fn) {
      this.#buffer[this.#position++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#position++] = Number(rest);
  }

  /** Big-endian two's complement in as few bytes as hold the sign. */
  #smallUnscaled(value: number): void {
    let length = 1;
    for (let limit = 0x80; value >= limit || value < -limit; limit *= 0x100) length++;
    this.#reserve(length + 1);
    this.#buffer[this.#position++] = length << 1;
    let rest = value;
    for (let at = this.#position + length - 1; at >= this.#position; at--) {
      const low = ((rest % 0x100) + 0x100) % 0x100;
      this.#buffer[at] = low;
      rest = (rest - low) / 0x100;
    }
    this.#position += length;
  }

  #bigUnscaled(value: bigint): void {
    let length = 1;
    while (BigInt.asIntN(length * 8, value) !== value) length++;
    this.int(length);
    this.#reserve(length);
    let rest = value;
    for (let at = this.#position + length - 1; at >= this.#position; at--) {
      this.#buffer[at] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    this.#position += length;
  }

  /**
   * Moves the row under way to a new chunk when the present one is full; rows already ended keep the old one. Where one large
   * value is most of the row, there is little room behind it: rows to come would keep it in memory for as long as they fit in.
   */
  #reserve(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.length) return;
    const written = this.#position - this.#rowStart;
    const isLarge = bytes > Math.max(written, this.#chunkBytes);
    const chunk = Buffer.allocUnsafeSlow(isLarge ? written + bytes + this.#chunkBytes : Math.max(this.#chunkBytes, (written + bytes) * 2));
    this.#buffer.copy(chunk, 0, this.#rowStart, this.#position);
    this.#buffer = chunk;
    this.#rowStart = 0;
    this.#position = written;
  }
}

function latin1(source: Uint8Array, start: number, end: number): string {
  return Buffer.from(source.buffer, source.byteOffset + start, end - start).latin1Slice();
}

/** Rounded down; an infinity stays the end of the range. */
function toMillis(micros: number | bigint): number | bigint {
  if (typeof micros === 'number') return Math.floor(micros / 1000);
  if (micros === TIMESTAMP_INFINITY || micros === TIMESTAMP_MINUS_INFINITY) return micros;
  return micros < 0n ? (micros - 999n) / 1000n : micros / 1000n;
}
