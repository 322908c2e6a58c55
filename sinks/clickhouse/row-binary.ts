const INITIAL_BYTES = 64 * 1024;
const LOW_32 = 0xffffffffn;

export interface IntegerLayout {
  /** In bytes. */
  readonly width: number;
  readonly isSigned: boolean;
}

/**
 * Writes ClickHouse's RowBinary, value after value, into one growing buffer.
 * Layouts: https://clickhouse.com/docs/interfaces/formats/RowBinary. Integers are little-endian.
 */
export class RowBinaryWriter {
  #buffer: Buffer;
  #position = 0;

  /** Into memory that is there already, if it is large enough, and no more than four times as large. */
  constructor(expectedBytes = INITIAL_BYTES, memory?: Buffer) {
    const isFit = memory !== undefined && memory.length >= expectedBytes && memory.length <= expectedBytes * 4;
    this.#buffer = isFit ? memory : Buffer.allocUnsafeSlow(Math.max(expectedBytes, 64));
  }

  /** Where all is written to. */
  get memory(): Buffer {
    return this.#buffer;
  }

  get position(): number {
    return this.#position;
  }

  /** For those who have written into `room` by themselves, or take back what was written. */
  set position(position: number) {
    this.#position = position;
  }

  /** The buffer, with at least so many bytes free behind the position. Good until the next write. */
  room(bytes: number): Buffer {
    this.#reserve(bytes);
    return this.#buffer;
  }

  /** What was written so far: a view, good until the next write. */
  view(start = 0): Buffer {
    return this.#buffer.subarray(start, this.#position);
  }

  uint8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#position++] = value;
  }

  int16(value: number): void {
    this.#reserve(2);
    this.#position = this.#buffer.writeInt16LE(value, this.#position);
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#position = this.#buffer.writeInt32LE(value, this.#position);
  }

  /** Signed or unsigned alike: the low 64 bits. */
  int64(value: number | bigint): void {
    this.#reserve(8);
    if (typeof value === 'bigint') {
      this.#low32(Number(value & LOW_32));
      this.#low32(Number((value >> 32n) & LOW_32));
      return;
    }
    const low = value >>> 0;
    this.#low32(low);
    this.#low32((value - low) / 0x100000000);
  }

  float32(value: number): void {
    this.#reserve(4);
    this.#position = this.#buffer.writeFloatLE(value, this.#position);
  }

  float64(value: number): void {
    this.#reserve(8);
    this.#position = this.#buffer.writeDoubleLE(value, this.#position);
  }

  /** An integer of `width` bytes from big-endian two's complement bytes; false where it does not fit. */
  bigEndian(source: Buffer, start: number, end: number, { width, isSigned }: IntegerLayout): boolean {
    const sign = ((source[start] ?? 0) & 0x80) === 0 ? 0 : 0xff;
    let first = start;
    while (end - first > width && source[first] === sign) first++;
    const isTooLong = end - first > width || (!isSigned && sign !== 0);
    if (isTooLong || (isSigned && end - first === width && ((source[first] ?? 0) & 0x80) !== (sign & 0x80))) return false;
    this.#reserve(width);
    let at = this.#position;
    for (let from = end - 1; from >= first; from--) this.#buffer[at++] = source[from] as number;
    const stop = this.#position + width;
    while (at < stop) this.#buffer[at++] = sign;
    this.#position = stop;
    return true;
  }

  /** An integer of `width` bytes; the caller has made sure that it fits. */
  bigInteger(value: bigint, width: number): void {
    for (let rest = value, count = width; count > 0; count -= 8, rest >>= 64n) {
      if (count >= 8) this.int64(BigInt.asUintN(64, rest));
      else this.int32(Number(BigInt.asIntN(32, rest)));
    }
  }

  /** LEB128, as lengths are written. */
  length(value: number): void {
    this.#reserve(5);
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.#buffer[this.#position++] = (rest & 0x7f) | 0x80;
    this.#buffer[this.#position++] = rest;
  }

  /** A String from bytes. */
  slice(source: Buffer, start: number, end: number): void {
    this.length(end - start);
    this.raw(source, start, end);
  }

  /** A String from text. */
  string(text: string): void {
    const length = Buffer.byteLength(text);
    this.length(length);
    this.#reserve(length);
    this.#position += this.#buffer.write(text, this.#position, 'utf8');
  }

  /** Bytes as they are. */
  raw(source: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    if (length < 24) {
      for (let from = start; from < end; from++) this.#buffer[this.#position++] = source[from] as number;
      return;
    }
    source.copy(this.#buffer, this.#position, start, end);
    this.#position += length;
  }

  zeros(count: number): void {
    this.#reserve(count);
    this.#buffer.fill(0, this.#position, this.#position + count);
    this.#position += count;
  }

  #low32(value: number): void {
    this.#buffer[this.#position++] = value & 0xff;
    this.#buffer[this.#position++] = (value >>> 8) & 0xff;
    this.#buffer[this.#position++] = (value >>> 16) & 0xff;
    this.#buffer[this.#position++] = (value >>> 24) & 0xff;
  }

  #reserve(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#position + bytes));
    this.#buffer.copy(larger, 0, 0, this.#position);
    this.#buffer = larger;
  }
}
