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

/** What all records of one source transaction, or of one chunk of a snapshot, have in common. */
export interface EnvelopeScope {
  /** Tells scopes apart: a new number for each. */
  readonly serial: number;
  readonly xid: string | null;
  readonly isSnapshot: boolean;
  readonly committedAtMicros: number;
  /** The transaction part of the positions. */
  readonly positionPrefix: string;
  readonly transactionId: string | null;
}

/** What changes from record to record. Reused by its owner from call to call. */
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
  readonly #value = new ByteWriter();
  readonly #key = new ByteWriter();
  readonly #scope = new ByteWriter();
  readonly #transaction = new ByteWriter();
  readonly #position = new ByteWriter();
  readonly #columnNames: readonly Buffer[];
  readonly #keyRange: ByteRange = { bytes: null, start: 0, end: 0 };
  readonly #valueRange: ByteRange = { bytes: null, start: 0, end: 0 };
  readonly #keyColumns: Int32Array;
  #scopeSerial = -1;

  constructor(identity: EncoderIdentity) {
    this.identity = identity;
    this.#keyColumns = new Int32Array(identity.table.key.length * 2);
    this.#columnNames = fieldNames(identity.table).map((name) => Buffer.from(name));
  }

  /** The record key: the row's key columns in key order. */
  key(row: Row): ByteRange {
    const key = this.#key;
    key.reset();
    key.header(this.identity.keySchemaId);
    const ranges = this.#keyColumns;
    row.keyRanges(ranges);
    for (let place = 0; place < ranges.length; place += 2) key.copy(row.bytes, ranges[place] as number, ranges[place + 1] as number);
    return key.range(this.#keyRange);
  }

  value(scope: EnvelopeScope, fields: EnvelopeFields): ByteRange {
    if (scope.serial !== this.#scopeSerial) this.#enter(scope);
    const value = this.#value;
    value.reset();
    value.header(this.identity.valueSchemaId);
    value.row(fields.before);
    value.row(fields.after);
    value.append(this.#scope);
    value.int(this.#position.length + digitsOf(fields.ordinal));
    value.append(this.#position);
    value.digits(fields.ordinal);
    value.byte(PRESENT);
    value.byte(fields.op.charCodeAt(0));
    value.long(fields.handledAtMs);
    value.append(this.#transaction);
    if (scope.transactionId !== null) {
      value.long(fields.totalOrder);
      value.long(fields.collectionOrder);
    }
    value.long(fields.rowVersion);
    this.#unchanged(fields.after?.unchanged ?? null);
    return value.range(this.#valueRange);
  }

  #enter(scope: EnvelopeScope): void {
    const { table, connector, sourceName, version } = this.identity;
    this.#scopeSerial = scope.serial;
    const common = this.#scope;
    common.reset();
    for (const text of [version, connector, sourceName]) common.string(text);
    common.long(Math.floor(scope.committedAtMicros / 1000));
    common.long(scope.committedAtMicros);
    for (const text of [String(scope.isSnapshot), table.database, table.schema, table.name]) common.string(text);
    common.optionalString(scope.xid);
    this.#transaction.reset();
    this.#transaction.optionalString(scope.transactionId);
    this.#position.reset();
    this.#position.raw(`${scope.positionPrefix}#`);
  }

  #unchanged(columns: readonly number[] | null): void {
    if (columns === null || columns.length === 0) return this.#value.byte(ABSENT);
    this.#value.byte(PRESENT);
    this.#value.int(columns.length);
    for (const index of columns) {
      const name = this.#columnNames[index] as Buffer;
      this.#value.int(name.length);
      this.#value.copy(name, 0, name.length);
    }
    this.#value.byte(0);
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
  #buffer = Buffer.allocUnsafeSlow(4096);
  length = 0;

  reset(): void {
    this.length = 0;
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
