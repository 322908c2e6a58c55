import { expect, test } from 'vitest';
import { UNCHANGED } from '../../shared/record/value.ts';
import { Changes, tableOf } from '../../test/contract/records.ts';
import { stageBatch, type StagedBatch } from './staging.ts';

const newChanges = () => new Changes(tableOf({ name: 'orders', columns: { id: 'int64', name: 'text', body: 'text' }, key: ['id'] }), 0);
const newKeyless = () => new Changes(tableOf({ name: 'lines', columns: { id: 'int64', name: 'text', body: 'text' } }), 0);

function shown({ rows }: StagedBatch) {
  return rows.map(({ op, version, row, unchanged }) => ({ op, version, values: row.values().map((value) => (value === UNCHANGED ? '?' : value)), unchanged }));
}

test('the last state of each row is staged', () => {
  const changes = newChanges();
  const batch = [changes.insert({ id: 1, name: 'a' }), changes.read({ id: 2, name: 'b' }), changes.update({ id: 1, name: 'c' }), changes.delete({ id: 2 })];
  const staged = stageBatch(batch, 'hard');
  expect(shown(staged)).toEqual([
    { op: 'u', version: 3, values: [1, 'c', null], unchanged: null },
    { op: 'd', version: 4, values: [2, null, null], unchanged: null },
  ]);
  expect(staged).toMatchObject({ removals: 1, newestRemoval: 4, changes: 2, hasUnchanged: false, truncatedBelow: 0, allNewFrom: 0 });
});

test('an unchanged value is filled where the batch has it, and marked where not', () => {
  const changes = newChanges();
  const batch = [
    changes.insert({ id: 1, name: 'a', body: 'large' }),
    changes.update({ id: 1, name: 'b', body: UNCHANGED }),
    changes.update({ id: 2, name: 'c', body: UNCHANGED }),
  ];
  const staged = stageBatch(batch, 'hard');
  expect(shown(staged)).toEqual([
    { op: 'u', version: 2, values: [1, 'b', 'large'], unchanged: null },
    { op: 'u', version: 3, values: [2, 'c', '?'], unchanged: [2] },
  ]);
  expect(staged.hasUnchanged).toBe(true);
});

test('inserts and reads alone are most likely new, from their lowest version on', () => {
  const changes = newChanges();
  const rows = [changes.insert({ id: 1 }), changes.read({ id: 2 })];
  expect(stageBatch(rows, 'hard').allNewFrom).toBe(1);
  expect(stageBatch([...rows, changes.update({ id: 3 })], 'hard').allNewFrom).toBe(0);
  expect(stageBatch([changes.truncate(), changes.insert({ id: 4 })], 'hard')).toMatchObject({ allNewFrom: 0, truncatedBelow: 4 });
});

test('a soft delete keeps what the batch or the target knows of the row', () => {
  const changes = newChanges();
  const batch = [
    changes.update({ id: 1, name: 'b', body: UNCHANGED }),
    changes.delete({ id: 1 }),
    changes.delete({ id: 2 }),
    changes.delete({ id: 3, name: 'whole', body: 'row' }),
  ];
  const staged = stageBatch(batch, 'soft');
  expect(shown(staged)).toEqual([
    { op: 'd', version: 2, values: [1, 'b', '?'], unchanged: [2] },
    { op: 'd', version: 3, values: [2, null, null], unchanged: [1, 2] },
    { op: 'd', version: 4, values: [3, 'whole', 'row'], unchanged: null },
  ]);
  expect(staged).toMatchObject({ removals: 0, newestRemoval: 0 });
});

test('without a key each change stands for itself; an update removes its old row and has its unchanged values', () => {
  const changes = newKeyless();
  const old = { id: 1, name: 'a', body: 'large' };
  const staged = stageBatch(
    [changes.insert(old), changes.insert(old), changes.update({ id: 1, name: 'b', body: UNCHANGED }, old), changes.delete(old)],
    'hard',
  );
  expect(shown(staged)).toEqual([
    { op: 'c', version: 1, values: [1, 'a', 'large'], unchanged: null },
    { op: 'c', version: 2, values: [1, 'a', 'large'], unchanged: null },
    { op: 'x', version: 3, values: [1, 'a', 'large'], unchanged: null },
    { op: 'u', version: 3, values: [1, 'b', 'large'], unchanged: null },
    { op: 'd', version: 4, values: [1, 'a', 'large'], unchanged: null },
  ]);
  expect(staged).toMatchObject({ removals: 2, newestRemoval: 4, changes: 4 });
});

test('a batch of a truncate alone has no rows', () => {
  const changes = newChanges();
  expect(stageBatch([changes.insert({ id: 1 }), changes.truncate()], 'hard')).toMatchObject({ rows: [], truncatedBelow: 2, allNewFrom: 0 });
});
