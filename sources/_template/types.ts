import type { DataType } from '../../shared/record/data-type.ts';
import { type ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import type { Value } from '../../shared/record/value.ts';
import type { TableEntry } from './parser.ts';

/**
 * What belongs into `types.ts`: the table from the database's types to ours, and from a cell to a value. Nothing is left
 * out: a type that is not here is refused at the start, by name.
 */
const TYPES: Readonly<Record<string, DataType>> = {
  integer: { kind: 'int32' },
  text: { kind: 'text' },
};

export function toDataType(type: string): DataType | undefined {
  return Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
}

export function toValue(type: DataType, cell: string | null): Value {
  return cell === null || type.kind === 'text' ? cell : Number(cell);
}

/** The schema of a table as the log describes it, or undefined where a type is not known. */
export function toTableSchema({ name, columns, key }: Omit<TableEntry, 'kind'>): TableSchema | undefined {
  const definitions: ColumnDef[] = [];
  for (const [column, type] of columns) {
    const dataType = toDataType(type);
    if (dataType === undefined) return undefined;
    definitions.push({ name: column, dataType, nullable: column !== key, nativeType: type });
  }
  const keyIndex = definitions.findIndex((column) => column.name === key);
  return new TableSchema({ database: 'memory', schema: 'public', name, columns: definitions, key: keyIndex < 0 ? [] : [keyIndex] });
}
