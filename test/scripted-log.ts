import fc from 'fast-check';
import type { CdcRecord } from '../shared/record/record.ts';
import { RowWriter } from '../shared/record/row-writer.ts';
import { TableSchema } from '../shared/record/table-schema.ts';

/** One step of a source transaction, in few words. */
export type Step =
  | { readonly kind: 'insert' | 'delete' | 'truncate'; readonly table: number; readonly id: number }
  | { readonly kind: 'update'; readonly table: number; readonly id: number; readonly newId: number };

const COLUMNS = [
  { name: 'id', dataType: { kind: 'int32' }, nullable: false, nativeType: 'integer' },
  { name: 'note', dataType: { kind: 'text' }, nullable: true, nativeType: 'text' },
] as const;

/** Two tables with a key, and one without. */
export const TABLES: readonly TableSchema[] = ['orders', 'lines', 'events'].map(
  (name) => new TableSchema({ database: 'shop', schema: 'public', name, columns: COLUMNS, key: name === 'events' ? [] : [0] }),
);

export function randomTransactions(): fc.Arbitrary<readonly (readonly Step[])[]> {
  const table = fc.integer({ min: 0, max: 2 });
  const id = fc.integer({ min: 1, max: 9 });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('insert' as const, 'delete' as const), table, id }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('update' as const), table, id, newId: id }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), table, id }) },
  );
  return fc.array(fc.array(step, { maxLength: 6 }), { minLength: 1, maxLength: 6 });
}

/** A source's log, as it comes again after each restart: transactions with begin, changes, commit. */
export function scriptedLog(transactions: readonly (readonly Step[])[]): readonly CdcRecord[] {
  const writer = new RowWriter();
  let serial = 0;
  const row = (table: TableSchema, id: number) => writer.row(table, [id, `${id} at ${serial++}`]);
  return transactions.flatMap((steps, number) => {
    const transaction = String(number + 1).padStart(8, '0');
    const committedAtMicros = 1_700_000_000_000_000 + number * 1_000_000;
    const xid = String(700 + number);
    const records = steps.map((step, index): CdcRecord => {
      const table = TABLES[step.table] as TableSchema;
      const common = { table, committedAtMicros, version: 0, position: { transaction, ordinal: index + 1 } };
      switch (step.kind) {
        case 'insert':
          return { ...common, kind: 'insert', before: null, after: row(table, step.id) };
        case 'update':
          return { ...common, kind: 'update', before: row(table, step.id), after: row(table, step.newId) };
        case 'delete':
          return { ...common, kind: 'delete', before: row(table, step.id), after: null };
        case 'truncate':
          return { ...common, kind: 'truncate' };
      }
    });
    const begin: CdcRecord = { kind: 'begin', xid, committedAtMicros, position: { transaction, ordinal: 0 } };
    const commit: CdcRecord = { kind: 'commit', xid, committedAtMicros, position: { transaction, ordinal: steps.length + 1 } };
    return [begin, ...records, commit];
  });
}

/** What a source sends after a restart from a position: from the begin of the first transaction that is not wholly before it. */
export function logFrom(log: readonly CdcRecord[], position: { readonly transaction: string; readonly ordinal: number } | null): readonly CdcRecord[] {
  if (position === null) return log;
  const isOpen = (record: CdcRecord) =>
    record.kind === 'commit' &&
    (record.position.transaction > position.transaction ||
      (record.position.transaction === position.transaction && record.position.ordinal > position.ordinal));
  const first = log.find(isOpen);
  return first === undefined ? [] : log.filter((record) => record.position.transaction >= first.position.transaction);
}

/** Transactions of many kinds and sizes: the same ones for the same seed, in every process. */
export function seededTransactions(seed: number, count: number): readonly (readonly Step[])[] {
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % limit;
  };
  const step = (): Step => {
    const [kind, table, id] = [below(12), below(TABLES.length), below(200)];
    if (kind < 5) return { kind: 'insert', table, id };
    if (kind < 9) return { kind: 'update', table, id, newId: below(4) === 0 ? below(200) : id };
    return kind < 11 || below(8) > 0 ? { kind: 'delete', table, id } : { kind: 'truncate', table, id };
  };
  return Array.from({ length: count }, () => Array.from({ length: below(10) === 0 ? below(300) : below(12) }, step));
}
