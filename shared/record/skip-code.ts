import { type DataType, encodingOf } from './data-type.ts';

export const SKIP_VARINT = 0;
export const SKIP_SIZED = 1;
/** Plus the number of bytes. */
export const SKIP_FIXED = 8;
/** Plus the code of the elements. */
export const SKIP_ARRAY = 32;

/** How values of a type are passed over, as a small number for hot loops. */
export function skipCodeOf(type: DataType): number {
  switch (encodingOf(type)) {
    case 'int':
    case 'long':
      return SKIP_VARINT;
    case 'decimal':
    case 'string':
    case 'bytes':
      return SKIP_SIZED;
    case 'boolean':
      return SKIP_FIXED + 1;
    case 'float':
      return SKIP_FIXED + 4;
    case 'double':
      return SKIP_FIXED + 8;
    case 'array':
      return SKIP_ARRAY + skipCodeOf((type as Extract<DataType, { kind: 'array' }>).element);
  }
}
