import { describe, expect, test } from 'vitest';
import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import { type ColumnSpec, tableOf } from './records.ts';
import type { Bench, ContractGround } from './sink-bench.ts';

export function describeChangesOfSchema(ground: ContractGround): void {
  describe('changes of schema', () => {
    const wider = (bench: Bench, columns: Readonly<Record<string, ColumnSpec | DataType['kind']>>) =>
      tableOf({ name: bench.changes.table.name, columns, key: ['id'] });

    test('a new column is added, null in the rows that are there', async () => {
      await using bench = await ground.open();
      await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
      await bench.alter(wider(bench, { id: 'int64', name: 'text', amount: 'decimal', city: { type: { kind: 'text' }, nullable: false } }));
      await bench.write(bench.changes.insert({ id: 2, name: 'b', city: 'Bonn' }));
      expect(await bench.rows()).toEqual([
        { id: '1', name: 'a', amount: null, city: null },
        { id: '2', name: 'b', amount: null, city: 'Bonn' },
      ]);
    });

    test('a dropped column stays, and later rows have null in it', async () => {
      await using bench = await ground.open({ columns: { id: 'int64', name: { type: { kind: 'text' }, nullable: false }, amount: 'decimal' } });
      await bench.write(bench.changes.insert({ id: 1, name: 'a', amount: '1.00' }));
      const whole = bench.changes.table;
      await bench.alter(wider(bench, { id: 'int64', amount: 'decimal' }));
      await bench.write(bench.changes.insert({ id: 2, amount: '2.00' }));
      expect(await bench.rows(whole)).toEqual([
        { id: '1', name: 'a', amount: '1.00' },
        { id: '2', name: null, amount: '2.00' },
      ]);
    });

    test('a column that may be null from now on takes nulls', async () => {
      await using bench = await ground.open({ columns: { id: 'int64', name: { type: { kind: 'text' }, nullable: false } } });
      await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
      await bench.alter(wider(bench, { id: 'int64', name: 'text' }));
      await bench.write(bench.changes.insert({ id: 2, name: null }));
      expect(await bench.rows()).toEqual([
        { id: '1', name: 'a' },
        { id: '2', name: null },
      ]);
    });

    test('a wider type is taken over, and older rows that come again fit it', async () => {
      await using bench = await ground.open({ columns: { id: 'int64', count: 'int32', amount: { type: { kind: 'decimal', precision: 8, scale: 2 } } } });
      const older = bench.changes.insert({ id: 1, count: 7, amount: '1.25' });
      await bench.write(older);
      await bench.alter(wider(bench, { id: 'int64', count: 'int64', amount: { type: { kind: 'decimal', precision: 20, scale: 4 } } }));
      await bench.write(bench.changes.insert({ id: 2, count: 9_007_199_254_740_993n, amount: '1234567890123456.1234' }));
      await bench.sink.setup([older.table]);
      await bench.write({ ...older, version: bench.changes.version + 1 });
      expect(await bench.rows()).toEqual([
        { id: '1', count: '7', amount: '1.2500' },
        { id: '2', count: '9007199254740993', amount: '1234567890123456.1234' },
      ]);
    });

    test('a type that cannot be taken over is refused', async () => {
      await using bench = await ground.open();
      await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
      expect(await bench.refusalOf(wider(bench, { id: 'int64', name: 'boolean', amount: 'decimal' }))).toBe('SCHEMA_INCOMPATIBLE');
    });

    test('ignore: a new column is left out', async () => {
      await using bench = await ground.open({}, { SCHEMA_CHANGES: 'ignore' });
      await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
      const before = bench.changes.table;
      await bench.alter(wider(bench, { id: 'int64', name: 'text', city: 'text', amount: 'decimal' }));
      await bench.write(bench.changes.insert({ id: 2, name: 'b', city: 'Bonn', amount: '5.00' }));
      expect(await bench.rows(before)).toEqual([
        { id: '1', name: 'a', amount: null },
        { id: '2', name: 'b', amount: '5.00' },
      ]);
    });

    test('stop: a new column is refused', async () => {
      await using bench = await ground.open({}, { SCHEMA_CHANGES: 'stop' });
      await bench.write(bench.changes.insert({ id: 1 }));
      expect(await bench.refusalOf(wider(bench, { id: 'int64', name: 'text', amount: 'decimal', city: 'text' }))).toBe('SCHEMA_INCOMPATIBLE');
    });

    test('another key is refused', async () => {
      await using bench = await ground.open();
      await bench.write(bench.changes.insert({ id: 1 }));
      const { name, columns } = bench.changes.table;
      const specs = Object.fromEntries(columns.map((column) => [column.name, { type: column.dataType }]));
      expect(await bench.refusalOf(tableOf({ name, columns: specs, key: ['id', 'name'] }))).toBe('SCHEMA_INCOMPATIBLE');
    });
  });
}

export function describeNames(ground: ContractGround): void {
  describe('names', () => {
    test.each(Object.values(META_COLUMNS))('a source column named %s is refused', async (column) => {
      await using bench = await ground.open({ columns: { id: 'int64', [column]: 'text' } });
      expect(await bench.refusalOf(bench.changes.table)).toBe('SCHEMA_INCOMPATIBLE');
    });

    test('are quoted: reserved words, quotes, blanks, other scripts', async () => {
      const columns = { id: 'int64', select: 'text', "o'clock": 'text', 'say "hi"': 'text', 'größe 大': 'text', 'back`tick\\': 'text' } as const;
      await using bench = await ground.open({ name: ground.newName('Order "Lines\' `of` x'), columns });
      const row = { id: 1, select: 's', "o'clock": 'o', 'say "hi"': 'h', 'größe 大': 'g', 'back`tick\\': 'b' };
      await bench.write(bench.changes.insert(row));
      await bench.write(bench.changes.update({ ...row, select: UNCHANGED, 'back`tick\\': 'B' }));
      expect(await bench.rows()).toEqual([{ ...row, id: '1', 'back`tick\\': 'B' }]);
    });

    test('of targets follow SINK_TABLE', async () => {
      await using bench = await ground.open({ schema: 'sales' }, { SINK_TABLE: '{schema}_{table}' });
      await bench.write(bench.changes.insert({ id: 1 }));
      const { table } = bench.changes;
      expect((await ground.liveRows(table, `sales_${table.name}`)).length).toBe(1);
    });
  });
}
