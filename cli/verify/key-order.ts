import type { DataType } from '../../shared/record/data-type.ts';
import type { ColumnDef } from '../../shared/record/table-schema.ts';
import type { Cell } from './canonical.ts';

/**
 * How a column is sorted, in every database and here alike: by value as an integer or a float, else by the bytes of its
 * canonical text.
 */
export type SortKind = 'integer' | 'float' | 'text';

export type CompareRows = (a: readonly Cell[], b: readonly Cell[]) => number;

export function sortKindOf(type: DataType): SortKind {
  switch (type.kind) {
    case 'int16':
    case 'int32':
    case 'int64':
    case 'date':
    case 'timestamp':
    case 'timestampTz':
      return 'integer';
    case 'float32':
    case 'float64':
      return 'float';
    default:
      return 'text';
  }
}

/** Arrays are not: each database has its own order of them. */
export function isSortable({ dataType: { kind }, nativeType }: Pick<ColumnDef, 'dataType' | 'nativeType'>): boolean {
  return kind !== 'array' && !(kind === 'json' && nativeType.endsWith('[]'));
}

/**
 * Rows that a database has sorted by some columns, in the order of `compare`, which also tells apart what these columns
 * do not. Holds as many rows in memory as are alike in those columns.
 */
export async function* sortTies(rows: AsyncIterable<readonly Cell[]>, bySorted: CompareRows, compare: CompareRows): AsyncGenerator<readonly Cell[]> {
  let alike: (readonly Cell[])[] = [];
  for await (const row of rows) {
    const [first] = alike;
    if (first !== undefined && bySorted(first, row) !== 0) {
      yield* alike.toSorted(compare);
      alike = [];
    }
    alike.push(row);
  }
  yield* alike.toSorted(compare);
}

const COMPARE: Readonly<Record<SortKind, (a: string, b: string) => number>> = { integer: compareIntegers, float: compareFloats, text: compareUtf8 };

/** Compares the cells at these places one after the other; null comes last. */
export function rowComparer(columns: readonly { readonly place: number; readonly kind: SortKind }[]): CompareRows {
  return (a, b) => {
    for (const { place, kind } of columns) {
      const order = compareCells(a[place] ?? null, b[place] ?? null, kind);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compareCells(a: Cell, b: Cell, kind: SortKind): number {
  if (a === b) return 0;
  if (a === null) return 1;
  return b === null ? -1 : COMPARE[kind](a, b);
}

/** Whole numbers of any size as text, and the infinities. */
export function compareIntegers(a: string, b: string): number {
  const [x, y] = [toBound(a), toBound(b)];
  return x < y ? -1 : Number(x > y);
}

function toBound(text: string): number | bigint {
  if (text.length < 16) {
    const value = Number(text);
    if (!Number.isNaN(value)) return value;
  }
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  return text === '-infinity' ? Number.NEGATIVE_INFINITY : BigInt(text);
}

/** NaN is greater than every number, as in PostgreSQL. */
function compareFloats(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x)) return 1;
  if (Number.isNaN(y)) return -1;
  return x - y;
}

/** As the databases compare bytes. Code units sort otherwise only where a surrogate meets a character above them. */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x !== y) return rankOf(x) - rankOf(y);
  }
  return a.length - b.length;
}

/** Surrogates, which are characters beyond U+FFFF, above all other code units. */
function rankOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
