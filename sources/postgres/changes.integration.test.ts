import { describe, expect, test } from 'vitest';
import { UNCHANGED } from '../../shared/record/value.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay, valuesOf } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';

const STREAM_ONLY = { SNAPSHOT_MODE: 'never' };
/** Random, so that compression does not bring it below the limit of TOAST. */
const BIG = `(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 400) n)`;

function images(run: SourceRun, table = 'public.t') {
  return run.changes(table).map(({ kind, before, after }) => [kind, before && valuesOf(before), after && valuesOf(after)]);
}

async function stream(bench: PostgresBench, statements: string, settings = STREAM_ONLY): Promise<SourceRun> {
  const run = await bench.start(settings);
  await bench.query(statements);
  await bench.caughtUp(run);
  return run;
}

describe('replica identity', () => {
  const CHANGES = `INSERT INTO t VALUES (1, 'x', 'a'); UPDATE t SET note = 'b'; UPDATE t SET id = 2; DELETE FROM t`;

  test('by default the old row is its key, and there is none unless the key changes', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, note text)');
    const run = await stream(bench, CHANGES);
    expect(images(run)).toEqual([
      ['insert', null, { id: 1, code: 'x', note: 'a' }],
      ['update', null, { id: 1, code: 'x', note: 'b' }],
      ['update', { id: 1, code: null, note: null }, { id: 2, code: 'x', note: 'b' }],
      ['delete', { id: 2, code: null, note: null }, null],
    ]);
  });

  test('FULL gives the whole old row', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, note text); ALTER TABLE t REPLICA IDENTITY FULL');
    const run = await stream(bench, CHANGES);
    expect(run.tables[0]?.keyColumns.map(({ name }) => name)).toEqual(['id']);
    expect(images(run)).toEqual([
      ['insert', null, { id: 1, code: 'x', note: 'a' }],
      ['update', { id: 1, code: 'x', note: 'a' }, { id: 1, code: 'x', note: 'b' }],
      ['update', { id: 1, code: 'x', note: 'b' }, { id: 2, code: 'x', note: 'b' }],
      ['delete', { id: 2, code: 'x', note: 'b' }, null],
    ]);
  });

  test('USING INDEX makes the columns of that index the key, in their order', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      'CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, note text NOT NULL); CREATE UNIQUE INDEX other ON t (note, code); ALTER TABLE t REPLICA IDENTITY USING INDEX other',
    );
    const run = await stream(bench, `INSERT INTO t VALUES (1, 'x', 'a'); UPDATE t SET id = 5; UPDATE t SET note = 'b'; DELETE FROM t`);
    expect(run.tables[0]?.keyColumns.map(({ name }) => name)).toEqual(['note', 'code']);
    expect(images(run).slice(1)).toEqual([
      ['update', null, { id: 5, code: 'x', note: 'a' }],
      ['update', { id: null, code: 'x', note: 'a' }, { id: 5, code: 'x', note: 'b' }],
      ['delete', { id: null, code: 'x', note: 'b' }, null],
    ]);
  });

  test('a primary key keeps its own order of columns, and columns that its index only carries are not in it', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (note text, b int, a int, PRIMARY KEY (a, b) INCLUDE (note))');
    const run = await stream(bench, `INSERT INTO t VALUES ('x', 1, 2); DELETE FROM t`, { SNAPSHOT_MODE: 'initial' });
    expect(run.tables[0]?.keyColumns.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(images(run).at(-1)).toEqual(['delete', { note: null, a: 2, b: 1 }, null]);
  });

  test('a table without a key that has FULL brings whole rows', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (a int, b text); ALTER TABLE t REPLICA IDENTITY FULL');
    const run = await stream(bench, `INSERT INTO t VALUES (1, NULL), (1, NULL); UPDATE t SET b = 'x' WHERE ctid = '(0,1)'; DELETE FROM t WHERE b IS NULL`);
    expect(run.tables[0]?.key).toEqual([]);
    expect(images(run).slice(2)).toEqual([
      ['update', { a: 1, b: null }, { a: 1, b: 'x' }],
      ['delete', { a: 1, b: null }, null],
    ]);
  });

  test('a change of identity in mid-stream is followed', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, code int NOT NULL UNIQUE, note text)');
    const run = await stream(bench, `INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'); DELETE FROM t WHERE id = 1`);
    await bench.query('ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key; DELETE FROM t WHERE id = 2');
    await bench.query('ALTER TABLE t REPLICA IDENTITY FULL; DELETE FROM t WHERE id = 3');
    await bench.caughtUp(run);
    expect(
      run
        .changes('public.t')
        .slice(3)
        .map(({ before }) => [before?.table.keyColumns.map(({ name }) => name), before && valuesOf(before)]),
    ).toEqual([
      [['id'], { id: 1, code: null, note: null }],
      [['code'], { id: null, code: 20, note: null }],
      [['id'], { id: 3, code: 30, note: 'c' }],
    ]);
  });

  test('another primary key in mid-stream is followed', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, code int NOT NULL)');
    const run = await stream(bench, 'INSERT INTO t VALUES (1, 10)');
    await bench.query('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code); DELETE FROM t');
    await bench.caughtUp(run);
    expect(images(run).at(-1)).toEqual(['delete', { id: null, code: 10 }, null]);
  });
});

describe('large values that did not change', () => {
  test('come as unchanged by default, never as null', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, big text, note text)');
    const run = await stream(bench, `INSERT INTO t VALUES (1, ${BIG}, 'a'); UPDATE t SET note = 'b'; UPDATE t SET big = NULL`);
    expect(images(run).slice(1)).toEqual([
      ['update', null, { id: 1, big: UNCHANGED, note: 'b' }],
      ['update', null, { id: 1, big: null, note: 'b' }],
    ]);
  });

  test('are taken from the old row under FULL', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, big text, note text); ALTER TABLE t REPLICA IDENTITY FULL');
    const run = await stream(bench, `INSERT INTO t VALUES (1, ${BIG}, 'a'); UPDATE t SET note = 'b'`);
    const [inserted, updated] = run.changes('public.t');
    expect(updated?.after?.values()).toEqual([1, inserted?.after?.values()[1], 'b']);
  });

  test.each([
    { key: 'int', from: '1', to: '2' },
    { key: 'text', from: `'it''s'`, to: `E'a\\\\b "q"'` },
    { key: 'time', from: `'01:02:03'`, to: `'04:05:06.000007'` },
    { key: 'date', from: `'0044-03-15 BC'`, to: `'12024-01-01'` },
    { key: 'timestamptz', from: `'-infinity'`, to: `'2024-01-01 00:00:00.123456+02'` },
    { key: 'bytea', from: `'\\x00'`, to: `'\\x5c00ff'` },
    { key: 'float8', from: '0.1', to: `'NaN'` },
    { key: 'uuid', from: 'gen_random_uuid()', to: 'gen_random_uuid()' },
    { key: 'numeric(10,3)', from: '1.5', to: '-2.125' },
    { key: 'int[]', from: `'{1}'`, to: `'{1,2}'` },
  ])('are read again where a key of type $key changes', async ({ key, from, to }) => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id ${key} PRIMARY KEY, big text, list int[], grid int[][], bytes bytea, doc jsonb)`);
    await bench.query(
      `INSERT INTO t SELECT ${from}, ${BIG}, array_agg(n), ARRAY[array_agg(n), array_agg(n * 7919)], decode(${BIG}, 'hex'), to_jsonb(${BIG}) FROM generate_series(1, 2000) n`,
    );
    await bench.query('ALTER TABLE t ALTER list SET STORAGE EXTERNAL, ALTER grid SET STORAGE EXTERNAL; UPDATE t SET list = list || 1, grid = grid || grid');
    const run = await stream(bench, `UPDATE t SET id = ${to}`);
    await bench.query('UPDATE t SET big = big || big, list = list || list, grid = grid || grid, bytes = bytes || bytes, doc = to_jsonb(big || big)');
    await bench.query(`DELETE FROM t`);
    await bench.caughtUp(run);
    const [moved] = run.changes('public.t');
    const [, big, list, grid, bytes, doc] = moved?.after?.values() ?? [];
    expect({
      unchanged: moved?.after?.unchanged,
      big: typeof big,
      list: list instanceof Array && list.slice(0, 3),
      grid: String(grid).slice(0, 7),
      bytes: bytes instanceof Buffer,
      doc: String(doc).slice(0, 3),
    }).toEqual({
      unchanged: null,
      big: 'string',
      list: [1, 2, 3],
      grid: '[[1,2,3',
      bytes: true,
      doc: '"c4',
    });
  });

  test('stay unchanged where the row under the new key is gone by then', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, big text); INSERT INTO t VALUES (1, ${BIG})`);
    const run = await stream(bench, 'BEGIN; UPDATE t SET id = 2; DELETE FROM t; COMMIT');
    expect(images(run)).toEqual([
      ['update', { id: 1, big: null }, { id: 2, big: UNCHANGED }],
      ['delete', { id: 2, big: null }, null],
    ]);
  });

  test('stay unchanged where their column, or the table, is gone by then', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      `CREATE TABLE t (id int PRIMARY KEY, big text); CREATE TABLE u (id int PRIMARY KEY, big text); INSERT INTO t VALUES (1, ${BIG}); INSERT INTO u VALUES (1, ${BIG})`,
    );
    const run = await stream(bench, 'BEGIN; UPDATE t SET id = 2; UPDATE u SET id = 2; ALTER TABLE t DROP big; DROP TABLE u; COMMIT');
    expect([images(run), images(run, 'public.u')]).toEqual([
      [['update', { id: 1, big: null }, { id: 2, big: UNCHANGED }]],
      [['update', { id: 1, big: null }, { id: 2, big: UNCHANGED }]],
    ]);
  });

  test('are read again though other columns have changed, or were dropped, since', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, a int, big text, b text, other text); INSERT INTO t VALUES (1, 5, ${BIG}, 'x', ${BIG})`);
    const run = await stream(bench, 'BEGIN; UPDATE t SET id = 2; ALTER TABLE t DROP a, DROP other; ALTER TABLE t RENAME b TO c; COMMIT');
    const [moved] = images(run);
    expect(moved?.[2]).toEqual({ id: 2, a: 5, big: await bench.value('SELECT big FROM t'), b: 'x', other: UNCHANGED });
  });

  test('a key that is stored apart from its row is taken from the old key', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      `CREATE TABLE t (id text PRIMARY KEY, note text); ALTER TABLE t ALTER id SET STORAGE EXTERNAL; INSERT INTO t VALUES (left(${BIG}, 2500), 'a')`,
    );
    const run = await stream(bench, `UPDATE t SET note = 'b'; UPDATE t SET note = 'c'; DELETE FROM t`);
    expect(run.changes('public.t').map(({ kind, after }) => [kind, after && String(valuesOf(after)['id']).length])).toEqual([
      ['update', 2500],
      ['update', 2500],
      ['delete', null],
    ]);
    expect(new Replay(run.records).rows('public.t')).toEqual([]);
  });
});
