import pg from 'pg';
import type { ColumnDef } from '../../shared/record/table-schema.ts';
import type { Cell } from './canonical.ts';
import { sortKindOf } from './key-order.ts';
import { buildSortExpression } from './postgres-cells.ts';

/** Rows of a source whose keys, as canonical cells, lie between two, both included. */
export interface KeyRange {
  readonly first: readonly Cell[];
  readonly last: readonly Cell[];
}

const DAY_MICROS = 86_400_000_000n;
/** The Julian day of 1970-01-01: days of any era can be told by it (PostgreSQL manual, 8.5.1.1). */
const JULIAN_1970 = 2_440_588n;
const INFINITE = /infinity$/;

/** The condition, in PostgreSQL's language, that the rows in these ranges meet: in the order in which `verify` compares them. */
export function buildRangeCondition(key: readonly ColumnDef[], ranges: readonly KeyRange[]): string {
  const place = rowOf(key.map((column) => buildSortExpression(pg.escapeIdentifier(column.name), column.dataType)));
  return ranges.map(({ first, last }) => `${place} >= ${placeOf(key, first)} AND ${place} <= ${placeOf(key, last, true)}`).join(' OR ');
}

/** A cell of a key as PostgreSQL reads it for its column; undefined where its canonical text is not enough for that. */
export function keyText({ dataType: type }: ColumnDef, cell: string): string | undefined {
  switch (type.kind) {
    case 'array':
    case 'json':
      return undefined;
    case 'bytes':
      return `\\x${cell}`;
    case 'date':
      return INFINITE.test(cell) ? cell : julian(BigInt(cell));
    case 'timestamp':
    case 'timestampTz':
      return INFINITE.test(cell) ? cell : `${momentText(BigInt(cell))}${type.kind === 'timestampTz' ? '+00' : ''}`;
    default:
      return cell;
  }
}

/** A time that lost its last digits on the way stands for all that began alike. */
function placeOf(key: readonly ColumnDef[], cells: readonly Cell[], isEnd = false): string {
  return rowOf(
    key.map((column, index) => {
      const { dataType: type } = column;
      const cell = cells[index] ?? '';
      if (sortKindOf(type) === 'text') return `${pg.escapeLiteral(cell)} COLLATE "C"`;
      const isCut = isEnd && 'unit' in type && type.unit === 'millis' && !INFINITE.test(cell);
      return `${pg.escapeLiteral(keyText(column, isCut ? String(BigInt(cell) + 999n) : cell) ?? cell)}::${castOf(type.kind)}`;
    }),
  );
}

function castOf(kind: string): string {
  switch (kind) {
    case 'float32':
      return 'real';
    case 'float64':
      return 'double precision';
    case 'date':
      return 'date';
    case 'timestamp':
      return 'timestamp';
    case 'timestampTz':
      return 'timestamptz';
    default:
      return 'bigint';
  }
}

function rowOf(expressions: readonly string[]): string {
  return expressions.length === 1 ? (expressions[0] ?? '') : `(${expressions.join(', ')})`;
}

function julian(days: bigint): string {
  return `J${JULIAN_1970 + days}`;
}

function momentText(micros: bigint): string {
  const rest = ((micros % DAY_MICROS) + DAY_MICROS) % DAY_MICROS;
  const two = (value: bigint) => String(value).padStart(2, '0');
  const seconds = rest / 1_000_000n;
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map(two).join(':');
  return `${julian((micros - rest) / DAY_MICROS)} ${clock}.${String(rest % 1_000_000n).padStart(6, '0')}`;
}
