import { expect, test } from 'vitest';
import { type CanonicalRow, compareRows, type ComparisonPlan } from './compare-rows.ts';
import { rowComparer } from './key-order.ts';

const plan: ComparisonPlan = { columns: ['id', 'name'], key: [0], compare: rowComparer([{ place: 0, kind: 'integer' }]) };

async function* stream(...rows: readonly CanonicalRow[]): AsyncGenerator<CanonicalRow> {
  yield* rows;
}

test('equal rows have no difference and equal checksums', async () => {
  const rows: CanonicalRow[] = [
    ['1', 'a'],
    ['2', null],
  ];
  const { checksum, targetChecksum, ...rest } = await compareRows(plan, stream(...rows), stream(...rows));
  expect(rest).toEqual({ rows: 2, targetRows: 2, differences: 0, examples: [] });
  expect(checksum).toBe(targetChecksum);
});

test('missing, extra and different rows are named by key, and the columns that differ', async () => {
  const found = await compareRows(plan, stream(['1', 'a'], ['2', 'b'], ['4', 'd']), stream(['2', 'B'], ['3', 'c'], ['4', 'd'], ['5', 'e']));
  expect(found.differences).toBe(4);
  expect(found.examples).toEqual([
    { kind: 'missing', key: 'id=1', columns: [] },
    { kind: 'different', key: 'id=2', columns: ['name'] },
    { kind: 'extra', key: 'id=3', columns: [] },
    { kind: 'extra', key: 'id=5', columns: [] },
  ]);
  expect(found.checksum).not.toBe(found.targetChecksum);
});

test('null differs from empty text', async () => {
  const found = await compareRows(plan, stream(['1', null]), stream(['1', '']));
  expect(found.examples).toEqual([{ kind: 'different', key: 'id=1', columns: ['name'] }]);
});

test('only the first differences are named, and all are counted', async () => {
  const rows = Array.from({ length: 25 }, (_, id): CanonicalRow => [String(id), 'x']);
  const found = await compareRows(plan, stream(...rows), stream());
  expect(found.differences).toBe(25);
  expect(found.examples).toHaveLength(10);
});

test('rows of a table without a key are counted as often as they are there', async () => {
  const all: ComparisonPlan = {
    ...plan,
    key: [0, 1],
    compare: rowComparer([
      { place: 0, kind: 'integer' },
      { place: 1, kind: 'text' },
    ]),
  };
  const found = await compareRows(all, stream(['1', 'a'], ['1', 'a']), stream(['1', 'a']));
  expect(found.examples).toEqual([{ kind: 'missing', key: 'id=1, name=a', columns: [] }]);
});

test('both streams are closed when one of them fails', async () => {
  let closed = 0;
  async function* watched(failing: boolean): AsyncGenerator<CanonicalRow> {
    try {
      yield ['1', 'a'];
      if (failing) throw new Error('gone');
      yield ['2', 'b'];
    } finally {
      closed++;
    }
  }
  await expect(compareRows(plan, watched(false), watched(true))).rejects.toThrow('gone');
  expect(closed).toBe(2);
});
