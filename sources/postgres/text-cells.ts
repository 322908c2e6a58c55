import { CdcError, isCdcError, isTooLong, tooLong } from '../../shared/errors/cdc-error.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import type { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { type Mask, maskCodeOf, REDACTED } from './masks.ts';
import { type ArrayText, arrayTextToJson, parseArrayText, parseFloating, temporalText, timestampOf, valueFromText } from './text-values.ts';
import { CELL, type CellCode, cellCodeOf, type NativeType } from './types.ts';

const LOWER_T = 0x74;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const UPPER_N = 0x4e;
const UPPER_I = 0x49;
/** Columns before whose values no branch is written: a key has none, and what is masked to null writes its own. */
const KEY = 1;
const NEVER = 2;

/** One column as the log sends it; `column` is its place in the table's schema, -1 for one that is left out. */
export interface RelationColumn {
  readonly name: string;
  readonly column: number;
  readonly native: NativeType;
  /** What is written in place of its values. */
  readonly mask?: Mask | undefined;
}

/** Writes values from the text that PostgreSQL prints: prepared once a version of a table, then one switch per cell and no object. */
export class TextCells {
  readonly table: TableSchema;
  readonly columns: readonly RelationColumn[];
  /** Of each column, how its cell is written; 0 where it is not. */
  readonly codes: Uint8Array;
  readonly #isKey: Uint8Array;
  readonly #scales: Int32Array;
  readonly #elements: readonly (DataType | undefined)[];

  constructor(table: TableSchema, columns: readonly RelationColumn[]) {
    this.table = table;
    this.columns = columns;
    const kept = (index: number) => table.layout[index];
    this.codes = Uint8Array.from(columns, (column) => codeOf(table, column));
    this.#isKey = Uint8Array.from(columns, ({ column, mask }) => (kept(column)?.isKey === true ? KEY : mask?.kind === 'null' ? NEVER : 0));
    this.#scales = Int32Array.from(columns, ({ column }) => kept(column)?.scale ?? 0);
    this.#elements = columns.map(({ column, native }) => elementOf(column < 0 ? undefined : table.column(column).dataType, native));
  }

  isKey(index: number): boolean {
    return this.#isKey[index] === KEY;
  }

  /** Whether it is written before a value that there is one. */
  hasBranch(index: number): boolean {
    return this.#isKey[index] === 0;
  }

  /** Writes one value from its text form. */
  write(index: number, code: CellCode, bytes: Buffer, start: number, end: number, writer: RowWriter): void {
    if (this.#isKey[index] === 0) writer.present();
    try {
      this.#writeValue(index, code, bytes, start, end, writer);
    } catch (error) {
      throw this.toBadValue(index, error);
    }
  }

  #writeValue(index: number, code: CellCode, bytes: Buffer, start: number, end: number, writer: RowWriter): void {
    switch (code) {
      case CELL.text:
        return writer.slice(bytes, start, end);
      case CELL.int:
        return writer.int(parseSmallInteger(bytes, start, end));
      case CELL.long:
        return writer.longFromDigits(bytes, start, end);
      case CELL.boolean:
        return writer.boolean(bytes[start] === LOWER_T);
      case CELL.decimal:
        this.#assertFinite(bytes, start, index);
        return writer.decimalFromDigits(bytes, start, end, this.#scales[index] as number);
      case CELL.timestamp:
        return writer.long(timestampOf(bytes, start, end));
      case CELL.double:
        return writer.double(parseFloating(bytes, start, end));
      case CELL.float:
        return writer.float(parseFloating(bytes, start, end));
      case CELL.date:
        return writer.int(temporalText.date(bytes, start, end));
      case CELL.time:
        return writer.long(temporalText.time(bytes, start, end));
      case CELL.timeMillis:
        return writer.int(Math.floor(temporalText.time(bytes, start, end) / 1000));
      case CELL.timestampMillis:
        return writer.value({ kind: 'timestamp', unit: 'millis' }, timestampOf(bytes, start, end));
      case CELL.bytes: {
        const decoded = Buffer.from(bytes.latin1Slice(start + 2, end), 'hex');
        return writer.slice(decoded, 0, decoded.length);
      }
      case CELL.array:
      case CELL.nestedArray:
        return this.writeArray(index, parseArrayText(bytes.utf8Slice(start, end), delimiterOf(this.columns[index]?.native)), writer);
      case CELL.redacted:
        return writer.string(REDACTED);
      case CELL.digest:
        return writer.string(this.#digest(index, bytes.subarray(start, end)));
      case CELL.nothing:
        return writer.absent();
    }
  }

  #digest(index: number, text: Buffer): string {
    const mask = this.columns[index]?.mask;
    if (mask === undefined) throw new CdcError('INVARIANT_BROKEN', 'A column without a mask was to be hashed.');
    return mask.digest(text);
  }

  /** Writes an array of elements in text form: one of several dimensions as JSON. */
  writeArray(index: number, items: ArrayText, writer: RowWriter): void {
    const element = this.#elements[index] ?? { kind: 'text' };
    if (this.codes[index] === CELL.nestedArray) return writer.string(arrayTextToJson(items, element));
    const values = items.map((item) => {
      if (item !== null && typeof item !== 'string') {
        throw new CdcError('VALUE_OUT_OF_RANGE', 'An array of several dimensions came in a column that was declared with one.', {
          remedy: 'Declare the dimensions (for instance int[][]), or exclude the column with EXCLUDE_COLUMNS.',
        });
      }
      return item === null ? null : valueFromText(element, item);
    });
    writer.array(element, values);
  }

  #assertFinite(bytes: Buffer, start: number, index: number): void {
    const first = bytes[start] === MINUS ? bytes[start + 1] : bytes[start];
    if (first !== UPPER_N && first !== UPPER_I) return;
    throw new CdcError(
      'VALUE_OUT_OF_RANGE',
      `A decimal with a fixed precision cannot carry NaN: column ${this.#columnName(index)} of ${this.table.qualifiedName}.`,
      {
        remedy: 'Set DECIMAL_HANDLING=string, or exclude the column with EXCLUDE_COLUMNS.',
      },
    );
  }

  #columnName(index: number): string {
    return this.table.columns[this.columns[index]?.column ?? -1]?.name ?? String(index);
  }

  /** Says of which column it is that a value cannot be carried. */
  toBadValue(index: number, error: unknown): CdcError {
    const context = { table: this.table.qualifiedName, column: this.#columnName(index) };
    if (isCdcError(error)) return new CdcError(error.code, `${error.message} (${context.table}, column ${context.column})`, { remedy: error.remedy, context });
    if (isTooLong(error)) return tooLong(`The text of a value of ${context.table}, column ${context.column},`, error, context);
    return new CdcError('PARSE_FAILED', `A value of ${context.table}, column ${context.column}, is not in the form that PostgreSQL prints.`, {
      cause: error,
      context,
    });
  }
}

function codeOf(table: TableSchema, { column, native, mask }: RelationColumn): CellCode | 0 {
  if (column < 0) return 0;
  return mask === undefined ? cellCodeOf(table.column(column).dataType, native) : maskCodeOf(mask);
}

function elementOf(type: DataType | undefined, native: NativeType): DataType | undefined {
  if (type?.kind === 'array') return type.element;
  if (!native.isArray) return undefined;
  if (native.name === 'bool') return { kind: 'boolean' };
  return native.name === 'int2' || native.name === 'int4' ? { kind: 'int32' } : undefined;
}

/** `pg_type.typdelim`, which is a comma for every type but one. */
function delimiterOf(native: NativeType | undefined): string {
  return native?.name === 'box' ? ';' : ',';
}

function parseSmallInteger(bytes: Buffer, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS;
  let value = 0;
  for (let at = isNegative ? start + 1 : start; at < end; at++) value = value * 10 + ((bytes[at] as number) - DIGIT_0);
  return isNegative ? -value : value;
}
