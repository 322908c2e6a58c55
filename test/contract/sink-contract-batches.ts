import { describe, expect, test } from 'vitest';
import { Changes, tableOf } from './records.ts';
import type { ContractGround } from './sink-bench.ts';

export function describeConnection(ground: ContractGround): void {
  describe('connection', () => {
    test('a check of a healthy target finds no error', async () => {
      await using bench = await ground.open();
      const findings = await bench.sink.validateConnection();
      expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    });

    test('setting up the same table again changes nothing', async () => {
      await using bench = await ground.open();
      await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
      await bench.sink.setup([bench.changes.table]);
      await bench.restart();
      await bench.sink.setup([bench.changes.table]);
      expect(await bench.rows()).toEqual([{ id: '1', name: 'a', amount: null }]);
    });

    test('a batch for a table that was not announced is written all the same', async () => {
      await using bench = await ground.open();
      await bench.sink.writeBatch([bench.changes.insert({ id: 1 })]);
      expect(await bench.keys()).toEqual(['1']);
    });
  });
}

export function describeBatches(ground: ContractGround): void {
  describe('batches', () => {
    test('an empty batch writes nothing and says so', async () => {
      await using bench = await ground.open();
      expect(await bench.sink.writeBatch([])).toEqual({ recordsWritten: 0, bytesWritten: 0, lastPosition: null });
    });

    test('inserts, updates and deletes leave the rows that the source has', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1, name: 'a', amount: '1.00' }), changes.read({ id: 2, name: 'b' }), changes.insert({ id: 3, name: 'c' }));
      await bench.write(changes.update({ id: 1, name: 'A', amount: '2.50' }), changes.delete({ id: 3 }));
      expect(await bench.rows()).toEqual([
        { id: '1', name: 'A', amount: '2.50' },
        { id: '2', name: 'b', amount: null },
      ]);
    });

    test('the result counts the rows after merging and names the last position', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      const records = [changes.insert({ id: 1 }), changes.insert({ id: 2 }), changes.update({ id: 1, name: 'x' })];
      const result = await bench.write(...records);
      expect(result).toMatchObject({ recordsWritten: 2, lastPosition: records[2]?.position });
      expect(result.bytesWritten).toBeGreaterThan(0);
    });

    test('the meta columns say what the last change was, and its version', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      await bench.write(changes.read({ id: 1 }), changes.insert({ id: 2 }), changes.insert({ id: 3 }));
      await bench.write(changes.update({ id: 3, name: 'x' }));
      const meta = (await bench.live()).map(({ opType, isDeleted, version }) => ({ opType, isDeleted, version: version - changes.version }));
      expect(meta).toEqual([
        { opType: 'r', isDeleted: false, version: -3 },
        { opType: 'c', isDeleted: false, version: -2 },
        { opType: 'u', isDeleted: false, version: 0 },
      ]);
    });

    test('the last of several changes of a key in one batch wins', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      await bench.write(
        changes.insert({ id: 1, name: 'a' }),
        changes.delete({ id: 1 }),
        changes.insert({ id: 1, name: 'b' }),
        changes.update({ id: 1, name: 'c' }),
        changes.insert({ id: 2, name: 'x' }),
        changes.delete({ id: 2 }),
      );
      expect(await bench.rows()).toEqual([{ id: '1', name: 'c', amount: null }]);
    });

    test('a row that was deleted can be inserted again', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1, name: 'a' }));
      await bench.write(changes.delete({ id: 1 }));
      await bench.write(changes.insert({ id: 1, name: 'b' }));
      expect(await bench.rows()).toEqual([{ id: '1', name: 'b', amount: null }]);
    });

    test('a delete of a row that was never there changes nothing', async () => {
      await using bench = await ground.open();
      await bench.write(bench.changes.insert({ id: 1 }), bench.changes.delete({ id: 2 }));
      expect(await bench.keys()).toEqual(['1']);
    });

    test('a batch of many rows is written whole', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      await bench.write(...Array.from({ length: 5000 }, (_, id) => changes.insert({ id, name: `row ${id}`, amount: `${id}.25` })));
      const rows = await bench.rows();
      expect(rows.length).toBe(5000);
      expect(rows.find(({ id }) => id === '4321')).toEqual({ id: '4321', name: 'row 4321', amount: '4321.25' });
    });

    test('tables are written in parallel', async () => {
      await using bench = await ground.open();
      const tables = ['a', 'b', 'c'].map((stem) => new Changes(tableOf({ name: ground.newName(stem), columns: { id: 'int64' }, key: ['id'] })));
      await bench.sink.setup(tables.map(({ table }) => table));
      await Promise.all(tables.map(async (changes) => bench.sink.writeBatch([changes.insert({ id: 1 }), changes.insert({ id: 2 })])));
      for (const { table } of tables) expect((await ground.liveRows(table, table.name)).length).toBe(2);
    });
  });
}
