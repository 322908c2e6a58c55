import { describe, expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { valuesOf } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';

const STREAM_ONLY = { SNAPSHOT_MODE: 'never' };

const rows = (run: SourceRun, table = 'public.t') => run.changes(table).map(({ after }) => after && valuesOf(after));

/** Each schema that was announced, as `name type`, and each change, in their order. */
function story(run: SourceRun): string[] {
  return run.records.flatMap((record) => {
    if (record.kind === 'schemaChange') return [`schema ${record.table.columns.map(({ name, nativeType }) => `${name} ${nativeType}`).join(', ')}`];
    return 'after' in record ? [`${record.kind} ${JSON.stringify(record.after?.values())}`] : [];
  });
}

/** Stops the source while changes are made, so that the catalogue is ahead of the log when it reads on. */
async function behind(bench: PostgresBench, run: SourceRun, statements: string, settings: Record<string, string> = STREAM_ONLY): Promise<SourceRun> {
  const checkpoint = await run.stop();
  await bench.slotIsFree();
  await bench.query(statements);
  const next = await bench.start(settings, checkpoint);
  await bench.caughtUp(next);
  return next;
}

describe('a table that changes while its source runs', () => {
  test('each row carries the columns that were in force, and a new schema is announced before its first row', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, a varchar(10))');
    const run = await bench.start(STREAM_ONLY);
    await bench.query(`INSERT INTO t VALUES (1, 'x')`);
    await bench.query(`ALTER TABLE t ADD b timestamptz DEFAULT '1970-01-01 00:00:01+00'; INSERT INTO t VALUES (2, 'y')`);
    await bench.query(`ALTER TABLE t RENAME a TO c; INSERT INTO t VALUES (3, 'z')`);
    await bench.query(`ALTER TABLE t ALTER c TYPE varchar(20); INSERT INTO t VALUES (4, 'w')`);
    await bench.query(`ALTER TABLE t ALTER c TYPE int USING 7; INSERT INTO t VALUES (5, 8)`);
    await bench.query(`ALTER TABLE t DROP b; UPDATE t SET c = 9 WHERE id = 5`);
    await bench.caughtUp(run);
    const second = 1_000_000;
    expect(story(run)).toEqual([
      'insert [1,"x"]',
      'schema id integer, a character varying(10), b timestamp with time zone',
      `insert [2,"y",${second}]`,
      'schema id integer, c character varying(10), b timestamp with time zone',
      `insert [3,"z",${second}]`,
      'schema id integer, c character varying(20), b timestamp with time zone',
      `insert [4,"w",${second}]`,
      'schema id integer, c integer, b timestamp with time zone',
      `insert [5,8,${second}]`,
      'schema id integer, c integer',
      'update [5,9]',
    ]);
  });

  test('several changes of it before the log is read: each row still has its own columns', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, a text)');
    const run = await bench.start(STREAM_ONLY);
    const next = await behind(
      bench,
      run,
      `INSERT INTO t VALUES (1, 'x');
       ALTER TABLE t ADD b timestamptz; INSERT INTO t VALUES (2, 'y', '1970-01-01 00:00:00+00');
       ALTER TABLE t ADD c numeric(6,3)[]; INSERT INTO t VALUES (3, 'z', NULL, '{1.5}');
       ALTER TABLE t DROP b, DROP c; ALTER TABLE t RENAME a TO d; INSERT INTO t VALUES (4, 'w');
       ALTER TABLE t ADD e uuid`,
    );
    expect(rows(next)).toEqual([
      { id: 1, a: 'x' },
      { id: 2, a: 'y', b: 0 },
      { id: 3, a: 'z', b: null, c: ['1.500'] },
      { id: 4, d: 'w' },
    ]);
  });

  test('a change that a chunk of the snapshot has seen before the stream is announced before its first row all the same', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
    const run = await bench.prepare();
    const session = await bench.session();
    await session.query('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    run.hold();
    await bench.query('INSERT INTO u VALUES (1)');
    run.start();
    await run.until(() => run.records.length > 0, 'a first record');
    // The stream waits there; the snapshot reads the table as it is after this.
    await session.query('ALTER TABLE t ADD b int; INSERT INTO t VALUES (2, NULL, 3); COMMIT');
    session.release();
    const isRead = `SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = '${bench.name}' AND query LIKE 'SELECT pg_logical_emit_message%' AND state = 'idle'`;
    await bench.until(isRead);
    run.release();
    await bench.snapshotDone(run);
    await bench.caughtUp(run);
    const known = new Set(run.tables);
    for (const record of run.records) {
      if (record.kind === 'schemaChange') known.add(record.table);
      else if ('table' in record) expect([record.kind, known.has(record.table)]).toEqual([record.kind, true]);
    }
    expect(rows(run).at(-1)).toEqual({ id: 2, a: null, b: 3 });
  });

  test('two changes in one breath, before the stream has read the first', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
    const run = await bench.start(STREAM_ONLY);
    await bench.query(
      `BEGIN; ALTER TABLE t ADD a date; INSERT INTO t VALUES (1, '1970-01-02'); ALTER TABLE t DROP a; INSERT INTO t VALUES (2); ALTER TABLE t ADD a bigint; INSERT INTO t VALUES (3, 4); COMMIT`,
    );
    await bench.caughtUp(run);
    expect(rows(run)).toEqual([{ id: 1, a: 1 }, { id: 2 }, { id: 3, a: 4 }]);
  });

  test('columns with a default that are not null, in one transaction with a TRUNCATE, a new key and rows around each', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
    const run = await bench.start(STREAM_ONLY);
    await bench.query(
      `BEGIN; INSERT INTO t VALUES (1); ALTER TABLE t ADD a text NOT NULL DEFAULT 'd'; INSERT INTO t VALUES (2); TRUNCATE t; INSERT INTO t VALUES (3, 'x');
       ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (a); UPDATE t SET a = 'y'; COMMIT`,
    );
    await bench.caughtUp(run);
    const told = run.records.flatMap((record): unknown[] => {
      if ('after' in record) return [[record.kind, record.after?.values(), record.table.keyColumns.map(({ name }) => name)]];
      return record.kind === 'truncate' ? [['truncate']] : [];
    });
    expect(told).toEqual([['insert', [1], ['id']], ['insert', [2, 'd'], ['id']], ['truncate'], ['insert', [3, 'x'], ['id']], ['update', [3, 'y'], ['a']]]);
  });

  test('a value that is added to an enumeration comes with the next row, while the source runs and while it is down', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, m mood)`);
    const run = await bench.start(STREAM_ONLY);
    await bench.query(`INSERT INTO t VALUES (1, 'sad')`);
    await bench.query(`ALTER TYPE mood ADD VALUE 'glad'`);
    await bench.query(`INSERT INTO t VALUES (2, 'glad')`);
    await bench.caughtUp(run);
    await bench.query(`ALTER TYPE mood ADD VALUE 'mad' BEFORE 'glad'`);
    const next = await behind(bench, run, `INSERT INTO t VALUES (3, 'mad')`);
    expect([rows(run), rows(next)]).toEqual([
      [
        { id: 1, m: 'sad' },
        { id: 2, m: 'glad' },
      ],
      [{ id: 3, m: 'mad' }],
    ]);
    expect(next.tables[0]?.columns[1]?.dataType).toEqual({ kind: 'enum', values: ['sad', 'mad', 'glad'] });
  });

  test('a partition that is attached brings its changes under the name of the whole from then on, one that is detached none', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      `CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE t_high (v text, id int PRIMARY KEY)`,
    );
    const run = await bench.start({ ...STREAM_ONLY, TABLES: 'public.t' });
    await bench.query(`INSERT INTO t VALUES (1, 'a'); INSERT INTO t_high VALUES ('not yet', 10)`);
    await bench.query(`ALTER TABLE t ATTACH PARTITION t_high FOR VALUES FROM (10) TO (20); INSERT INTO t VALUES (11, 'b'); UPDATE t SET v = 'c' WHERE id = 10`);
    await bench.query(`ALTER TABLE t DETACH PARTITION t_low; UPDATE t_low SET v = 'away'; INSERT INTO t VALUES (12, 'd')`);
    await bench.caughtUp(run);
    expect(rows(run)).toEqual([
      { id: 1, v: 'a' },
      { id: 11, v: 'b' },
      { id: 10, v: 'c' },
      { id: 12, v: 'd' },
    ]);
    expect(run.stopped).toEqual({});
  });

  test('a table that was dropped before its changes were read', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE u (id int PRIMARY KEY)');
    const run = await bench.start(STREAM_ONLY);
    await run.until(() => run.isPastSetup, 'the end of its start');
    run.hold();
    await bench.query(`INSERT INTO u VALUES (1)`);
    await run.until(() => run.records.length > 0, 'a first record');
    await bench.query(`ALTER TABLE t ADD b float8; INSERT INTO t VALUES (1, 'x', 0.5); DROP TABLE t`);
    run.release();
    await bench.caughtUp(run);
    expect(rows(run)).toEqual([{ id: 1, a: 'x', b: 0.5 }]);
  });

  test('a column whose type was dropped with it cannot be read: the table stops', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
    const run = await bench.start(STREAM_ONLY);
    const next = await behind(
      bench,
      run,
      `CREATE TYPE mood AS ENUM ('sad'); ALTER TABLE t ADD a mood; INSERT INTO t VALUES (1, 'sad'); ALTER TABLE t DROP a; DROP TYPE mood`,
    );
    expect(next.stopped['public.t']).toMatchObject({ code: 'TYPE_UNSUPPORTED', remedy: expect.stringContaining('new snapshot') as string });
  });

  test('what came under an earlier name of a table is not taken for a renaming', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
    const run = await bench.start(STREAM_ONLY);
    const next = await behind(bench, run, 'INSERT INTO t VALUES (1); ALTER TABLE t RENAME TO u; INSERT INTO u VALUES (2)');
    expect([rows(next, 'public.t'), rows(next, 'public.u')]).toEqual([[], [{ id: 2 }]]);
  });
});

describe('columns that are left out', () => {
  test('those of EXCLUDE_COLUMNS, in snapshot and stream, of types that cannot be carried as well', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      `CREATE TYPE pair AS (a int, b int); CREATE TABLE t (secret text, id int PRIMARY KEY, p pair, note text); INSERT INTO t VALUES ('s', 1, '(1,2)', 'a'); ALTER TABLE t REPLICA IDENTITY FULL`,
    );
    const run = await bench.start({ EXCLUDE_COLUMNS: 'public.t.secret,public.t.p' });
    await bench.snapshotDone(run);
    await bench.query(`UPDATE t SET note = 'b', secret = 'x'; DELETE FROM t`);
    await bench.caughtUp(run);
    expect(run.reads('public.t').map(({ after }) => after && valuesOf(after))).toEqual([{ id: 1, note: 'a' }]);
    expect(run.changes('public.t').map(({ before }) => before && valuesOf(before))).toEqual([
      { id: 1, note: 'a' },
      { id: 1, note: 'b' },
    ]);
  });

  test('UNKNOWN_TYPES=string carries the text of what is otherwise refused', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      `CREATE TYPE pair AS (a int, b text); CREATE TABLE t (id int PRIMARY KEY, p pair, ps pair[]); INSERT INTO t VALUES (1, '(1,x)', ARRAY['(2,"a b")'::pair])`,
    );
    expect((await bench.findings({ TABLES: 'public.t' })).map(({ code }) => code)).toEqual(['TYPE_UNSUPPORTED', 'TYPE_UNSUPPORTED']);
    const run = await bench.start({ UNKNOWN_TYPES: 'string' });
    await bench.snapshotDone(run);
    await bench.query(`UPDATE t SET p = '(3,y)'`);
    await bench.caughtUp(run);
    expect([...run.reads('public.t'), ...run.changes('public.t')].map(({ after }) => after?.values())).toEqual([
      [1, '(1,x)', '{"(2,\\"a b\\")"}'],
      [1, '(3,y)', '{"(2,\\"a b\\")"}'],
    ]);
  });
});
