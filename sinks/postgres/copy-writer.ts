const CHUNK_BYTES = 256 * 1024;
const FULL_BYTES = CHUNK_BYTES - 16 * 1024;
const TWO_32 = 0x100000000;
/** `PGCOPY\n\377\r\n\0`, no flags, no header extension. */
const SIGNATURE = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex');
const TRAILER = Buffer.from('ffff', 'hex');
const NUMERIC_NEGATIVE = 0x4000;
/** Up to this scale the fraction of a number, in whole groups of four digits, stays a safe integer. */
const SAFE_SCALE = 12;

/**
 * Writes rows in the binary form of COPY (PostgreSQL manual, COPY, "Binary Format"), into chunks.
 *
 * Use: for each row `row(fields)` and one write a field; `full()` between rows hands over what is ready; `end()` the
 * rest. Chunks are handed over for good: nothing is written to them afterwards.
 */
export class CopyWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #position = 0;
  readonly #groups = new Int16Array(32);

  constructor() {
    this.#raw(SIGNATURE, 0, SIGNATURE.length);
  }

  /** What is ready, once it is worth sending; undefined before. To be asked between rows. */
  full(): Buffer | undefined {
    return this.#position < FULL_BYTES ? undefined : this.#take();
  }

  end(): Buffer {
    this.#reserve(TRAILER.length);
    this.#raw(TRAILER, 0, TRAILER.length);
    return this.#take();
  }

  row(fields: number): void {
    this.#reserve(2);
    this.#int16(fields);
  }

  null(): void {
    this.#reserve(4);
    this.#int32(-1);
  }

  boolean(value: boolean): void {
    this.#reserve(5);
    this.#int32(1);
    this.#buffer[this.#position++] = value ? 1 : 0;
  }

  int16(value: number): void {
    this.#reserve(6);
    this.#int32(2);
    this.#int16(value);
  }

  int32(value: number): void {
    this.#reserve(8);
    this.#int32(4);
    this.#int32(value);
  }

  int64(value: number | bigint): void {
    this.#reserve(12);
    this.#int32(8);
    if (typeof value === 'bigint') {
      this.#position = this.#buffer.writeBigInt64BE(value, this.#position);
      return;
    }
    const high = Math.floor(value / TWO_32);
    this.#int32(high);
    this.#int32(value - high * TWO_32);
  }

  float32(value: number): void {
    this.#reserve(8);
    this.#int32(4);
    this.#position = this.#buffer.writeFloatBE(value, this.#position);
  }

  float64(value: number): void {
    this.#reserve(12);
    this.#int32(8);
    this.#position = this.#buffer.writeDoubleBE(value, this.#position);
  }

  /** Text or bytes, copied from another buffer. */
  slice(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start + 4);
    this.#int32(end - start);
    this.#raw(source, start, end);
  }

  /** As `slice`, with the version byte that the binary form of jsonb begins with. */
  jsonb(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start + 5);
    this.#int32(end - start + 1);
    this.#buffer[this.#position++] = 1;
    this.#raw(source, start, end);
  }

  /** A uuid from its text; false where it is none, and then nothing is written. */
  uuid(source: Buffer, start: number, end: number): boolean {
    this.#reserve(20);
    const from = this.#position;
    this.#int32(16);
    let digits = 0;
    let high = 0;
    for (let at = start; at < end; at++) {
      const digit = HEX[source[at] as number] as number;
      if (digit === DASH) continue;
      if (digit === NO_DIGIT || ++digits > 32) {
        digits = 0;
        break;
      }
      if (digits % 2 === 1) high = digit << 4;
      else this.#buffer[this.#position++] = high | digit;
    }
    if (digits === 32) return true;
    this.#position = from;
    return false;
  }

  /** A decimal from its unscaled value: two's complement, highest byte first. */
  decimal(source: Buffer, start: number, end: number, scale: number): void {
    if (end - start > 6 || scale > SAFE_SCALE) {
      const value = BigInt.asIntN((end - start) * 8, BigInt(`0x${source.toString('hex', start, end)}`));
      return this.#bigNumeric(value, scale);
    }
    const value = source.readIntBE(start, end - start);
    this.#smallNumeric(Math.abs(value), scale, value < 0);
  }

  /** Leaves room for a length that is known only once what follows is written. Gives the place for `closeLength`. */
  openLength(): number {
    this.#reserve(4);
    this.#position += 4;
    return this.#position;
  }

  closeLength(start: number): void {
    this.#buffer.writeInt32BE(this.#position - start, start - 4);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#position++] = value;
  }

  /** Bytes without a length before them. */
  append(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    this.#raw(source, start, end);
  }

  /** 32 bits without a length before them: of the header of an array. */
  bits32(value: number): void {
    this.#reserve(4);
    this.#int32(value);
  }

  /** Writes 32 bits again, at a place after that which `openLength` gave. */
  patch32(position: number, value: number): void {
    this.#buffer.writeInt32BE(value, position);
  }

  /**
   * The server keeps a numeric as groups of four decimal digits, aligned at the point: `ndigits`, the `weight` of the
   * first group, sign, `dscale`, groups (numeric_recv in numeric.c, which also drops zeros at both ends).
   */
  #smallNumeric(absolute: number, scale: number, isNegative: boolean): void {
    const unit = 10 ** scale;
    const fraction = absolute % unit;
    const fractionGroups = (scale + 3) >> 2;
    let count = 0;
    let rest = fraction * 10 ** (fractionGroups * 4 - scale);
    for (; count < fractionGroups; count++) {
      this.#groups[count] = rest % 10000;
      rest = Math.floor(rest / 10000);
    }
    for (let whole = (absolute - fraction) / unit; whole > 0; whole = Math.floor(whole / 10000)) this.#groups[count++] = whole % 10000;
    this.#numericHeader(count, count - 1 - fractionGroups, isNegative, scale);
    while (count > 0) this.#int16(this.#groups[--count] as number);
  }

  #bigNumeric(value: bigint, scale: number): void {
    const isNegative = value < 0n;
    const fractionGroups = (scale + 3) >> 2;
    const digits = (isNegative ? -value : value).toString() + '0'.repeat(fractionGroups * 4 - scale);
    const count = Math.ceil(digits.length / 4);
    const padded = digits.padStart(count * 4, '0');
    this.#numericHeader(count, count - 1 - fractionGroups, isNegative, scale);
    for (let at = 0; at < padded.length; at += 4) this.#int16(Number(padded.slice(at, at + 4)));
  }

  #numericHeader(count: number, weight: number, isNegative: boolean, scale: number): void {
    this.#reserve(12 + count * 2);
    this.#int32(8 + count * 2);
    this.#int16(count);
    this.#int16(weight);
    this.#int16(isNegative ? NUMERIC_NEGATIVE : 0);
    this.#int16(scale);
  }

  #int16(value: number): void {
    this.#buffer[this.#position++] = value >> 8;
    this.#buffer[this.#position++] = value;
  }

  #int32(value: number): void {
    this.#buffer[this.#position++] = value >>> 24;
    this.#buffer[this.#position++] = value >>> 16;
    this.#buffer[this.#position++] = value >>> 8;
    this.#buffer[this.#position++] = value;
  }

  #raw(source: Buffer, start: number, end: number): void {
    if (end - start < 24) {
      for (let from = start; from < end; from++) this.#buffer[this.#position++] = source[from] as number;
      return;
    }
    this.#position += source.copy(this.#buffer, this.#position, start, end);
  }

  #take(): Buffer {
    const chunk = this.#buffer.subarray(0, this.#position);
    this.#buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#position = 0;
    return chunk;
  }

  /** A row larger than the rest of its chunk moves the chunk into a larger one; places in it stay what they are. */
  #reserve(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow((this.#position + bytes) * 2);
    this.#buffer.copy(larger, 0, 0, this.#position);
    this.#buffer = larger;
  }
}

const NO_DIGIT = 255;
const DASH = 254;
/** The value of each hexadecimal digit's character. */
const HEX = Uint8Array.from({ length: 256 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  if (code === 0x2d) return DASH;
  return Number.isNaN(digit) ? NO_DIGIT : digit;
});
