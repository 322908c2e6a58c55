import pg from 'pg';
import type { DataType } from '../../shared/record/data-type.ts';
import type { ColumnDef, TableRef } from '../../shared/record/table-schema.ts';
import { sortKindOf } from './key-order.ts';

/** Builds what PostgreSQL is asked: the cells of a table in canonical text, sorted as `key-order.ts` sorts. */
export interface PostgresQuery {
  readonly table: TableRef;
  /** Without the rows of tables that inherit from it. */
  readonly isAlone?: boolean | undefined;
  readonly columns: readonly ColumnDef[];
  /** Names of the columns to sort by. */
  readonly sortedBy: readonly string[];
  /** A condition on the rows. */
  readonly where?: string | undefined;
  /** A column that marks rows to leave out. */
  readonly deletedColumn?: string | undefined;
}

export function buildPostgresQuery({ table, isAlone = false, columns, sortedBy, where: condition, deletedColumn }: PostgresQuery): string {
  const cells = columns.map((column) => buildPostgresCell(column));
  const order = columns.filter(({ name }) => sortedBy.includes(name)).toSorted((a, b) => sortedBy.indexOf(a.name) - sortedBy.indexOf(b.name));
  const name = `${isAlone ? 'ONLY ' : ''}${pg.escapeIdentifier(table.schema)}.${pg.escapeIdentifier(table.name)}`;
  const from = condition === undefined ? name : `(SELECT * FROM ${name} WHERE (${condition}\n))`;
  const where = deletedColumn === undefined ? '' : ` WHERE NOT ${columnOf(deletedColumn)}`;
  return `SELECT ${cells.join(', ')} FROM ${from} AS t${where}${order.length === 0 ? '' : ` ORDER BY ${order.map(buildOrder).join(', ')}`}`;
}

function buildPostgresCell({ name, dataType }: ColumnDef): string {
  return cellOf(columnOf(name), dataType);
}

/** With the table's name before it: a plain name in ORDER BY would be the cell, and so its text. */
function columnOf(name: string): string {
  return `t.${pg.escapeIdentifier(name)}`;
}

function cellOf(column: string, type: DataType): string {
  switch (type.kind) {
    case 'decimal':
    case 'numeric':
    case 'uint64':
      return `CASE WHEN scale(${column}) > 0 THEN rtrim(rtrim(${column}::text, '0'), '.') ELSE ${column}::text END`;
    case 'bytes':
      return `encode(${column}, 'hex')`;
    case 'date':
      return finiteOnly(column, `(${column} - date '1970-01-01')::text`);
    case 'timestamp':
      return finiteOnly(column, microsOf(column));
    case 'timestampTz':
      return finiteOnly(column, microsOf(`(${column} AT TIME ZONE 'UTC')`));
    case 'string':
      // What COPY and the log print: a cast to text would cut blanks of char(n) and add the mask of an inet.
      return `CASE WHEN ${column} IS NOT NULL THEN concat(${column}) END`;
    default:
      return `${column}::text`;
  }
}

function finiteOnly(column: string, text: string): string {
  return `CASE WHEN isfinite(${column}) THEN ${text} ELSE ${column}::text END`;
}

/** Exact on every version: `extract(epoch …)` was a float before 14. */
function microsOf(timestamp: string): string {
  const part = (name: string, micros: string): string => `extract(${name} FROM ${timestamp})::bigint * ${micros}`;
  const clock = [part('hour', '3600000000'), part('minute', '60000000'), part('microseconds', '1')];
  return `((${timestamp}::date - date '1970-01-01')::bigint * 86400000000 + ${clock.join(' + ')})::text`;
}

function buildOrder({ name, dataType }: ColumnDef): string {
  return `${buildSortExpression(columnOf(name), dataType)} NULLS LAST`;
}

/** What a column is sorted by. */
export function buildSortExpression(column: string, type: DataType): string {
  return sortKindOf(type) === 'text' ? `${cellOf(column, type)} COLLATE "C"` : column;
}
