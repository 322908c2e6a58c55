import type { Envelope } from './topic-audit.ts';

/** A row as it travels: values of Avro by the names of fields. */
export type TopicRow = Readonly<Record<string, unknown>>;

/** A value that nobody downstream has: it was never sent. */
const UNKNOWN = Symbol('unknown');

/**
 * What somebody has who applies a source's topics. Records are applied in the order of row_version, which is the order
 * of their publication, across partitions too; that each partition has them in this order, `TopicAuditor` checks.
 */
export class TopicReplay {
  readonly #records = new Map<string, Envelope[]>();

  add(topic: string, value: unknown): void {
    if (value === null || topic.split('.').length < 3) return;
    const envelope = value as Envelope;
    const name = `${envelope.source.schema}.${envelope.source.table}`;
    const records = this.#records.get(name) ?? [];
    if (records.length === 0) this.#records.set(name, records);
    records.push(envelope);
  }

  /** The rows of `schema.table`, told apart by key columns; without any they are told apart by all that they hold. */
  rows(table: string, key: readonly string[]): TopicRow[] {
    const target = key.length === 0 ? new RowBag() : new KeyedRows(key);
    for (const record of (this.#records.get(table) ?? []).toSorted((a, b) => a.row_version - b.row_version)) {
      if (record.op === 't') target.clear();
      else target.apply(record);
    }
    return target.rows;
  }
}

class KeyedRows {
  readonly #key: readonly string[];
  readonly #rows = new Map<string, TopicRow>();

  constructor(key: readonly string[]) {
    this.#key = key;
  }

  get rows(): TopicRow[] {
    return [...this.#rows.values()];
  }

  clear(): void {
    this.#rows.clear();
  }

  apply({ op, before, after, unchanged }: Envelope): void {
    if (op === 'd') return void this.#rows.delete(this.#keyOf(before ?? {}));
    const key = this.#keyOf(after ?? {});
    const known = this.#rows.get(key);
    const row = { ...after };
    for (const name of unchanged ?? []) row[name] = known === undefined || !(name in known) ? UNKNOWN : known[name];
    this.#rows.set(key, row);
  }

  #keyOf(row: TopicRow): string {
    return this.#key.map((name) => showValue(row[name])).join('\n');
  }
}

/** Rows without a key: equal ones may stand side by side. */
class RowBag {
  readonly #rows = new Map<string, TopicRow[]>();

  get rows(): TopicRow[] {
    return [...this.#rows.values()].flat();
  }

  clear(): void {
    this.#rows.clear();
  }

  apply({ before, after }: Envelope): void {
    if (before !== null) this.#remove(before);
    if (after === null) return;
    const text = textOf(after);
    this.#rows.set(text, [...(this.#rows.get(text) ?? []), after]);
  }

  #remove(before: TopicRow): void {
    const text = textOf(before);
    const equal = this.#rows.get(text) ?? [];
    if (equal.length === 0) throw new Error(`a change of a row that is not there: ${text}`);
    if (equal.length === 1) this.#rows.delete(text);
    else equal.pop();
  }
}

/** Columns that are null are left out, so that a row from before a column was added is equal to it with that column. */
function textOf(row: TopicRow): string {
  const known = Object.entries(row).filter(([, value]) => value !== null);
  return known
    .map(([name, value]) => `${name}=${showValue(value)}`)
    .toSorted()
    .join('\n');
}

/** A value as text that is equal exactly for equal values. */
export function showValue(value: unknown): string {
  if (value === UNKNOWN) return 'a value that was never sent';
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  if (Array.isArray(value)) return `[${value.map((item) => (item === null ? 'null' : showValue(unwrap(item)))).join(',')}]`;
  if (Object.is(value, -0)) return '-0';
  return String(value);
}

/** A value of a union of Avro comes with its type's name around it where the union needs it. */
function unwrap(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || Buffer.isBuffer(item) || Array.isArray(item)) return item;
  return Object.values(item)[0];
}
