import { CdcError } from '../../shared/errors/cdc-error.ts';
import { RowReader } from '../../shared/record/row-reader.ts';
import type { Row } from '../../shared/record/row.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import type { ColumnLayout, TableSchema } from '../../shared/record/table-schema.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from '../../shared/record/value.ts';
import type { Binding } from './binding.ts';
import { CopyWriter } from './copy-writer.ts';
import { elementOf, stagingTypeOf } from './types.ts';

/** One row of the staging table. */
export interface StagedRow {
  readonly row: Row;
  readonly op: string;
  readonly version: number;
  /** Indexes of the columns that keep what the target has; null for none. */
  readonly unchanged: readonly number[] | null;
}

/** PostgreSQL counts from 2000-01-01, in days and in microseconds. */
const EPOCH_DAYS = 10957;
const EPOCH_MICROS = 946_684_800_000_000;
const SMALLINT_OID = 21;
const META_FIELDS = 4;

/** The rows as the bytes of `COPY … (FORMAT binary)` into the staging table: one chunk after the other. */
export function* encodeRows(binding: Binding, rows: Iterable<StagedRow>): Generator<Buffer> {
  const encoder = new RowEncoder(binding);
  for (const row of rows) {
    encoder.toStaging(row);
    const chunk = encoder.writer.full();
    if (chunk !== undefined) yield chunk;
  }
  yield encoder.writer.end();
}

/** The same into the target itself: rows that are not deleted, with our own columns as the target has them. */
export function* encodeTargetRows(binding: Binding, rows: Iterable<StagedRow>, syncedAtMicros: number): Generator<Buffer> {
  const encoder = new RowEncoder(binding);
  for (const row of rows) {
    encoder.toTarget(row, syncedAtMicros - EPOCH_MICROS);
    const chunk = encoder.writer.full();
    if (chunk !== undefined) yield chunk;
  }
  yield encoder.writer.end();
}

/**
 * From a row's bytes to COPY's bytes, without a value between: no object is made for a cell.
 *
 * A value is written in the binary form of its staging type (the `…recv` functions of PostgreSQL's adt directory).
 */
class RowEncoder {
  readonly writer = new CopyWriter();
  readonly #table: TableSchema;
  readonly #isBound: readonly boolean[];
  readonly #fields: number;
  readonly #keyPlace: readonly number[];
  readonly #keyRanges: Int32Array;
  readonly #reader = new RowReader(Buffer.alloc(0));

  constructor({ table, columns }: Binding) {
    this.#table = table;
    this.#isBound = table.columns.map((_, index) => columns.some((column) => column.index === index));
    this.#fields = columns.length + META_FIELDS;
    this.#keyPlace = table.columns.map((_, index) => table.key.indexOf(index));
    this.#keyRanges = new Int32Array(table.key.length * 2);
  }

  toStaging({ row, op, version, unchanged }: StagedRow): void {
    this.writer.row(this.#fields);
    this.#columns(row);
    this.#op(op);
    this.writer.int64(version);
    this.#key(row.bytes);
    this.#unchanged(unchanged);
  }

  toTarget({ row, op, version }: StagedRow, syncedAt: number): void {
    this.writer.row(this.#fields);
    this.#columns(row);
    this.#op(op);
    this.writer.boolean(false);
    this.writer.int64(syncedAt);
    this.writer.int64(version);
  }

  #op(op: string): void {
    this.writer.bits32(1);
    this.writer.byte(op.charCodeAt(0));
  }

  #columns(row: Row): void {
    const reader = this.#reader;
    const { layout } = this.#table;
    reader.reset(row.bytes, row.start);
    for (let index = 0; index < layout.length; index++) {
      const column = layout[index] as ColumnLayout;
      const isBound = this.#isBound[index] === true;
      const start = reader.position;
      if (!column.isKey && !reader.isPresent()) {
        if (isBound) this.writer.null();
      } else if (isBound) {
        this.#value(column.type, row.bytes, index);
      } else {
        reader.skip(column.type);
      }
      if (column.isKey) this.#rememberKey(index, start, reader.position);
    }
  }

  #rememberKey(index: number, start: number, end: number): void {
    const place = (this.#keyPlace[index] as number) * 2;
    this.#keyRanges[place] = start;
    this.#keyRanges[place + 1] = end;
  }

  #key(bytes: Buffer): void {
    const ranges = this.#keyRanges;
    if (ranges.length === 0) return this.writer.null();
    const field = this.writer.openLength();
    for (let place = 0; place < ranges.length; place += 2) {
      this.writer.append(bytes, ranges[place] as number, ranges[place + 1] as number);
    }
    this.writer.closeLength(field);
  }

  #unchanged(indexes: readonly number[] | null): void {
    if (indexes === null || indexes.length === 0) return this.writer.null();
    const field = this.#openArray(SMALLINT_OID);
    for (const index of indexes) this.writer.int16(index);
    this.#closeArray(field, indexes.length, false);
  }

  #value(type: DataType, bytes: Buffer, index: number): void {
    const { writer } = this;
    const reader = this.#reader;
    switch (type.kind) {
      case 'int32':
        return writer.int32(reader.int());
      case 'int64':
        return writer.int64(reader.long());
      case 'string':
      case 'text':
      case 'enum':
      case 'numeric':
      case 'json':
      case 'bytes': {
        const start = this.#skipLength(bytes);
        return writer.slice(bytes, start, reader.position);
      }
      case 'jsonb': {
        const start = this.#skipLength(bytes);
        return writer.jsonb(bytes, start, reader.position);
      }
      case 'uuid': {
        const start = this.#skipLength(bytes);
        if (!writer.uuid(bytes, start, reader.position)) throw this.#refuse('RECORD_REJECTED', index, 'is no uuid');
        return;
      }
      case 'decimal':
      case 'uint64': {
        const start = this.#skipLength(bytes);
        return writer.decimal(bytes, start, reader.position, type.kind === 'decimal' ? type.scale : 0);
      }
      case 'timestamp':
      case 'timestampTz':
        return this.#timestamp(type.unit === 'millis', index);
      case 'boolean':
        return writer.boolean(reader.value(type) === true);
      case 'int16':
        return writer.int16(reader.int());
      case 'float32':
        return writer.float32(reader.float());
      case 'float64':
        return writer.float64(reader.double());
      case 'date':
        return this.#date(index);
      case 'time':
        return writer.int64(type.unit === 'millis' ? reader.int() * 1000 : reader.long());
      case 'array':
        return this.#array(type, bytes, index);
    }
  }

  /** Moves past text or bytes; gives where they begin, after their length. */
  #skipLength(bytes: Buffer): number {
    const reader = this.#reader;
    const length = reader.int();
    const start = reader.position;
    if (length < 0 || start + length > bytes.length) throw new RangeError('the row ends too early');
    reader.position = start + length;
    return start;
  }

  #date(index: number): void {
    const days = this.#reader.int();
    if (days === DATE_INFINITY || days === DATE_MINUS_INFINITY) return this.writer.int32(days);
    if (days - EPOCH_DAYS <= DATE_MINUS_INFINITY) throw this.#refuse('VALUE_OUT_OF_RANGE', index, 'is a date before those of PostgreSQL');
    this.writer.int32(days - EPOCH_DAYS);
  }

  #timestamp(isMillis: boolean, index: number): void {
    const value = this.#reader.long();
    if (value === TIMESTAMP_INFINITY || value === TIMESTAMP_MINUS_INFINITY) return this.writer.int64(value);
    if (typeof value === 'number') {
      const micros = (isMillis ? value * 1000 : value) - EPOCH_MICROS;
      if (Number.isSafeInteger(micros)) return this.writer.int64(micros);
    }
    const micros = BigInt(value) * (isMillis ? 1000n : 1n) - BigInt(EPOCH_MICROS);
    if (micros <= TIMESTAMP_MINUS_INFINITY || micros >= TIMESTAMP_INFINITY) {
      throw this.#refuse('VALUE_OUT_OF_RANGE', index, 'is a timestamp beyond those of PostgreSQL');
    }
    this.writer.int64(micros);
  }

  #array(type: Extract<DataType, { kind: 'array' }>, bytes: Buffer, index: number): void {
    const reader = this.#reader;
    const element = elementOf(type);
    const field = this.#openArray(stagingTypeOf(element).oid);
    let total = 0;
    let hasNull = false;
    for (let count = reader.int(); count !== 0; count = reader.int()) {
      if (count < 0) {
        reader.long();
        count = -count;
      }
      total += count;
      for (; count > 0; count--) {
        if (reader.isPresent()) {
          this.#value(element, bytes, index);
        } else {
          this.writer.null();
          hasNull = true;
        }
      }
    }
    this.#closeArray(field, total, hasNull);
  }

  /** Header of an array of one dimension (array_recv): dimensions, has nulls, element type, length, lower bound. */
  #openArray(elementOid: number): number {
    const field = this.writer.openLength();
    this.writer.bits32(1);
    this.writer.bits32(0);
    this.writer.bits32(elementOid);
    this.writer.bits32(0);
    this.writer.bits32(1);
    return field;
  }

  #closeArray(field: number, count: number, hasNull: boolean): void {
    this.writer.patch32(field + 4, hasNull ? 1 : 0);
    this.writer.patch32(field + 12, count);
    this.writer.closeLength(field);
  }

  #refuse(code: 'RECORD_REJECTED' | 'VALUE_OUT_OF_RANGE', index: number, what: string): CdcError {
    const { name } = this.#table.column(index);
    return new CdcError(code, `A value of column ${name} of ${this.#table.qualifiedName} ${what}.`, {
      context: { table: this.#table.qualifiedName, column: name },
    });
  }
}
