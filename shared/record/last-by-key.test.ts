import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Changes, tableOf } from '../../test/contract/records.ts';
import { lastByKey } from './last-by-key.ts';
import { mergeByKey } from './merge-by-key.ts';
import { packRecords } from './pack-records.ts';
import { PackedChanges } from './packed-changes.ts';
import type { ChangeRecord } from './record.ts';
import { UNCHANGED } from './value.ts';

const TABLE = tableOf({ name: 'orders', columns: { name: 'text', id: 'int64', large: 'text' }, key: ['id', 'name'] });
const KEYLESS = tableOf({ name: 'events', columns: { id: 'int64' } });

/** Inserts, updates and deletes of a few rows. */
const steps = fc.array(
  fc.tuple(fc.constantFrom('insert' as const, 'update' as const, 'delete' as const, 'read' as const), fc.nat(3), fc.constantFrom('', 'a', 'aa')),
  {
    minLength: 1,
    maxLength: 40,
  },
);

test('it is what merging leaves, of however many deliveries', () => {
  fc.assert(
    fc.property(steps, fc.nat(40), (wanted, cut) => {
      const changes = new Changes(TABLE);
      const batch = wanted.map(([kind, id, name]) => changes[kind]({ id, name, large: kind === 'delete' ? null : 'x' }));
      const packed = PackedChanges.join([packRecords(batch.slice(0, cut)), packRecords(batch.slice(cut))]);
      const last = lastByKey(packed);
      const left = mergeByKey(batch).rows.map(({ record }) => record.version);
      expect(batch.filter((_, place) => last?.isLast[place] === 1).map(({ version }) => version)).toEqual(left.toSorted((a, b) => a - b));
      expect(last?.count).toBe(left.length);
    }),
    { numRuns: 200 },
  );
});

test.each<[string, readonly ChangeRecord[]]>([
  ['a truncate', [new Changes(TABLE).insert({ id: 1, name: 'a' }), new Changes(TABLE).truncate()]],
  ['an unchanged value', [new Changes(TABLE).update({ id: 1, name: 'a', large: UNCHANGED })]],
  ['a table without a key', [new Changes(KEYLESS).insert({ id: 1 })]],
  ['nothing', []],
])('it is more than that of %s', (_what, batch) => {
  expect(lastByKey(packRecords(batch))).toBeNull();
});
