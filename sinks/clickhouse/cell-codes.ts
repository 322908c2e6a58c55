import { type DataType, encodingOf } from '../../shared/record/data-type.ts';
import { skipCodeOf } from '../../shared/record/skip-code.ts';
import { type ColumnType, widthOf } from './types.ts';

/** What a quick cell does, in the low bits of its code. Everything that has no such way is `GENERAL`: one call of the column's own writer. */
export const GENERAL = 0;
/** The target lacks the column; the way to pass over it stands in the code's high bits. */
export const PASS_OVER = 1;
export const TEXT = 2;
export const INTEGER = 3;
export const TIMESTAMP = 4;
export const DECIMAL = 5;
export const UUID = 6;
export const FIXED = 7;
export const BOOLEAN = 8;
export const DATE = 9;
export const WAY = 0x0f;

/** A branch stands before the value: absent or present. */
export const HAS_BRANCH = 0x10;
/** A byte that says whether it is null goes before the value. */
export const IS_NULLABLE = 0x20;
/** In the bits from here on: the bytes of the value in the target, or how it is passed over. */
export const DETAIL_SHIFT = 8;

export interface CodedColumn {
  readonly type: ColumnType;
}

/** How a column's cells are moved, as one number: worked out once a column, looked at once a cell. */
export function cellCodeOf(type: DataType, isKey: boolean, column: CodedColumn | null): number {
  const branch = isKey ? 0 : HAS_BRANCH;
  if (column === null) return branch | PASS_OVER | (skipCodeOf(type) << DETAIL_SHIFT);
  const nullable = column.type.isNullable ? IS_NULLABLE : 0;
  return branch | nullable | wayOf(type, column.type) | (widthOf(column.type) << DETAIL_SHIFT);
}

/** Only where the value goes over as it is; what has to be turned into another form or unit is for the general way. */
function wayOf(type: DataType, target: ColumnType): number {
  const encoding = encodingOf(type);
  if (target.name === 'String') return encoding === 'string' || encoding === 'bytes' ? TEXT : GENERAL;
  switch (type.kind) {
    case 'boolean':
      return BOOLEAN;
    case 'int16':
    case 'int32':
    case 'int64':
      return INTEGER;
    case 'float32':
      return target.name === 'Float32' ? FIXED : GENERAL;
    case 'float64':
      return FIXED;
    case 'decimal':
      return Number(target.args[1]) === type.scale ? DECIMAL : GENERAL;
    case 'date':
      return DATE;
    case 'timestamp':
    case 'timestampTz':
      return type.unit === 'micros' ? TIMESTAMP : GENERAL;
    case 'uuid':
      return UUID;
    default:
      return GENERAL;
  }
}
