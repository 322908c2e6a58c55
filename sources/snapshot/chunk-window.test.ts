import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import { tableOf } from '../../test/contract/records.ts';
import { ChunkWindow } from './chunk-window.ts';
import { SimulatedSnapshot, type SimulationOptions } from '../../test/contract/simulated-snapshot.ts';

const TABLE = tableOf({ name: 't', columns: { id: 'int32', v: 'int32', big: 'text' }, key: ['id'] });
const ALTERED = tableOf({ name: 't', columns: { id: 'int32', big: 'text' }, key: ['id'] });

const row = (...values: readonly Value[]): Row => new RowWriter().row(TABLE, values);
const values = (rows: readonly Row[] | undefined) => rows?.map((found) => found.values());
const sees =
  (...transactions: readonly number[]) =>
  (transaction: number) =>
    transactions.includes(transaction);
const NONE = sees();

describe('the rows of a chunk at its mark', () => {
  test('are all there where nothing was changed', () => {
    const rows = [row(1, 1, 'a'), row(2, 2, 'b')];
    expect(new ChunkWindow().select(rows, NONE)).toEqual(rows);
  });

  test('lack those that were changed by a transaction that the read did not see', () => {
    const window = new ChunkWindow();
    window.touch(7, row(1, 9, 'new'));
    window.touch(8, row(2, 9, 'new'));
    expect(values(window.select([row(1, 1, 'a'), row(2, 2, 'b'), row(3, 3, 'c')], sees(8)))).toEqual([
      [2, 2, 'b'],
      [3, 3, 'c'],
    ]);
  });

  test('count the last transaction of a key', () => {
    const window = new ChunkWindow();
    window.touch(7, row(1, 8, 'x'));
    window.touch(8, row(1, 9, 'y'));
    expect(values(window.select([row(1, 1, 'a')], sees(7)))).toEqual([]);
  });

  test('are none after a TRUNCATE that the read did not see, whatever was touched before', () => {
    const window = new ChunkWindow();
    window.touch(7, row(1, 8, 'x'));
    window.truncate(8);
    expect(window.select([row(1, 1, 'a'), row(2, 2, 'b')], sees(7))).toEqual([]);
    expect(values(window.select([row(3, 3, 'c')], sees(7, 8)))).toEqual([[3, 3, 'c']]);
  });

  test('are made whole where the stream has left a large value out', () => {
    const window = new ChunkWindow();
    window.touch(7, row(1, 8, UNCHANGED));
    window.touch(8, row(1, 9, UNCHANGED));
    window.touch(7, row(2, 8, UNCHANGED));
    window.touch(8, row(2, 9, 'given'));
    expect(values(window.select([row(1, 1, 'large'), row(2, 2, 'stale')], NONE))).toEqual([[1, 9, 'large']]);
  });

  test('leave out a row that came whole before an update without its large value', () => {
    const window = new ChunkWindow();
    window.touch(7, row(1, 8, 'new'));
    window.touch(8, row(1, 9, UNCHANGED));
    expect(values(window.select([row(1, 1, 'stale')], NONE))).toEqual([]);
  });

  test('are read again where the table was altered between an incomplete update and the read', () => {
    const window = new ChunkWindow();
    window.touch(7, new RowWriter().row(ALTERED, [1, UNCHANGED]));
    expect(window.select([row(1, 1, 'a')], NONE)).toBeUndefined();
    expect(values(window.select([row(1, 1, 'a')], sees(7)))).toEqual([[1, 1, 'a']]);
  });

  test('are read again where too many keys were touched, until the read sees all of them', () => {
    const window = new ChunkWindow({ maxKeys: 2, maxBytes: 1000 });
    for (const id of [1, 2, 3]) window.touch(id, row(id, 0, 'x'));
    expect(window.select([row(1, 1, 'a')], sees(1, 2))).toBeUndefined();
    expect(values(window.select([row(1, 1, 'a')], sees(1, 2, 3)))).toEqual([[1, 1, 'a']]);
  });

  test('are read again where too many bytes of incomplete rows were kept', () => {
    const window = new ChunkWindow({ maxKeys: 1000, maxBytes: 20 });
    for (let id = 1; id < 10; id++) window.touch(5, row(id, 0, UNCHANGED));
    expect(window.select([row(1, 1, 'a')], NONE)).toBeUndefined();
  });

  test('forget what every later read sees as well', () => {
    const window = new ChunkWindow({ maxKeys: 2, maxBytes: 1000 });
    for (let id = 1; id < 100; id++) {
      window.touch(id, row(id, 0, UNCHANGED));
      window.forget(sees(id));
    }
    expect(values(window.select([row(1, 1, 'a')], NONE))).toEqual([[1, 1, 'a']]);
  });
});

describe('whatever the order of transactions, reads and marks', () => {
  const CASES: readonly SimulationOptions[] = [
    {},
    { limits: { maxKeys: 3, maxBytes: 1000 } },
    { limits: { maxKeys: 100, maxBytes: 15 } },
    { workers: 3 },
    { workers: 3, limits: { maxKeys: 3, maxBytes: 1000 } },
    { workers: 2, order: 'file' },
    { workers: 3, order: 'file', limits: { maxKeys: 3, maxBytes: 1000 } },
  ];

  test.each(CASES)('a row of a chunk is what the table holds at its place in the stream, and in the end nothing is missing (%j)', (options) => {
    const decisions = fc.array(fc.nat({ max: 2 ** 20 }), { minLength: 20, maxLength: 400 });
    fc.assert(
      fc.property(decisions, (choices) => {
        const simulation = new SimulatedSnapshot(TABLE, options);
        for (const choice of choices) simulation.step(choice);
        simulation.finish();
        expect(simulation.staleRows).toEqual([]);
        expect(simulation.target()).toEqual(simulation.table());
      }),
      { numRuns: 800, seed: 20_240_229 },
    );
  });
});
