import { type CdcRecord, isRowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';

export type RowValues = Readonly<Record<string, Value>>;

/** What somebody has who applies a source's records one after the other: a model of any target. */
export class Replay {
  readonly #tables = new Map<string, Map<string, RowValues>>();
  #keyless = 0;

  constructor(records: Iterable<CdcRecord> = []) {
    for (const record of records) this.apply(record);
  }

  /** The rows of `schema.table`, in the order of their first column. */
  rows(table: string): RowValues[] {
    const rows = [...(this.#tables.get(table)?.values() ?? [])];
    return rows.toSorted((a, b) => compare(Object.values(a)[0], Object.values(b)[0]));
  }

  apply(record: CdcRecord): void {
    if (record.kind === 'truncate') this.#table(record.table.qualifiedName).clear();
    if (!isRowRecord(record)) return;
    const rows = this.#table(record.table.qualifiedName);
    if (record.table.key.length === 0) return this.#applyKeyless(rows, record.before, record.after);
    const old = record.before === null ? undefined : rows.get(record.before.keyText());
    if (record.before !== null) rows.delete(record.before.keyText());
    if (record.after === null) return;
    const key = record.after.keyText();
    rows.set(key, merge(record.after, rows.get(key) ?? (record.before?.keyText() === key ? old : undefined)));
  }

  #applyKeyless(rows: Map<string, RowValues>, before: Row | null, after: Row | null): void {
    if (before !== null) {
      const text = show(valuesOf(before));
      const [place] = [...rows].find(([, values]) => show(values) === text) ?? [];
      if (place === undefined) throw new Error(`a change of a row that is not there: ${text}`);
      rows.delete(place);
    }
    if (after !== null) rows.set(String(++this.#keyless), valuesOf(after));
  }

  #table(name: string): Map<string, RowValues> {
    let rows = this.#tables.get(name);
    if (rows === undefined) this.#tables.set(name, (rows = new Map()));
    return rows;
  }
}

/** A row as values by column name. */
export function valuesOf(row: Row): RowValues {
  const values = row.values();
  return Object.fromEntries(row.table.columns.map(({ name }, index) => [name, values[index] ?? null]));
}

/** Values as text, for comparing and for messages. */
export function show(values: unknown): string {
  return JSON.stringify(values, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'symbol') return 'UNCHANGED';
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  });
}

/** A value that stays unknown shows as `UNCHANGED`: then somebody downstream lacks it for good. */
function merge(row: Row, old: RowValues | undefined): RowValues {
  const entries = Object.entries(valuesOf(row)).map(([name, value]): [string, Value] => [
    name,
    value === UNCHANGED && old !== undefined ? (old[name] ?? null) : value,
  ]);
  return Object.fromEntries(entries);
}

function compare(a: Value | undefined, b: Value | undefined): number {
  const [left, right] = typeof a === 'number' && typeof b === 'number' ? [a, b] : [show(a), show(b)];
  return left < right ? -1 : Number(left > right);
}
