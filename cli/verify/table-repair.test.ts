import { expect, test } from 'vitest';
import { TableSchema } from '../../shared/record/table-schema.ts';
import { TableRepair } from './table-repair.ts';

const TABLE = new TableSchema({
  database: '',
  schema: 'public',
  name: 'things',
  columns: [
    { name: 'note', dataType: { kind: 'text' }, nullable: true, nativeType: 'text' },
    { name: 'id', dataType: { kind: 'int32' }, nullable: false, nativeType: 'integer' },
  ],
  key: [1],
});

function repairOf(...missing: readonly number[]): TableRepair {
  const repair = new TableRepair(TABLE);
  for (const place of missing) repair.add('missing', ['x', String(place)], place);
  return repair;
}

const conditionOf = (repair: TableRepair): string => repair.requests().find(({ where }) => where !== null)?.where ?? '';

test('rows that follow each other are one range, and keys of the target alone are asked for by themselves, first', () => {
  const repair = repairOf(4, 5, 6, 90);
  repair.add('extra', ['y', '7'], 6);
  expect(repair.requests()).toEqual([
    { type: 'snapshot', tables: ['public.things'], where: null, keys: [{ id: '7' }] },
    { type: 'snapshot', tables: ['public.things'], where: `"id" >= '4'::bigint AND "id" <= '6'::bigint OR "id" >= '90'::bigint AND "id" <= '90'::bigint` },
  ]);
});

test('however many differ, the condition stays short and has all of them', () => {
  const places = Array.from({ length: 5000 }, (_, index) => index * 3 + (index % 7));
  const condition = conditionOf(repairOf(...places));
  expect(condition.length).toBeLessThan(8000);
  const ranges = [...condition.matchAll(/"id" >= '(\d+)'::bigint AND "id" <= '(\d+)'::bigint/g)].map(
    ([, first, last]) => [Number(first), Number(last)] as const,
  );
  expect(ranges.length).toBeLessThanOrEqual(40);
  expect(places.filter((place) => !ranges.some(([first, last]) => first <= place && place <= last))).toEqual([]);
});

test('the keys go in several requests', () => {
  const repair = new TableRepair(TABLE);
  for (let id = 0; id < 1200; id++) repair.add('extra', [null, String(id)], 0);
  expect(repair.requests().map(({ keys }) => keys?.length)).toEqual([500, 500, 200]);
});
