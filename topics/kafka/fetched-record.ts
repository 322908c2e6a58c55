import { PackedRuns } from '../../shared/record/packed-runs.ts';

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

/** Numbers a record: where its fields begin (behind its length and attributes), where its value begins and where it ends. */
export const RECORD_PLACES = 3;
/** Which of them the value's beginning is; where it ends stands behind that. */
export const VALUE_START = 1;

/** Records of one batch: those at the places from `from` to before `end`. */
export interface RecordRun {
  readonly context: BatchContext;
  /** The memory that keys and values lie in. */
  readonly bytes: Buffer;
  readonly places: Int32Array;
  readonly from: number;
  readonly end: number;
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

  constructor({ context, bytes, places }: Pick<RecordRun, 'context' | 'bytes' | 'places'>, place: number) {
    this.batchContext = context;
    this.bytes = bytes;
    this.start = places[place * RECORD_PLACES] as number;
    this.valueStart = places[place * RECORD_PLACES + 1] as number;
    this.valueEnd = places[place * RECORD_PLACES + 2] as number;
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

/**
 * Records in order, as numbers beside the bytes that they came in. A record's object is made when it is come to: there are
 * tens of thousands of them in one answer, and they wait until their batch is written.
 */
export class PackedRecords extends PackedRuns<RecordRun, FetchedRecord> {
  /** Lets the memory of the records be used for other ones. */
  readonly release: (() => void) | undefined;

  constructor(runs: readonly RecordRun[], release?: () => void) {
    super(runs);
    this.release = release;
  }

  /**
   * As of an array. A kafkajs that somebody else in this process had loaded before takes parts of itself from ours once it
   * fetches, and asks for this.
   */
  filter(isWanted: (record: FetchedRecord) => boolean): FetchedRecord[] {
    return [...this].filter(isWanted);
  }

  /** Those whose offset is that or a higher one. */
  fromOffset(offset: number): PackedRecords {
    const first = this.runs[0];
    if (first === undefined || new FetchedRecord(first, first.from).offsetNumber >= offset) return this;
    const runs = this.runs.map((run) => ({ ...run, from: firstFrom(run, offset) }));
    return new PackedRecords(
      runs.filter(({ from, end }) => from < end),
      this.release,
    );
  }

  protected override unpack(run: RecordRun, place: number): FetchedRecord {
    return new FetchedRecord(run, place);
  }
}

function firstFrom(run: RecordRun, offset: number): number {
  let place = run.from;
  while (place < run.end && new FetchedRecord(run, place).offsetNumber < offset) place++;
  return place;
}

/** Picks records out of others, as many as it was made for at most. */
export class RecordPicker {
  readonly #places: Int32Array;
  readonly #runs: RecordRun[] = [];
  #run: RecordRun | undefined;
  #from = 0;
  #length = 0;

  constructor(most: number) {
    this.#places = new Int32Array(most * RECORD_PLACES);
  }

  add(run: RecordRun, place: number): void {
    if (run !== this.#run) this.#endRun(run);
    const to = this.#length++ * RECORD_PLACES;
    const at = place * RECORD_PLACES;
    const places = this.#places;
    places[to] = run.places[at] as number;
    places[to + 1] = run.places[at + 1] as number;
    places[to + 2] = run.places[at + 2] as number;
  }

  finish(): PackedRecords {
    this.#endRun(undefined);
    return new PackedRecords(this.#runs);
  }

  #endRun(next: RecordRun | undefined): void {
    if (this.#run !== undefined && this.#length > this.#from) {
      const { context, bytes } = this.#run;
      this.#runs.push({ context, bytes, places: this.#places, from: this.#from, end: this.#length });
    }
    this.#from = this.#length;
    this.#run = next;
  }
}

/** The records of a batch whose body begins at `start`. */
export function scanRecords(bytes: Buffer, start: number, count: number, context: BatchContext): RecordRun {
  const places = new Int32Array(count * RECORD_PLACES);
  const reader = new FieldReader(bytes, start);
  for (let at = 0; at < places.length; at += RECORD_PLACES) {
    const length = reader.varint();
    const end = reader.position + length;
    places[at] = ++reader.position;
    reader.skipToValue();
    const valueLength = reader.varint();
    places[at + 1] = reader.position;
    places[at + 2] = reader.position + valueLength;
    reader.position = end;
  }
  return { context, bytes, places, from: 0, end: count };
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
