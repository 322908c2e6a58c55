import { type DataType, type Encoding, encodingOf, isMillis, scaleOf } from './data-type.ts';
import { SKIP_ARRAY, SKIP_FIXED, SKIP_SIZED, SKIP_VARINT, skipCodeOf } from './skip-code.ts';
import type { TableSchema } from './table-schema.ts';
import type { Value } from './value.ts';

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const MIN_SAFE = -MAX_SAFE;
/** 2^28: four bytes of seven bits. */
const LOW_BITS = 0x10000000;
/** Above this the zig-zag form is beyond 2^53. */
const HIGHEST_SAFE = 0x1ffffff;

/**
 * Reads the bytes that `RowWriter` wrote: the primitives of Avro's binary encoding, at a moving position.
 *
 * Bytes that are no such row make it throw a `RangeError`; it never reads past the end and never hangs.
 */
export class RowReader {
  #bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position = 0) {
    this.#bytes = bytes;
    this.position = position;
  }

  reset(bytes: Buffer, position: number): void {
    this.#bytes = bytes;
    this.position = position;
  }

  /** All columns of a row, in table order; an absent one is null. */
  row(table: TableSchema): Value[] {
    const layout = table.layout;
    const values: Value[] = Array.from({ length: layout.length });
    for (let index = 0; index < layout.length; index++) {
      const column = layout[index];
      if (column === undefined) continue;
      values[index] = column.isKey || this.isPresent() ? this.#decode(column.encoding, column.type) : null;
    }
    return values;
  }

  skipRow(table: TableSchema): void {
    this.position = skipRow(this.#bytes, this.position, table);
  }

  /** The branch of a union of null and a type. */
  isPresent(): boolean {
    return !isAbsentAt(this.#bytes, this.position++);
  }

  value(type: DataType): Value {
    return this.#decode(encodingOf(type), type);
  }

  #decode(encoding: Encoding, type: DataType): Value {
    switch (encoding) {
      case 'boolean':
        return this.#byte() === 1;
      case 'int':
        return isMillis(type) ? this.int() * 1000 : this.int();
      case 'long':
        return isMillis(type) ? toMicros(this.long()) : this.long();
      case 'float':
        return this.float();
      case 'double':
        return this.double();
      case 'decimal':
        return this.decimal(scaleOf(type));
      case 'string':
        return this.string();
      case 'bytes':
        return this.bytes();
      case 'array':
        return this.array((type as Extract<DataType, { kind: 'array' }>).element);
    }
  }

  skip(type: DataType): void {
    this.position = skipValue(this.#bytes, this.position, skipCodeOf(type));
  }

  int(): number {
    let byte = this.#byte();
    let zigzag = byte & 0x7f;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (shift > 28) throw new RangeError('an int of more than 32 bits');
      byte = this.#byte();
      zigzag |= (byte & 0x7f) << shift;
    }
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  /** A number where it is a safe integer, else a bigint. Two halves of 28 bits, each in 32-bit integers. */
  long(): number | bigint {
    const bytes = this.#bytes;
    let at = this.position;
    let byte = bytes[at++] as number;
    let low = byte & 0x7f;
    for (let shift = 7; byte > 0x7f && shift < 28; shift += 7) {
      byte = bytes[at++] as number;
      low |= (byte & 0x7f) << shift;
    }
    let high = 0;
    for (let shift = 0; byte > 0x7f && shift < 28; shift += 7) {
      byte = bytes[at++] as number;
      high |= (byte & 0x7f) << shift;
    }
    if (at > bytes.length) throw new RangeError('the row ends too early');
    if (byte > 0x7f || high > HIGHEST_SAFE) return this.#largeLong();
    this.position = at;
    if (high === 0) return (low >>> 1) ^ -(low & 1);
    const zigzag = high * LOW_BITS + low;
    return (low & 1) === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  #largeLong(): number | bigint {
    const value = this.#bigLong();
    return value >= MIN_SAFE && value <= MAX_SAFE ? Number(value) : value;
  }

  float(): number {
    const start = this.#advance(4);
    return this.#bytes.readFloatLE(start);
  }

  double(): number {
    const start = this.#advance(8);
    return this.#bytes.readDoubleLE(start);
  }

  string(): string {
    const length = this.#length();
    const start = this.#advance(length);
    return this.#bytes.utf8Slice(start, start + length);
  }

  /** A view of the row's own memory, not a copy. */
  bytes(): Buffer {
    const length = this.#length();
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  decimal(scale: number): string {
    const length = this.#length();
    const start = this.#advance(length);
    if (length === 0) throw new RangeError('a decimal of no bytes');
    const digits = length <= 6 ? String(this.#bytes.readIntBE(start, length)) : String(this.#bigUnscaled(start, length));
    return withPoint(digits, scale);
  }

  array(element: DataType): Value[] {
    const values: Value[] = [];
    for (let count = this.blockLength(); count > 0; count = this.blockLength()) {
      for (; count > 0; count--) values.push(this.isPresent() ? this.value(element) : null);
    }
    return values;
  }

  /** Elements in the next block of an array; 0 at its end. A negative count is followed by the block's size in bytes. */
  blockLength(): number {
    let count = this.int();
    if (count < 0) {
      this.long();
      count = -count;
    }
    if (count > this.#bytes.length - this.position) throw new RangeError('an array longer than its row');
    return count;
  }

  #bigLong(): bigint {
    let zigzag = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (shift > 63n) throw new RangeError('a long of more than 64 bits');
      const byte = this.#byte();
      zigzag |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n));
  }

  #bigUnscaled(start: number, length: number): bigint {
    const digits = this.#bytes.toString('hex', start, start + length);
    return BigInt.asIntN(length * 8, BigInt(`0x${digits}`));
  }

  #byte(): number {
    const byte = this.#bytes[this.position];
    if (byte === undefined) throw new RangeError('the row ends too early');
    this.position++;
    return byte;
  }

  #length(): number {
    const length = this.int();
    if (length < 0) throw new RangeError('a negative length');
    return length;
  }

  #advance(bytes: number): number {
    const start = this.position;
    if (start + bytes > this.#bytes.length) throw new RangeError('the row ends too early');
    this.position = start + bytes;
    return start;
  }
}

/** The branch of a union of null and a type, at a place. */
export function isAbsentAt(bytes: Buffer, at: number): boolean {
  const branch = bytes[at];
  if (branch !== 0 && branch !== 2) throw new RangeError(branch === undefined ? 'the row ends too early' : `no branch ${branch} in a union of null and a type`);
  return branch === 0;
}

/** Where a row ends that starts at `at`. Throws `RangeError` past the end of the bytes. */
export function skipRow(bytes: Buffer, start: number, { skips }: TableSchema): number {
  let at = start;
  for (let index = 0; index < skips.length; index++) {
    const skip = skips[index] as number;
    if (skip < 0) at = skipValue(bytes, at, ~skip);
    else at = isAbsentAt(bytes, at) ? at + 1 : skipValue(bytes, at + 1, skip);
  }
  return at;
}

/** Where a value ends that starts at `at`. Throws `RangeError` past the end of the bytes. */
export function skipValue(bytes: Buffer, at: number, code: number): number {
  if (code === SKIP_SIZED) return skipSized(bytes, at);
  if (code === SKIP_VARINT) return skipVarint(bytes, at);
  if (code >= SKIP_ARRAY) return skipArray(bytes, at, code - SKIP_ARRAY);
  return within(bytes, at + code - SKIP_FIXED);
}

/** The same for bytes or text. */
export function skipSized(bytes: Buffer, at: number): number {
  let byte = bytes[at] as number;
  let zigzag = byte & 0x7f;
  let end = at + 1;
  for (let shift = 7; byte > 0x7f; shift += 7) {
    byte = bytes[end++] as number;
    zigzag |= (byte & 0x7f) << shift;
  }
  if ((zigzag & 1) === 1) throw new RangeError('a negative length');
  return within(bytes, end + (zigzag >>> 1));
}

/** The same for an integer. */
export function skipVarint(bytes: Buffer, at: number): number {
  let end = at;
  while ((bytes[end] as number) > 0x7f) end++;
  return within(bytes, end + 1);
}

function within(bytes: Buffer, end: number): number {
  if (end > bytes.length) throw new RangeError('the row ends too early');
  return end;
}

function skipArray(bytes: Buffer, start: number, elementCode: number): number {
  const reader = new RowReader(bytes, start);
  for (let count = reader.blockLength(); count > 0; count = reader.blockLength()) {
    for (; count > 0; count--) {
      const at = reader.position;
      reader.position = isAbsentAt(bytes, at) ? at + 1 : skipValue(bytes, at + 1, elementCode);
    }
  }
  return reader.position;
}

function withPoint(digits: string, scale: number): string {
  if (scale === 0) return digits;
  const isNegative = digits.startsWith('-');
  const padded = (isNegative ? digits.slice(1) : digits).padStart(scale + 1, '0');
  const point = padded.length - scale;
  return `${isNegative ? '-' : ''}${padded.slice(0, point)}.${padded.slice(point)}`;
}

function toMicros(millis: number | bigint): number | bigint {
  const micros = typeof millis === 'bigint' ? millis * 1000n : millis * 1000;
  if (typeof micros === 'number' && !Number.isSafeInteger(micros)) return BigInt(millis) * 1000n;
  return micros;
}
