import { describe, expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { READ_IN_BINARY } from '../../test/contract/postgres-random-types.ts';
import { POSTGRES_TYPE_CASES as ALL_CASES } from '../../test/contract/postgres-type-cases.ts';
import { show, valuesOf } from '../../test/contract/replay.ts';

const column = (index: number) => `c${index}`;

/** Tables are read in binary form where all of their columns can be: one of those types alone, and one of all. */
describe.each([
  ['in binary form', ALL_CASES.filter(({ type }) => READ_IN_BINARY.has(type))],
  ['as text', ALL_CASES],
])('a value is the same in the snapshot and on the stream, read %s', async (_, CASES) => {
  await using bench = await PostgresBench.open();
  await bench.query(`CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"'); CREATE DOMAIN price AS numeric(10,2)`);
  await bench.query(`CREATE TABLE everything (id int PRIMARY KEY, ${CASES.map(({ type }, index) => `${column(index)} ${type}`).join(', ')})`);
  const height = Math.max(...CASES.map(({ values }) => values.length));
  const insert = async (id: number, place: number) => {
    const cells = CASES.map(({ type, values }) => (values[place] === undefined ? 'NULL' : `(${values[place][0]})::${type}`));
    await bench.query(`INSERT INTO everything VALUES (${id}, ${cells.join(', ')})`);
  };
  for (let place = 0; place <= height; place++) await insert(place, place);
  const run = await bench.start();
  await bench.snapshotDone(run);
  for (let place = 0; place <= height; place++) await insert(1000 + place, place);
  await bench.caughtUp(run);
  const table = run.tables[0];
  const byId = new Map(
    [...run.reads('public.everything'), ...run.changes('public.everything')].map(({ after }) => [after?.values()[0], after === null ? {} : valuesOf(after)]),
  );

  test('every row came, by both ways', () => {
    expect(run.reads('public.everything').length).toBe(height + 1);
    expect(run.changes('public.everything').length).toBe(height + 1);
  });

  test.each(CASES.map(({ type, kind, values }, index) => ({ type, kind, values, index })))('$type travels as $kind', ({ kind, values, index }) => {
    expect(table?.columns[index + 1]?.dataType.kind).toBe(kind);
    for (const [place, [, value]] of [...values, ['', null] as const].entries()) {
      const expected = show(value);
      expect(show(byId.get(place)?.[column(index)]), 'snapshot').toBe(expected);
      expect(show(byId.get(1000 + place)?.[column(index)]), 'stream').toBe(expected);
    }
  });
});
