import { CdcError } from '../shared/errors/cdc-error.ts';
import { parsePosition, type SourcePosition } from '../shared/record/position.ts';
import type { RowKind, RowRecord, TruncateRecord } from '../shared/record/record.ts';
import { Row } from '../shared/record/row.ts';
import { RowReader } from '../shared/record/row-reader.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { fieldNames } from './avro/table-schemas.ts';

const KINDS: Record<string, RowKind> = { c: 'insert', u: 'update', d: 'delete', r: 'read' };

/**
 * Reads the values of a table topic that were written with one schema. Rows stay bytes of the record's own memory;
 * what a sink does not ask for is skipped, not decoded.
 */
export class EnvelopeDecoder {
  readonly table: TableSchema;
  readonly #topic: string;
  readonly #reader = new RowReader(Buffer.alloc(0));
  readonly #columnByField: ReadonlyMap<string, number>;

  constructor(table: TableSchema, topic: string) {
    this.table = table;
    this.#topic = topic;
    this.#columnByField = new Map(fieldNames(table).map((name, index) => [name, index]));
  }

  /** `start` is where the Avro bytes begin. Throws `PARSE_FAILED`. */
  decode(bytes: Buffer, start: number): RowRecord | TruncateRecord {
    try {
      return this.#decode(bytes, start);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new CdcError('PARSE_FAILED', `A record of ${this.#topic} does not have the layout of its schema.`, { cause: error, context: { topic: this.#topic } });
    }
  }

  /** Only the position of a record. */
  position(bytes: Buffer, start: number): SourcePosition {
    return this.decode(bytes, start).position;
  }

  #decode(bytes: Buffer, start: number): RowRecord | TruncateRecord {
    const reader = this.#reader;
    reader.reset(bytes, start);
    const before = this.#rowRange();
    const after = this.#rowRange();
    const { committedAtMicros, position } = this.#source();
    const op = reader.string();
    reader.long();
    this.#skipTransaction();
    const version = Number(reader.long());
    const unchanged = this.#unchanged();
    if (op === 't') return { kind: 'truncate', table: this.table, position, committedAtMicros, version };
    const kind = KINDS[op];
    if (kind === undefined) throw new RangeError(`no op ${op}`);
    return {
      kind,
      table: this.table,
      before: before === null ? null : new Row(this.table, bytes, before.start, before.end, null),
      after: after === null ? null : new Row(this.table, bytes, after.start, after.end, unchanged),
      position,
      committedAtMicros,
      version,
    };
  }

  #rowRange(): { readonly start: number; readonly end: number } | null {
    if (!this.#reader.isPresent()) return null;
    const start = this.#reader.position;
    this.#reader.skipRow(this.table);
    return { start, end: this.#reader.position };
  }

  #source(): { readonly committedAtMicros: number; readonly position: SourcePosition } {
    const reader = this.#reader;
    for (let text = 0; text < 3; text++) reader.bytes();
    reader.long();
    const committedAtMicros = Number(reader.long());
    for (let text = 0; text < 4; text++) reader.bytes();
    if (reader.isPresent()) reader.bytes();
    const position = parsePosition(reader.string());
    if (position === undefined) throw new RangeError('no position');
    return { committedAtMicros, position };
  }

  #skipTransaction(): void {
    if (!this.#reader.isPresent()) return;
    this.#reader.bytes();
    this.#reader.long();
    this.#reader.long();
  }

  #unchanged(): readonly number[] | null {
    if (!this.#reader.isPresent()) return null;
    const columns: number[] = [];
    for (let count = this.#reader.int(); count !== 0; count = this.#reader.int()) {
      if (count < 0) throw new RangeError('a sized block');
      for (; count > 0; count--) {
        const index = this.#columnByField.get(this.#reader.string());
        if (index !== undefined) columns.push(index);
      }
    }
    return columns;
  }
}
