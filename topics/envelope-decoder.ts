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
  readonly #meta: DecodedMeta = { positionAt: 0, committedAt: 0, version: 0 };

  constructor(table: TableSchema, topic: string) {
    this.table = table;
    this.#topic = topic;
    this.#columnByField = new Map(fieldNames(table).map((name, index) => [name, index]));
  }

  /**
   * The Avro bytes from `start` to `end`, which others may follow. Throws `PARSE_FAILED` where they are more or less than
   * one record. Positions are read when they are asked for.
   */
  decode(bytes: Buffer, start: number, end = bytes.length): RowRecord | TruncateRecord {
    try {
      const record = this.#decode(bytes, start);
      if (this.#reader.position !== end) throw new RangeError('the record does not end where its layout ends');
      return record;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new CdcError('PARSE_FAILED', `A record of ${this.#topic} does not have the layout of its schema.`, {
        cause: error,
        context: { topic: this.#topic },
      });
    }
  }

  #decode(bytes: Buffer, start: number): RowRecord | TruncateRecord {
    const reader = this.#reader;
    reader.reset(bytes, start);
    const beforeStart = this.#rowStart();
    const beforeEnd = reader.position;
    const afterStart = this.#rowStart();
    const afterEnd = reader.position;
    for (let text = 0; text < 3; text++) reader.skipSized();
    reader.skipVarint();
    const committedAt = reader.position;
    reader.skipVarint();
    for (let text = 0; text < 4; text++) reader.skipSized();
    if (reader.isPresent()) reader.skipSized();
    const positionAt = reader.position;
    reader.skipSized();
    const op = this.#op();
    reader.skipVarint();
    this.#skipTransaction();
    const version = Number(reader.long());
    const unchanged = this.#unchanged();
    if (op === 't')
      return { kind: 'truncate', table: this.table, position: positionIn(bytes, positionAt), committedAtMicros: longIn(bytes, committedAt), version };
    const kind = KINDS[op];
    if (kind === undefined) throw new RangeError(`no op ${op}`);
    const before = beforeStart < 0 ? null : new Row(this.table, bytes, beforeStart, beforeEnd, null);
    const after = afterStart < 0 ? null : new Row(this.table, bytes, afterStart, afterEnd, unchanged);
    const meta = this.#meta;
    meta.positionAt = positionAt;
    meta.committedAt = committedAt;
    meta.version = version;
    return new DecodedRow(kind, before, after, meta);
  }

  /** Where the row begins that stands here, or -1; moves behind it. */
  #rowStart(): number {
    if (!this.#reader.isPresent()) return -1;
    const start = this.#reader.position;
    this.#reader.skipRow(this.table);
    return start;
  }

  #op(): string {
    const length = this.#reader.int();
    return length === 1 ? String.fromCharCode(this.#reader.byte()) : '';
  }

  #skipTransaction(): void {
    if (!this.#reader.isPresent()) return;
    this.#reader.skipSized();
    this.#reader.skipVarint();
    this.#reader.skipVarint();
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

/** What a record keeps beside its rows. One for all records of a decoder: each copies it. */
interface DecodedMeta {
  positionAt: number;
  committedAt: number;
  version: number;
}

/** A row record that reads its position and its time only when it is asked for them: sinks want those of a batch's last one. */
class DecodedRow implements RowRecord {
  readonly kind: RowKind;
  readonly before: Row | null;
  readonly after: Row | null;
  readonly version: number;
  readonly #positionAt: number;
  readonly #committedAt: number;

  constructor(kind: RowKind, before: Row | null, after: Row | null, { positionAt, committedAt, version }: DecodedMeta) {
    this.kind = kind;
    this.before = before;
    this.after = after;
    this.version = version;
    this.#positionAt = positionAt;
    this.#committedAt = committedAt;
  }

  get table(): TableSchema {
    return this.#image.table;
  }

  get position(): SourcePosition {
    return positionIn(this.#image.bytes, this.#positionAt);
  }

  get committedAtMicros(): number {
    return longIn(this.#image.bytes, this.#committedAt);
  }

  get #image(): Row {
    return this.after ?? (this.before as Row);
  }
}

function longIn(bytes: Buffer, at: number): number {
  return Number(new RowReader(bytes, at).long());
}

function positionIn(bytes: Buffer, at: number): SourcePosition {
  const position = parsePosition(new RowReader(bytes, at).string());
  if (position === undefined) throw new CdcError('PARSE_FAILED', 'A record has no position that can be read.');
  return position;
}
