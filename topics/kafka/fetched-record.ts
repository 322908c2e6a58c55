type Headers = Record<string, Buffer | Buffer[]>;
const NO_HEADERS: Headers = Object.freeze({});

/** What the records of one batch have in common. */
export interface BatchContext {
  readonly producerId: string;
  readonly inTransaction: boolean;
  readonly isControlBatch: boolean;
  readonly baseOffset: number;
  readonly firstTimestamp: number;
  readonly maxTimestamp: number;
  readonly isLogAppendTime: boolean;
}

/** One record, as a view on its batch: all that is not asked for of every record is read when it is. */
export class FetchedRecord {
  readonly batchContext: BatchContext;
  /** The memory that key and value lie in; an end below its start stands for null. */
  readonly bytes: Buffer;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Behind its length and attributes. */
  readonly start: number;

  constructor(batchContext: BatchContext, { bytes, start, valueStart, valueEnd }: RecordPlace) {
    this.batchContext = batchContext;
    this.bytes = bytes;
    this.start = start;
    this.valueStart = valueStart;
    this.valueEnd = valueEnd;
  }

  get key(): Buffer | null {
    return this.#fields().key;
  }

  get value(): Buffer | null {
    return this.valueEnd < this.valueStart ? null : this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  get headers(): Headers {
    return new FieldReader(this.bytes, Math.max(this.valueStart, this.valueEnd)).headers();
  }

  get offsetNumber(): number {
    return this.batchContext.baseOffset + this.#fields().offsetDelta;
  }

  get offset(): string {
    return String(this.offsetNumber);
  }

  get timestamp(): string {
    const { isLogAppendTime, maxTimestamp, firstTimestamp } = this.batchContext;
    return String(isLogAppendTime ? maxTimestamp : firstTimestamp + this.#fields().timestampDelta);
  }

  get isControlRecord(): boolean {
    return this.batchContext.isControlBatch;
  }

  #fields(): { readonly timestampDelta: number; readonly offsetDelta: number; readonly key: Buffer | null } {
    const reader = new FieldReader(this.bytes, this.start);
    return { timestampDelta: reader.varint(), offsetDelta: reader.varint(), key: reader.sized() };
  }
}

/** Records that are seldom asked for, kept as four bytes each: they wait in numbers, and objects that wait cost the collector of garbage time. */
export class PackedRecords {
  readonly #starts: Int32Array;
  /** Records in a row that lie in the same batch. */
  readonly #runs: { readonly from: number; readonly context: BatchContext; readonly bytes: Buffer }[] = [];
  #length = 0;

  constructor(most: number) {
    this.#starts = new Int32Array(most);
  }

  get length(): number {
    return this.#length;
  }

  add({ batchContext: context, bytes, start }: FetchedRecord): void {
    if (this.#runs.at(-1)?.context !== context) this.#runs.push({ from: this.#length, context, bytes });
    this.#starts[this.#length++] = start;
  }

  at(place: number): FetchedRecord | undefined {
    const run = place < this.#length ? this.#runs.findLast(({ from }) => from <= place) : undefined;
    if (run === undefined) return undefined;
    const { context, bytes } = run;
    const start = this.#starts[place] as number;
    return new FetchedRecord(context, { bytes, start, ...new FieldReader(bytes, start).value() });
  }

  *[Symbol.iterator](): Iterator<FetchedRecord> {
    for (let place = 0; place < this.#length; place++) yield this.at(place) as FetchedRecord;
  }
}

/** Where a record lies. One for all records of a batch: each copies what it keeps. */
interface RecordPlace {
  readonly bytes: Buffer;
  start: number;
  valueStart: number;
  valueEnd: number;
}

/** Adds the records of a batch's body to `records`. */
export function scanRecords(bytes: Buffer, count: number, context: BatchContext, records: FetchedRecord[]): void {
  const place: RecordPlace = { bytes, start: 0, valueStart: 0, valueEnd: 0 };
  const reader = new FieldReader(bytes, 0);
  for (let index = 0; index < count; index++) {
    const length = reader.varint();
    const end = reader.position + length;
    place.start = ++reader.position;
    reader.skipToValue();
    const valueLength = reader.varint();
    place.valueStart = reader.position;
    place.valueEnd = reader.position + valueLength;
    records.push(new FetchedRecord(context, place));
    reader.position = end;
  }
}

/** Reads the fields of records, at a moving position. */
class FieldReader {
  readonly #bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  /** Zig-zag; timestamps may be far apart, so beyond 28 bits it goes on with multiplication. */
  varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.position++] as number;
    let zigzag = byte & 0x7f;
    for (let factor = 0x80; byte > 0x7f; factor *= 0x80) {
      byte = bytes[this.position++] as number;
      zigzag += (byte & 0x7f) * factor;
    }
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  /** From the beginning of the fields to the length of the value. */
  skipToValue(): void {
    this.#skipVarint();
    this.#skipVarint();
    const keyLength = this.varint();
    this.position += Math.max(keyLength, 0);
  }

  /** Where the value of the record lies that begins here. */
  value(): { readonly valueStart: number; readonly valueEnd: number } {
    this.skipToValue();
    const length = this.varint();
    return { valueStart: this.position, valueEnd: this.position + length };
  }

  #skipVarint(): void {
    let at = this.position;
    while ((this.#bytes[at] as number) > 0x7f) at++;
    this.position = at + 1;
  }

  sized(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const start = this.position;
    this.position += length;
    return this.#bytes.subarray(start, this.position);
  }

  headers(): Headers {
    const count = this.varint();
    if (count === 0) return NO_HEADERS;
    const headers: Headers = {};
    for (let index = 0; index < count; index++) {
      const name = this.sized()?.toString() ?? '';
      const value = this.sized() ?? Buffer.alloc(0);
      const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
      headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
    }
    return headers;
  }
}
