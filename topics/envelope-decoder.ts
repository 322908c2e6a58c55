import { CdcError } from '../shared/errors/cdc-error.ts';
import { ChangePacker, KIND_CODES, NO_ROW, type UnpackedChange } from '../shared/record/packed-changes.ts';
import type { ChangeRecord } from '../shared/record/record.ts';
import { isAbsentAt, RowReader, skipRow, skipSized, skipVarint } from '../shared/record/row-reader.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { fieldNames } from './avro/table-schemas.ts';

/** By the letter that stands for it in `op`. */
const KINDS: ReadonlyMap<number, number> = new Map([
  [letter('c'), KIND_CODES.insert],
  [letter('u'), KIND_CODES.update],
  [letter('d'), KIND_CODES.delete],
  [letter('r'), KIND_CODES.read],
  [letter('t'), KIND_CODES.truncate],
]);
/** A length of one, as text has it before it. */
const ONE = 2;

/**
 * Reads the values of a table topic that were written with one schema. Rows stay bytes of the record's own memory;
 * what a sink does not ask for is skipped, not decoded.
 */
export class EnvelopeDecoder {
  readonly table: TableSchema;
  readonly #topic: string;
  readonly #reader = new RowReader(Buffer.alloc(0));
  readonly #columnByField: ReadonlyMap<string, number>;
  /** The one that was read last. */
  readonly #change: UnpackedChange = {
    kind: 0,
    beforeStart: NO_ROW,
    beforeEnd: 0,
    afterStart: NO_ROW,
    afterEnd: 0,
    positionAt: 0,
    committedAt: 0,
    version: 0,
    unchanged: null,
  };

  constructor(table: TableSchema, topic: string) {
    this.table = table;
    this.#topic = topic;
    this.#columnByField = new Map(fieldNames(table).map((name, index) => [name, index]));
  }

  /** A single record. As `decodeInto`. */
  decode(bytes: Buffer, start: number, end = bytes.length): ChangeRecord {
    const packer = new ChangePacker(1);
    this.decodeInto(packer, bytes, start, end);
    return packer.finish().at(0) as ChangeRecord;
  }

  /**
   * The Avro bytes from `start` to `end`, which others may follow. Throws `PARSE_FAILED` where they are more or less than
   * one record, and then adds nothing. Positions are read when they are asked for.
   */
  decodeInto(packer: ChangePacker, bytes: Buffer, start: number, end: number): void {
    try {
      if (this.#read(bytes, start) !== end) throw new RangeError('the record does not end where its layout ends');
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new CdcError('PARSE_FAILED', `A record of ${this.#topic} does not have the layout of its schema.`, {
        cause: error,
        context: { topic: this.#topic },
      });
    }
    packer.add(this.table, bytes, this.#change);
  }

  /** Gives where the record ends. */
  #read(bytes: Buffer, start: number): number {
    const change = this.#change;
    let at = this.#readRows(bytes, start);
    for (let text = 0; text < 3; text++) at = skipSized(bytes, at);
    change.committedAt = skipVarint(bytes, at);
    at = skipVarint(bytes, change.committedAt);
    for (let text = 0; text < 4; text++) at = skipSized(bytes, at);
    at = isAbsentAt(bytes, at) ? at + 1 : skipSized(bytes, at + 1);
    change.positionAt = at;
    at = skipSized(bytes, at);
    change.kind = kindAt(bytes, at);
    if (change.kind !== KIND_CODES.truncate && change.beforeStart === NO_ROW && change.afterStart === NO_ROW) throw new RangeError('a change without a row');
    at = skipVarint(bytes, at + 2);
    at = isAbsentAt(bytes, at) ? at + 1 : skipVarint(bytes, skipVarint(bytes, skipSized(bytes, at + 1)));
    this.#reader.reset(bytes, at);
    change.version = Number(this.#reader.long());
    change.unchanged = this.#unchanged();
    return this.#reader.position;
  }

  /** Where the old row and the new one lie; gives where they end. */
  #readRows(bytes: Buffer, start: number): number {
    const { table } = this;
    const change = this.#change;
    const hasBefore = !isAbsentAt(bytes, start);
    change.beforeStart = hasBefore ? start + 1 : NO_ROW;
    change.beforeEnd = hasBefore ? skipRow(bytes, start + 1, table) : start + 1;
    const hasAfter = !isAbsentAt(bytes, change.beforeEnd);
    const at = change.beforeEnd + 1;
    change.afterStart = hasAfter ? at : NO_ROW;
    change.afterEnd = hasAfter ? skipRow(bytes, at, table) : at;
    return change.afterEnd;
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

function kindAt(bytes: Buffer, at: number): number {
  const kind = bytes[at] === ONE ? KINDS.get(bytes[at + 1] as number) : undefined;
  if (kind === undefined) throw new RangeError('no such op');
  return kind;
}

function letter(text: string): number {
  return text.charCodeAt(0);
}
