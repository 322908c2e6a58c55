import type { KeyTexts } from '../../shared/connector/source.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { SignalRequest } from '../../topics/signals.ts';
import type { CanonicalRow, Difference } from './compare-rows.ts';
import { isSortable } from './key-order.ts';
import { buildRangeCondition, keyText, type KeyRange } from './range-condition.ts';

/** The condition stands in the source's position as long as it is remembered: neither of many ranges nor long. */
const MOST_RANGES = 40;
const LONGEST_CONDITION = 8000;
/** Of one request, and of one repair. */
const KEYS_A_REQUEST = 500;
const MOST_KEYS = 10_000;

interface FoundRange extends KeyRange {
  /** How many rows of the source stand before its ends. */
  readonly from: number;
  readonly to: number;
}

/**
 * Gathers what differs in a table, and says what its source has to be asked for: ranges of keys to be read again, and
 * keys that the target alone has, to be told as deleted. Bounded: ranges that lie near each other are joined where there
 * are many, so that rows between them are read again too, which changes nothing.
 */
export class TableRepair {
  readonly table: TableSchema;
  #ranges: FoundRange[] = [];
  #gap = 1;
  readonly #keys: KeyTexts[] = [];

  constructor(table: TableSchema) {
    this.table = table;
  }

  add(kind: Difference['kind'], row: CanonicalRow, place: number): void {
    const cells = this.table.key.map((column) => row[column] ?? null);
    if (kind === 'extra') this.#addKey(cells);
    else this.#addRow(cells, place);
  }

  /** In this order: what is to go first makes room for what comes, where something else of a row is unique too. */
  requests(): readonly SignalRequest[] {
    const ask = { type: 'snapshot', tables: [this.table.qualifiedName], where: null } as const;
    const deletes = Array.from({ length: Math.ceil(this.#keys.length / KEYS_A_REQUEST) }, (_, index) => ({
      ...ask,
      keys: this.#keys.slice(index * KEYS_A_REQUEST, (index + 1) * KEYS_A_REQUEST),
    }));
    return this.#ranges.length === 0 ? deletes : [...deletes, { ...ask, where: this.table.keyColumns.every(isSortable) ? this.#condition() : null }];
  }

  /** The whole table, where the target's has not all of its columns. */
  static whole(table: string): SignalRequest {
    return { type: 'snapshot', tables: [table], where: null };
  }

  #addKey(cells: readonly (string | null)[]): void {
    if (this.#keys.length === MOST_KEYS) return;
    const texts = this.table.keyColumns.map((column, index) => [column.name, keyText(column, cells[index] ?? '')] as const);
    if (texts.every((entry): entry is readonly [string, string] => entry[1] !== undefined)) this.#keys.push(Object.fromEntries(texts));
  }

  #addRow(cells: readonly (string | null)[], place: number): void {
    this.#ranges.push({ first: cells, last: cells, from: place, to: place });
    const [before, added] = this.#ranges.slice(-2);
    if (before !== undefined && added !== undefined && added.from - before.to <= this.#gap) this.#ranges.splice(-2, 2, joined(before, added));
    while (this.#ranges.length > MOST_RANGES) this.#join();
  }

  #join(): void {
    this.#gap *= 2;
    const ranges: FoundRange[] = [];
    for (const range of this.#ranges) {
      const before = ranges.at(-1);
      if (before !== undefined && range.from - before.to <= this.#gap) ranges.splice(-1, 1, joined(before, range));
      else ranges.push(range);
    }
    this.#ranges = ranges;
  }

  #condition(): string {
    let condition = buildRangeCondition(this.table.keyColumns, this.#ranges);
    while (condition.length > LONGEST_CONDITION && this.#ranges.length > 1) {
      this.#join();
      condition = buildRangeCondition(this.table.keyColumns, this.#ranges);
    }
    return condition;
  }
}

function joined(a: FoundRange, b: FoundRange): FoundRange {
  return { first: a.first, last: b.last, from: a.from, to: b.to };
}
