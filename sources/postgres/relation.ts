import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Row } from '../../shared/record/row.ts';
import type { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { BinaryCells } from './binary-cells.ts';
import { binaryToInput } from './binary-text.ts';
import { type RelationColumn, TextCells } from './text-cells.ts';
import type { CellCode } from './types.ts';

const NULL = 0x6e;
const UNCHANGED = 0x75;
const TEXT = 0x74;
const BINARY = 0x62;

/**
 * How the tuples of one version of one table become rows: prepared once.
 *
 * The columns of the log and of the schema are in the same order; columns that are left out are passed over.
 */
export class Relation {
  readonly table: TableSchema;
  readonly columns: readonly RelationColumn[];
  readonly textCells: TextCells;
  #binaryCells: BinaryCells | undefined;
  readonly #codes: Uint8Array;
  readonly #columns: Int32Array;
  /** Where the last tuple read ended. */
  end = 0;

  constructor(table: TableSchema, columns: readonly RelationColumn[]) {
    this.table = table;
    this.columns = columns;
    this.textCells = new TextCells(table, columns);
    this.#codes = this.textCells.codes;
    this.#columns = Int32Array.from(columns, ({ column }) => column);
  }

  /** Made for those tables alone of which something comes in binary form. */
  get binaryCells(): BinaryCells {
    return (this.#binaryCells ??= new BinaryCells(this.textCells));
  }

  get columnCount(): number {
    return this.#codes.length;
  }

  /**
   * Reads a TupleData (PostgreSQL manual, 54.9 "Logical Replication Message Formats") that starts at `start`.
   * A key of some kilobytes may be left out of a new row as unchanged: it is taken from `old`.
   * Sets `end`. Throws `PARSE_FAILED`, also where the message ends (at `limit`) too early, and `VALUE_OUT_OF_RANGE`.
   */
  readTuple(bytes: Buffer, start: number, limit: number, writer: RowWriter, old: Row | null = null): Row {
    const codes = this.#codes;
    if (start + 2 > limit || ((bytes[start] as number) << 8) + (bytes[start + 1] as number) !== codes.length)
      throw this.#broken('a tuple has another number of columns than its relation');
    let at = start + 2;
    let unchanged: number[] | null = null;
    writer.begin();
    for (let index = 0; index < codes.length; index++) {
      const kind = bytes[at++];
      const code = codes[index] as CellCode | 0;
      if (kind === TEXT || kind === BINARY) {
        const length = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
        at += 4;
        const end = at + length;
        if (length < 0 || end > limit) throw this.#broken('a value is longer than its message');
        if (kind === BINARY) this.binaryCells.write(index, bytes, at, end, writer);
        else if (code !== 0) this.textCells.write(index, code, bytes, at, end, writer);
        at = end;
      } else if (kind === NULL || kind === UNCHANGED) {
        if (code === 0) continue;
        if (this.textCells.isKey(index)) {
          this.#writeOldKey(index, kind, old, writer);
          continue;
        }
        if (kind === UNCHANGED) (unchanged ??= []).push(this.#columns[index] as number);
        writer.absent();
      } else {
        throw this.#broken('a value of an unknown kind');
      }
    }
    if (at > limit) throw this.#broken('a tuple is longer than its message');
    this.end = at;
    return writer.end(this.table, unchanged);
  }

  /** The text of the key columns of a TupleData, in key order; undefined for one that was not sent. */
  keyTexts(bytes: Buffer, start: number): (string | undefined)[] {
    const texts = this.table.key.map((): string | undefined => undefined);
    let at = start + 2;
    for (const { column, native } of this.columns) {
      const kind = bytes[at++];
      if (kind !== TEXT && kind !== BINARY) continue;
      const end = at + 4 + bytes.readUInt32BE(at);
      const place = this.table.key.indexOf(column);
      if (place >= 0) texts[place] = kind === TEXT ? bytes.utf8Slice(at + 4, end) : binaryToInput(native, bytes, at + 4, end);
      at = end;
    }
    return texts;
  }

  #writeOldKey(index: number, kind: number, old: Row | null, writer: RowWriter): void {
    if (kind !== UNCHANGED || old === null) throw this.#broken('a key column has no value');
    const column = this.#columns[index] as number;
    writer.value(this.table.column(column).dataType, old.values()[column] ?? null);
  }

  #broken(what: string): CdcError {
    return new CdcError('PARSE_FAILED', `The replication stream is broken: ${what} (${this.table.qualifiedName}).`, {
      context: { table: this.table.qualifiedName },
    });
  }
}
