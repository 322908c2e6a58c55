import type { DataType } from '../../shared/record/data-type.ts';
import type { ColumnDef } from '../../shared/record/table-schema.ts';
import { DOCUMENTED_RANGE, firstMicros, lastMicros, WIDE_RANGE } from '../../sinks/clickhouse/time-range.ts';
import type { TargetLimits } from './canonical.ts';
import { sortKindOf } from './key-order.ts';

/** Builds what ClickHouse is asked: the cells of a table in canonical text, sorted as `key-order.ts` sorts. */
export interface ClickHouseQuery {
  readonly database: string;
  readonly table: string;
  readonly columns: readonly ColumnDef[];
  readonly sortedBy: readonly string[];
  /** Whether the name is a table, of which only the last version of each row counts. */
  readonly needsFinal: boolean;
  readonly deletedColumn?: string | undefined;
}

export function buildClickHouseQuery({ database, table, columns, sortedBy, needsFinal, deletedColumn }: ClickHouseQuery): string {
  const cells = columns.map(({ name, dataType }, place) => `${cellOf(quote(name), dataType)} AS cell_${place}`);
  const order = columns.filter(({ name }) => sortedBy.includes(name)).toSorted((a, b) => sortedBy.indexOf(a.name) - sortedBy.indexOf(b.name));
  const from = `${quote(database)}.${quote(table)}${needsFinal ? ' FINAL' : ''}`;
  const where = deletedColumn === undefined ? '' : ` WHERE NOT ${quote(deletedColumn)}`;
  return `SELECT ${cells.join(', ')} FROM ${from}${where}${order.length === 0 ? '' : ` ORDER BY ${order.map(buildOrder).join(', ')}`}`;
}

function cellOf(column: string, type: DataType): string {
  switch (type.kind) {
    case 'boolean':
      return `multiIf(isNull(${column}), NULL, toBool(${column}), 'true', 'false')`;
    case 'decimal':
    case 'numeric':
    case 'uint64':
      return `if(position(toString(${column}), '.') > 0, trim(TRAILING '.' FROM trim(TRAILING '0' FROM toString(${column}))), toString(${column}))`;
    case 'bytes':
      return `lower(hex(${column}))`;
    case 'date':
      return `toString(toInt32(${column}))`;
    case 'timestamp':
    case 'timestampTz':
      return `toString(toUnixTimestamp64Micro(${column}))`;
    case 'array':
      return `arrayMap(item -> ${cellOf('item', type.element)}, ${column})`;
    default:
      return `toString(${column})`;
  }
}

function buildOrder({ name, dataType }: ColumnDef): string {
  return `${sortKindOf(dataType) === 'text' ? cellOf(quote(name), dataType) : quote(name)} NULLS LAST`;
}

function quote(name: string): string {
  return `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``;
}

const RANGES = [DOCUMENTED_RANGE, WIDE_RANGE];
const LAST_DAYS = new Set(RANGES.map(({ lastDay }) => String(lastDay)));
const FIRST_DAYS = new Set(RANGES.map(({ firstDay }) => String(firstDay)));
const LAST_MICROS = new Set(RANGES.map((range) => String(lastMicros(range))));
const FIRST_MICROS = new Set(RANGES.map((range) => String(firstMicros(range))));

/** ClickHouse has no infinite dates: the sink writes the ends of what the server holds. */
export const CLICKHOUSE_LIMITS: TargetLimits = {
  hasNullArrays: false,
  infinityOf: (kind, text) => {
    const [lasts, firsts] = kind === 'date' ? [LAST_DAYS, FIRST_DAYS] : [LAST_MICROS, FIRST_MICROS];
    if (lasts.has(text)) return 'infinity';
    return firsts.has(text) ? '-infinity' : text;
  },
};
