import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { RowPages } from '../../shared/record/row-pages.ts';
import type { RowWriter } from '../../shared/record/row-writer.ts';
import type { BinaryCells } from './binary-cells.ts';
import { int16At, int32At } from './binary-values.ts';
import type { Relation } from './relation.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** The signature, flags, and the length of an extension. */
const HEADER_BYTES = SIGNATURE.length + 8;
const END = -1;

/** Turns rows in the binary format of `COPY … TO STDOUT` into ours (PostgreSQL manual, COPY, "Binary Format"). */
export class CopyBinaryReader {
  readonly #relation: Relation;
  readonly #writer: RowWriter;
  readonly #cells: BinaryCells;
  /** Columns of the output. */
  readonly #count: number;
  /** Of them, the one that says where the row lies in its file; -1 where none does. */
  readonly #place: number;
  #hasBegun = false;
  #placeBytes: Buffer = SIGNATURE;
  #placeAt = 0;

  constructor(relation: Relation, writer: RowWriter) {
    this.#relation = relation;
    this.#writer = writer;
    this.#cells = relation.binaryCells;
    this.#count = relation.columns.length;
    this.#place = relation.columns.findLastIndex(({ column, native }) => column < 0 && native.name === 'tid');
  }

  /** Reads what the server sent as one message, and adds the row in it. */
  read(bytes: Buffer, start: number, end: number, rows: RowPages): void {
    let at = this.#hasBegun ? start : this.#begin(bytes, start, end);
    if (at === end) return;
    const count = at + 2 > end ? 0 : int16At(bytes, at);
    if (count === END) return;
    if (count !== this.#count) throw this.#broken();
    at += 2;
    this.#writer.begin();
    for (let index = 0; index < count; index++) {
      if (at + 4 > end) throw this.#broken();
      const length = int32At(bytes, at);
      at += 4;
      if (length < 0) {
        this.#cells.writeNull(index, this.#writer);
        continue;
      }
      if (length > end - at) throw this.#broken();
      if (index === this.#place) this.#keepPlace(bytes, at);
      else this.#cells.write(index, bytes, at, at + length, this.#writer);
      at += length;
    }
    this.#writer.endIn(rows);
  }

  /** Text of the place of the last row, where the output has it. */
  lastTexts(): string[] {
    const [block, row] = [this.#placeBytes.readUInt32BE(this.#placeAt), this.#placeBytes.readUInt16BE(this.#placeAt + 4)];
    return [`(${block},${row})`];
  }

  #begin(bytes: Buffer, start: number, end: number): number {
    this.#hasBegun = true;
    if (end - start < HEADER_BYTES || !bytes.subarray(start, start + SIGNATURE.length).equals(SIGNATURE)) throw this.#broken();
    return start + HEADER_BYTES + bytes.readUInt32BE(start + HEADER_BYTES - 4);
  }

  #keepPlace(bytes: Buffer, at: number): void {
    this.#placeBytes = bytes;
    this.#placeAt = at;
  }

  #broken(): CdcError {
    const { qualifiedName } = this.#relation.table;
    return new CdcError('PARSE_FAILED', `A row of ${qualifiedName} is not in the binary form of COPY.`, { context: { table: qualifiedName } });
  }
}
