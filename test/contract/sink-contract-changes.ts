import { describe, expect, test } from 'vitest';
import { UNCHANGED } from '../../shared/record/value.ts';
import { type Values } from './records.ts';
import type { Bench, ContractGround } from './sink-bench.ts';

export function describeUnchangedValues(ground: ContractGround): void {
  describe('unchanged values', () => {
    const columns = { id: 'int64', name: 'text', body: 'text', tags: { type: { kind: 'array', element: { kind: 'text' } } } } as const;
    const large = 'x'.repeat(10_000);

    test('are taken from the target', async () => {
      await using bench = await ground.open({ columns });
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1, name: 'a', body: large, tags: ['p', null] }), changes.insert({ id: 2, name: 'b', body: null, tags: [] }));
      await bench.write(
        changes.update({ id: 1, name: 'A', body: UNCHANGED, tags: UNCHANGED }),
        changes.update({ id: 2, name: 'B', body: UNCHANGED, tags: ['q'] }),
      );
      expect(await bench.rows()).toEqual([
        { id: '1', name: 'A', body: large, tags: '["p",null]' },
        { id: '2', name: 'B', body: null, tags: '["q"]' },
      ]);
    });

    test('are taken from the batch where it has them', async () => {
      await using bench = await ground.open({ columns });
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1, name: 'a', body: 'old', tags: [] }));
      await bench.write(
        changes.update({ id: 1, name: 'b', body: 'new', tags: UNCHANGED }),
        changes.update({ id: 1, name: 'c', body: UNCHANGED, tags: UNCHANGED }),
      );
      expect(await bench.rows()).toEqual([{ id: '1', name: 'c', body: 'new', tags: '[]' }]);
    });

    test('of an older change that comes again do not disturb a newer one', async () => {
      await using bench = await ground.open({ columns });
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1, name: 'a', body: 'old', tags: [] }));
      const update = changes.update({ id: 1, name: 'b', body: UNCHANGED, tags: UNCHANGED });
      await bench.write(update);
      await bench.write(changes.update({ id: 1, name: 'c', body: 'new', tags: [] }));
      await bench.write(update);
      expect(await bench.rows()).toEqual([{ id: '1', name: 'c', body: 'new', tags: '[]' }]);
    });

    test('of a row that the target does not have do not stop the batch', async () => {
      await using bench = await ground.open({ columns });
      await bench.write(bench.changes.update({ id: 1, name: 'a', body: UNCHANGED, tags: [] }));
      expect(await bench.rows()).toEqual([{ id: '1', name: 'a', body: null, tags: '[]' }]);
    });

    test('are found by a key of several columns of different types', async () => {
      const spec = { columns: { body: 'text', tenant: 'uuid', code: 'text', day: 'date' }, key: ['code', 'tenant', 'day'] } as const;
      await using bench = await ground.open(spec);
      const key = { tenant: '6f1c2a3e-0000-4000-8000-00000000beef', code: 'it\'s \\ "quoted"\n', day: 19_000 };
      await bench.write(bench.changes.insert({ ...key, body: large }), bench.changes.insert({ ...key, day: 19_001, body: 'other' }));
      await bench.write(bench.changes.update({ ...key, body: UNCHANGED }));
      expect((await bench.rows()).map(({ body }) => body?.length).toSorted()).toEqual([10_000, 5]);
    });
  });
}

export function describeDeletes(ground: ContractGround): void {
  describe('deletes', () => {
    test('soft: the row stays, marked, with its last values', async () => {
      await using bench = await ground.open({}, { DELETE_MODE: 'soft' });
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1, name: 'a', amount: '1.00' }), changes.insert({ id: 2, name: 'b', amount: '2.00' }));
      await bench.write(changes.delete({ id: 1 }));
      expect(await bench.rows()).toEqual([
        { id: '1', name: 'a', amount: '1.00' },
        { id: '2', name: 'b', amount: '2.00' },
      ]);
      expect((await bench.live()).map(({ isDeleted, opType }) => [isDeleted, opType])).toEqual([
        [false, 'c'],
        [true, 'd'],
      ]);
    });

    test('soft: values that changed in the same batch are the last ones', async () => {
      await using bench = await ground.open({}, { DELETE_MODE: 'soft' });
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1, name: 'a', amount: '1.00' }));
      await bench.write(
        changes.update({ id: 1, name: 'b', amount: UNCHANGED }),
        changes.delete({ id: 1 }),
        changes.insert({ id: 2, name: 'x' }),
        changes.delete({ id: 2 }),
      );
      expect((await bench.live()).map(({ isDeleted, values }) => [isDeleted, values['name'], values['amount']])).toEqual([
        [true, 'b', '1.00'],
        [true, 'x', null],
      ]);
    });

    test('soft: a row that comes again is no longer marked, and older changes do not change that', async () => {
      await using bench = await ground.open({}, { DELETE_MODE: 'soft' });
      const { changes } = bench;
      const history = [changes.insert({ id: 1, name: 'a' }), changes.delete({ id: 1 }), changes.insert({ id: 1, name: 'b' })];
      for (const record of history) await bench.write(record);
      for (const record of history) await bench.write(record);
      expect((await bench.live()).map(({ isDeleted, values }) => [isDeleted, values['name']])).toEqual([[false, 'b']]);
    });

    test('soft: older changes do not unmark a deleted row', async () => {
      await using bench = await ground.open({}, { DELETE_MODE: 'soft' });
      const insert = bench.changes.insert({ id: 1, name: 'a' });
      await bench.write(insert);
      await bench.write(bench.changes.delete({ id: 1 }));
      await bench.write(insert);
      expect((await bench.live()).map(({ isDeleted }) => isDeleted)).toEqual([true]);
    });

    test('a delete that carries the whole old row is a delete by its key', async () => {
      await using bench = await ground.open();
      await bench.write(bench.changes.insert({ id: 1, name: 'a' }), bench.changes.insert({ id: 2, name: 'a' }));
      await bench.write(bench.changes.delete({ id: 1, name: 'a', amount: '9.00' }));
      expect(await bench.keys()).toEqual(['2']);
    });
  });
}

export function describeTablesWithoutKey(ground: ContractGround): void {
  describe('tables without a key', () => {
    const spec = { columns: { name: 'text', amount: 'decimal', note: 'text' }, key: [] } as const;
    const a: Values = { name: 'a', amount: '1.00', note: null };
    const b: Values = { name: 'b', amount: null, note: 'n' };
    const names = async (bench: Bench) => (await bench.rows()).map(({ name }) => name).sort();

    test('keep equal rows, and a repeated batch adds none', async () => {
      await using bench = await ground.open(spec);
      const batch = [bench.changes.insert(a), bench.changes.insert(a), bench.changes.insert(b)];
      await bench.write(...batch);
      await bench.write(...batch);
      await bench.restart();
      await bench.write(...batch.slice(1), bench.changes.insert(b));
      expect(await names(bench)).toEqual(['a', 'a', 'b', 'b']);
    });

    test('a delete takes one of several equal rows, and its repetition none', async () => {
      await using bench = await ground.open(spec);
      const { changes } = bench;
      await bench.write(changes.insert(a), changes.insert(a), changes.insert(a), changes.insert(b));
      const remove = changes.delete(a);
      await bench.write(remove);
      await bench.write(remove);
      expect(await names(bench)).toEqual(['a', 'a', 'b']);
    });

    test('a delete finds a row of the same batch', async () => {
      await using bench = await ground.open(spec);
      const { changes } = bench;
      await bench.write(changes.insert(a), changes.insert(b), changes.delete(a), changes.delete(b), changes.insert(b));
      expect(await names(bench)).toEqual(['b']);
    });

    test('an update replaces one matching row, and its repetition none', async () => {
      await using bench = await ground.open(spec);
      const { changes } = bench;
      await bench.write(changes.insert(a), changes.insert(a), changes.insert(b));
      const batch = [changes.update({ ...a, name: 'c' }, a), changes.update({ name: 'd', amount: null, note: UNCHANGED }, b)];
      await bench.write(...batch);
      await bench.restart();
      await bench.write(...batch);
      expect(await bench.rows()).toEqual(
        expect.arrayContaining([
          { name: 'a', amount: '1.00', note: null },
          { name: 'c', amount: '1.00', note: null },
          { name: 'd', amount: null, note: 'n' },
        ]),
      );
      expect((await bench.rows()).length).toBe(3);
    });

    test('truncate empties them for good', async () => {
      await using bench = await ground.open(spec);
      const { changes } = bench;
      const rows = [changes.insert(a), changes.insert(b)];
      await bench.write(...rows);
      await bench.write(changes.truncate());
      await bench.write(...rows);
      await bench.write(changes.insert(b));
      expect(await names(bench)).toEqual(['b']);
    });
  });
}
