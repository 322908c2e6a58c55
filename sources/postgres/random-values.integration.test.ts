import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { RANDOM_TYPES, type RandomType, READ_IN_BINARY } from '../../test/contract/postgres-random-types.ts';
import { show, valuesOf } from '../../test/contract/replay.ts';

/** Rows of one run: each is one random value of every type. */
const ROWS = 150;

const isReadInBinary = (type: string) => READ_IN_BINARY.has(type);

/** What is read of them as text alone, with its reader, is what the binary forms are held against. */
const KINDS = [
  { kind: 'copied as text, and on the stream as text', isWanted: () => true, tables: 'public.v', isStreamBinary: false },
  { kind: 'copied in binary form, and on the stream as text', isWanted: isReadInBinary, tables: 'public.*', isStreamBinary: false },
  { kind: 'copied in binary form, and on the stream too', isWanted: isReadInBinary, tables: 'public.v', isStreamBinary: true },
] as const;

test.each(KINDS)('random values are the same $kind', async ({ isWanted, tables, isStreamBinary }) => {
  await using bench = await PostgresBench.open();
  await bench.query(
    `CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"'); CREATE DOMAIN price AS numeric(10,2); CREATE DOMAIN prices AS price[]; CREATE TYPE pair AS (a int, b text)`,
  );
  const types = (await available(bench)).filter(({ type }) => isWanted(type));
  await bench.query(`CREATE TABLE v (id int PRIMARY KEY, ${types.map(({ type }, index) => `c${index} ${type}`).join(', ')})`);
  await bench.query('CREATE TABLE other (id int PRIMARY KEY, v inet)');
  const seed = Number(process.env['DBMAZZ_SEED'] ?? Date.now() % 1e9);
  const rows = fc.sample(fc.tuple(...types.map(({ values }) => fc.option(values, { freq: 12 }))), { numRuns: ROWS, seed });
  const insert = async (offset: number) => {
    for (const [n, row] of rows.entries()) {
      const cells = row.map((value, index) => (value === null ? 'NULL' : `(${value})::${types[index]?.type}`));
      await bench.query(`INSERT INTO v VALUES (${offset + n}, ${cells.join(', ')})`);
    }
  };
  await insert(0);
  const run = await bench.start({ UNKNOWN_TYPES: 'string', TABLES: tables });
  await bench.snapshotDone(run);
  expect(await bench.streamIsBinary()).toBe(isStreamBinary);
  await bench.query(`ALTER TYPE mood ADD VALUE 'later'`);
  await insert(ROWS);
  await bench.query(`INSERT INTO v (id, c${types.findIndex(({ type }) => type === 'mood')}) VALUES (-1, 'later')`);
  await bench.caughtUp(run);
  const read = new Map(run.reads('public.v').map(({ after }) => [Number(after?.values()[0]), after === null ? {} : valuesOf(after)]));
  const streamed = new Map(run.changes('public.v').map(({ after }) => [Number(after?.values()[0]), after === null ? {} : valuesOf(after)]));
  expect([read.size, streamed.size]).toEqual([ROWS, ROWS + 1]);
  for (const [n] of rows.entries()) {
    for (const [index, { type }] of types.entries()) {
      const [snapshot, stream] = [show(read.get(n)?.[`c${index}`]), show(streamed.get(ROWS + n)?.[`c${index}`])];
      expect({ type, seed, n, value: stream }).toEqual({ type, seed, n, value: snapshot });
      expect({ type, seed, n, isNull: snapshot === 'null' }).toEqual({ type, seed, n, isNull: rows[n]?.[index] === null });
    }
  }
  expect(streamed.get(-1)?.[`c${types.findIndex(({ type }) => type === 'mood')}`]).toBe('later');
});

/** Without the types of extensions that this server does not have. */
async function available(bench: PostgresBench): Promise<readonly RandomType[]> {
  const present = new Set((await bench.query<{ name: string }>('SELECT name FROM pg_available_extensions')).map(({ name }) => name));
  const usable = RANDOM_TYPES.filter(({ extension }) => extension === undefined || present.has(extension));
  for (const extension of new Set(usable.flatMap(({ extension: needed }) => needed ?? []))) await bench.query(`CREATE EXTENSION ${extension}`);
  return usable;
}
