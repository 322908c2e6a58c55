import type { Row } from '../shared/record/row.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { fieldNames } from './avro/table-schemas.ts';
import type { ByteRange } from './kafka/record-batch.ts';

export type EnvelopeOp = 'c' | 'u' | 'd' | 'r' | 't';

export interface EncoderIdentity {
  readonly table: TableSchema;
  readonly keySchemaId: number;
  readonly valueSchemaId: number;
  readonly connector: string;
  readonly sourceName: string;
  readonly version: string;
}

/** What all records of one source transaction, or of one chunk of a snapshot, have in common; another object for each. */
export interface EnvelopeScope {
  readonly xid: string | null;
  readonly isSnapshot: boolean;
  readonly committedAtMicros: number;
  /** The transaction part of the positions. */
  readonly positionPrefix: string;
  readonly transactionId: string | null;
}

/** What changes from record to record. Reused by its owner from call to call; the rows are taken out by each. */
export interface EnvelopeFields {
  op: EnvelopeOp;
  before: Row | null;
  after: Row | null;
  ordinal: number;
  handledAtMs: number;
  rowVersion: number;
  totalOrder: number;
  collectionOrder: number;
}

const ABSENT = 0;
const PRESENT = 2;

/**
 * Writes the key and the value of a table's records in the envelope of the topics' contract.
 *
 * A row's bytes are copied as the source wrote them, and what a transaction's records have in common is written once
 * and then copied; `envelope.test.ts` holds the result against avsc. Both ranges point into memory that the next call
 * overwrites.
 */
export class EnvelopeEncoder {
  readonly identity: EncoderIdentity;
  /** The source block up to the position: of this table in the present scope. */
  readonly #source = new ByteWriter(256);
  readonly #head: Buffer;
  readonly #place: Buffer;
  readonly #columnNames: readonly Buffer[];
  readonly #keyRange: ByteRange = { bytes: null, start: 0, end: 0 };
  readonly #valueRange: ByteRange = { bytes: null, start: 0, end: 0 };
  readonly #keyColumns: Int32Array;
  #scope: EnvelopeScope | undefined;

  constructor(identity: EncoderIdentity) {
    const { table, connector, sourceName, version } = identity;
    this.identity = identity;
    this.#head = stringsOf([version, connector, sourceName]);
    this.#place = stringsOf([table.database, table.schema, table.name]);
    this.#keyColumns = new Int32Array(table.key.length * 2);
    this.#columnNames = fieldNames(table).map((name) => Buffer.from(name));
  }

  /** The record key: the row's key columns in key order. */
  key(row: Row): ByteRange {
    KEY.reset();
    KEY.header(this.identity.keySchemaId);
    const ranges = this.#keyColumns;
    row.keyRanges(ranges);
    for (let place = 0; place < ranges.length; place += 2) KEY.copy(row.bytes, ranges[place] as number, ranges[place + 1] as number);
    return KEY.range(this.#keyRange);
  }

  value(scope: EnvelopeScope, fields: EnvelopeFields): ByteRange {
    if (scope !== SCOPE.scope) SCOPE.enter(scope);
    if (scope !== this.#scope) this.#enter(scope);
    const value = VALUE;
    value.reset();
    value.header(this.identity.valueSchemaId);
    value.row(fields.before);
    value.row(fields.after);
    value.append(this.#source);
    value.int(SCOPE.position.length + digitsOf(fields.ordinal));
    value.append(SCOPE.position);
    value.digits(fields.ordinal);
    value.byte(PRESENT);
    value.byte(fields.op.charCodeAt(0));
    value.long(fields.handledAtMs);
    value.append(SCOPE.transaction);
    if (scope.transactionId !== null) {
      value.long(fields.totalOrder);
      value.long(fields.collectionOrder);
    }
    value.long(fields.rowVersion);
    this.#unchanged(fields.after?.unchanged ?? null);
    // Each table's last row would keep the memory that it shares with others until the table's next record: of thousands of tables, gigabytes.
    fields.before = null;
    fields.after = null;
    return value.range(this.#valueRange);
  }

  /** After a large record: what it took is not kept for all the small ones to come. */
  static forgetLarge(): void {
    VALUE.shrink(KEPT_BYTES);
  }

  #enter(scope: EnvelopeScope): void {
    this.#scope = scope;
    const source = this.#source;
    source.reset();
    source.copy(this.#head, 0, this.#head.length);
    source.append(SCOPE.times);
    source.copy(this.#place, 0, this.#place.length);
    source.append(SCOPE.xid);
  }

  #unchanged(columns: readonly number[] | null): void {
    if (columns === null || columns.length === 0) return VALUE.byte(ABSENT);
    VALUE.byte(PRESENT);
    VALUE.int(columns.length);
    for (const index of columns) {
      const name = this.#columnNames[index] as Buffer;
      VALUE.int(name.length);
      VALUE.copy(name, 0, name.length);
    }
    VALUE.byte(0);
  }
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

/** 2^28: four bytes of seven bits. */
const LOW_BITS = 0x10000000;
/** Up to this many bytes a loop is quicker than a call of the engine's copy. */
const SHORT_COPY = 64;

/** A growing buffer with the few primitives of Avro that the envelope needs. */
class ByteWriter {
  #buffer: Buffer;
  length = 0;

  constructor(initialBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  reset(): void {
    this.length = 0;
  }

  /** Empties it, and lets go of what it holds beyond that. */
  shrink(bytes: number): void {
    this.length = 0;
    if (this.#buffer.length > bytes) this.#buffer = Buffer.allocUnsafeSlow(4096);
  }

  range(into: ByteRange): ByteRange {
    into.bytes = this.#buffer;
    into.start = 0;
    into.end = this.length;
    return into;
  }

  header(schemaId: number): void {
    this.#reserve(5);
    this.#buffer[this.length] = 0;
    this.#buffer.writeInt32BE(schemaId, this.length + 1);
    this.length += 5;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.length++] = value;
  }

  int(value: number): void {
    this.#reserve(5);
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.#buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.length++] = rest;
  }

  /** A number below 2^52 that is not negative: the low 28 bits of its zig-zag form by themselves, the rest in 32-bit integers. */
  long(value: number): void {
    this.#reserve(8);
    const buffer = this.#buffer;
    let at = this.length;
    let rest = value * 2;
    if (rest >= LOW_BITS) {
      const high = Math.floor(rest / LOW_BITS);
      const low = rest - high * LOW_BITS;
      buffer[at++] = (low & 0x7f) | 0x80;
      buffer[at++] = ((low >>> 7) & 0x7f) | 0x80;
      buffer[at++] = ((low >>> 14) & 0x7f) | 0x80;
      buffer[at++] = (low >>> 21) | 0x80;
      rest = high;
    }
    for (; rest > 0x7f; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
    buffer[at++] = rest;
    this.length = at;
  }

  string(text: string): void {
    this.int(Buffer.byteLength(text));
    this.raw(text);
  }

  raw(text: string): void {
    this.#reserve(Buffer.byteLength(text));
    this.length += this.#buffer.write(text, this.length);
  }

  optionalString(text: string | null): void {
    if (text === null) return this.byte(ABSENT);
    this.byte(PRESENT);
    this.string(text);
  }

  digits(value: number): void {
    const count = digitsOf(value);
    this.#reserve(count);
    let rest = value;
    for (let at = this.length + count - 1; at >= this.length; at--) {
      this.#buffer[at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.length += count;
  }

  row(row: Row | null): void {
    if (row === null) return this.byte(ABSENT);
    this.byte(PRESENT);
    this.copy(row.bytes, row.start, row.end);
  }

  append(other: ByteWriter): void {
    this.copy(other.#buffer, 0, other.length);
  }

  copy(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    if (end - start < SHORT_COPY) {
      const buffer = this.#buffer;
      let at = this.length;
      for (let from = start; from < end; from++) buffer[at++] = source[from] as number;
      this.length = at;
      return;
    }
    this.length += source.copy(this.#buffer, this.length, start, end);
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.length + bytes));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}

/** What a scope's records of any table have in common, in bytes: with many tables in a transaction, each has few. */
class ScopeBytes {
  readonly times = new ByteWriter(32);
  readonly xid = new ByteWriter(32);
  readonly transaction = new ByteWriter(64);
  readonly position = new ByteWriter(64);
  scope: EnvelopeScope | undefined;

  enter(scope: EnvelopeScope): void {
    this.scope = scope;
    this.times.reset();
    this.times.long(Math.floor(scope.committedAtMicros / 1000));
    this.times.long(scope.committedAtMicros);
    this.times.string(String(scope.isSnapshot));
    this.xid.reset();
    this.xid.optionalString(scope.xid);
    this.transaction.reset();
    this.transaction.optionalString(scope.transactionId);
    this.position.reset();
    this.position.raw(`${scope.positionPrefix}#`);
  }
}

/** One of each for all tables: thousands of them would otherwise hold memory for one at a time. */
const KEY = new ByteWriter(4096);
const VALUE = new ByteWriter(4096);
/** What is kept for the next value. */
const KEPT_BYTES = 1024 * 1024;
const SCOPE = new ScopeBytes();

function stringsOf(texts: readonly string[]): Buffer {
  const writer = new ByteWriter(256);
  for (const text of texts) writer.string(text);
  const { bytes, start, end } = writer.range({ bytes: null, start: 0, end: 0 });
  return Buffer.from((bytes as Buffer).subarray(start, end));
}
