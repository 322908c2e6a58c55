import { describe, expect, test } from 'vitest';
import { createSource, PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay, valuesOf } from '../../test/contract/replay.ts';
import { SourceRun } from '../../test/contract/source-run.ts';
import { createMemoryLog } from '../../test/memory-logger.ts';

const STREAM_ONLY = { SNAPSHOT_MODE: 'never' };

const ids = (run: SourceRun, table = 'public.t') => new Replay(run.records).rows(table).map((row) => Object.values(row)[0]);
const names = (run: SourceRun) => run.tables.map(({ qualifiedName }) => qualifiedName);

describe('TRUNCATE', () => {
  test('comes once for each table, at its place among the changes', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY REFERENCES t)');
    const run = await bench.start(STREAM_ONLY);
    await bench.query('BEGIN; INSERT INTO t VALUES (1); TRUNCATE t, u; INSERT INTO t VALUES (2); COMMIT');
    await bench.caughtUp(run);
    const told = run.records.flatMap((record) => ('table' in record ? [`${record.kind} ${record.table.qualifiedName} ${record.position.ordinal}`] : []));
    expect(told).toEqual(['insert public.t 1', 'truncate public.t 2', 'truncate public.u 3', 'insert public.t 4']);
  });

  test('of a partition changes nothing of the partitioned table, whose changes come under its own name', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      'CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)',
    );
    await bench.query('INSERT INTO t VALUES (1, 1), (11, 1)');
    const run = await bench.start();
    expect(names(run)).toEqual(['public.t']);
    await bench.snapshotDone(run);
    await bench.query('INSERT INTO t VALUES (2, 2), (12, 2); UPDATE t SET v = 3 WHERE id = 1; UPDATE t SET id = 13 WHERE id = 2; DELETE FROM t WHERE id = 11');
    await bench.caughtUp(run);
    expect(new Replay(run.records).rows('public.t')).toEqual([
      { id: 1, v: 3 },
      { id: 12, v: 2 },
      { id: 13, v: 2 },
    ]);
    await bench.query('TRUNCATE t');
    await bench.caughtUp(run);
    expect(ids(run)).toEqual([]);
  });
});

describe('a partition that held rows when it was attached', () => {
  const create = (name: string, first: number) =>
    `CREATE TABLE ${name} (v text, id int NOT NULL); INSERT INTO ${name} SELECT 'held', n FROM generate_series(${first}, ${first + 9}) n; ALTER TABLE ${name} ADD PRIMARY KEY (id)`;
  const attach = (name: string, first: number) => `ALTER TABLE t ATTACH PARTITION ${name} FOR VALUES FROM (${first}) TO (${first + 10})`;

  test('is read, with the changes that come after, and the others are not; also where it came while the source was down', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)');
    await bench.query(`INSERT INTO t SELECT n, 'old' FROM generate_series(0, 9) n; CREATE TABLE u (id int PRIMARY KEY)`);
    const settings = { TABLES: 'public.t', SNAPSHOT_CHUNK_SIZE: '3', HEARTBEAT_INTERVAL_MS: '200' };
    const first = await bench.start(settings);
    await bench.snapshotDone(first);
    await bench.query(`${create('t2', 10)}; ${attach('t2', 10)}; UPDATE t SET v = 'new' WHERE id = 15; DELETE FROM t WHERE id = 16`);
    const isRead = (run: SourceRun) => run.snapshot?.requests?.at(-1)?.state === 'done';
    await first.until(() => isRead(first), 'the partition');
    await bench.caughtUp(first);
    expect(new Replay(first.records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
    expect(first.snapshot?.requests).toMatchObject([{ type: 'partition', tables: ['public.t'], rows: 9, id: expect.stringContaining('public.t2') as string }]);
    const beats = first.records.filter(({ kind }) => kind === 'heartbeat').length;
    await first.until(() => first.records.filter(({ kind }) => kind === 'heartbeat').length > beats + 1, 'heartbeats');
    const checkpoint = await first.stop();
    await bench.slotIsFree();
    await bench.query(`${create('t3', 20)}; ${attach('t3', 20)}; INSERT INTO t1 VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET v = 'x'`);
    const next = await bench.start(settings, checkpoint);
    await next.until(() => next.snapshot?.requests?.some(({ id, state }) => id.includes('public.t3') && state === 'done') === true, 'the partition');
    await bench.caughtUp(next);
    expect(new Replay([...first.records, ...next.records]).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
    expect(next.reads('public.t').map(({ after }) => after?.values()[0])).toEqual(Array.from({ length: 10 }, (_, n) => n + 20));
  });
});

describe('a new partition that cannot be read beside the stream', () => {
  test.each([
    [
      'since no snapshot is wanted',
      'id int PRIMARY KEY',
      { SNAPSHOT_MODE: 'never' },
      (name: string) => `dbmazz snapshot --source ${name} --tables public.t --where '((id IS NOT NULL) AND (id >= 0) AND (id < 10))'`,
    ],
    ['since its table has no key', 'id int', {}, (name: string) => `ALTER PUBLICATION "dbmazz_${name}" DROP TABLE "public"."t"`],
  ])('%s is told of, with what to do', async (_, columns, settings, remedy) => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (${columns}) PARTITION BY RANGE (id); ALTER TABLE t REPLICA IDENTITY FULL`);
    const { log, lines } = createMemoryLog();
    const nothing = { position: null, snapshot: null };
    const source = createSource({ SOURCE_NAME: bench.name, SOURCE_URL: bench.url, TABLES: 'public.t', HEARTBEAT_INTERVAL_MS: '100', ...settings }, log);
    const run = new SourceRun(source, await source.setup(nothing), nothing);
    run.start();
    await bench.caughtUp(run);
    await bench.query('CREATE TABLE t1 (id int NOT NULL); INSERT INTO t1 VALUES (1); ALTER TABLE t ATTACH PARTITION t1 FOR VALUES FROM (0) TO (10)');
    const told = () => lines.filter(({ msg }) => msg.startsWith('Partition public.t1 of public.t is new'));
    await run.until(() => told().length > 0, 'a word on the partition');
    expect(told()).toMatchObject([{ level: 'warn', remedy: expect.stringContaining(remedy(bench.name)) as string }]);
    await run.stop();
  });
});

describe('tables that inherit', () => {
  test('are tables of their own, and are not read with their parent', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (t); INSERT INTO t VALUES (1); INSERT INTO child VALUES (2)',
    );
    const run = await bench.start({ TABLES: 'public.t' });
    await bench.snapshotDone(run);
    await bench.query('INSERT INTO t VALUES (3); INSERT INTO child VALUES (4)');
    await bench.caughtUp(run);
    expect(ids(run)).toEqual([1, 3]);
  });
});

describe('a table without a key', () => {
  test('is read once before the stream, and what was read does not come again', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (a int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1), (1)');
    const run = await bench.prepare();
    await bench.query("INSERT INTO t VALUES (2); DELETE FROM t WHERE ctid = '(0,1)'");
    const session = await bench.session();
    await session.query('BEGIN; INSERT INTO t VALUES (3)');
    run.start();
    await run.until(() => run.snapshot?.tables['public.t']?.state === 'done', 'the pass over the table');
    await session.query('COMMIT');
    session.release();
    await bench.query('INSERT INTO t VALUES (4)');
    await bench.caughtUp(run);
    expect(ids(run)).toEqual([1, 2, 3, 4]);
  });

  test('keeps what was written after a TRUNCATE that its pass has seen', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (a int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1)');
    const run = await bench.prepare();
    await bench.query('TRUNCATE t; INSERT INTO t VALUES (2)');
    run.start();
    await bench.caughtUp(run);
    expect(ids(run)).toEqual([2]);
    await bench.query('TRUNCATE t');
    await bench.caughtUp(run);
    expect(ids(run)).toEqual([]);
  });

  test('has no row twice that was committed without waiting for the disk', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (a int); ALTER TABLE t REPLICA IDENTITY FULL');
    const run = await bench.prepare();
    await bench.query(
      `SET synchronous_commit = off; ${Array.from({ length: 50 }, (_, n) => `BEGIN; INSERT INTO t VALUES (${n}); COMMIT`).join('; ')}; RESET synchronous_commit`,
    );
    run.start();
    await bench.caughtUp(run);
    expect(ids(run).length).toBe(50);
  });

  test('starts over with a truncate where its pass was interrupted', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (a int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t SELECT n FROM generate_series(1, 20000) n');
    const first = await bench.prepare();
    first.hold();
    first.start();
    await first.until(() => first.snapshot !== null, 'a first piece');
    const checkpoint = await first.stop();
    await bench.slotIsFree();
    const second = await bench.start({}, checkpoint);
    await bench.snapshotDone(second);
    expect(new Replay([...first.records, ...second.records]).rows('public.t').length).toBe(20_000);
  });
});

describe('names', () => {
  test('may have spaces, quotes and capitals', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      `CREATE SCHEMA "Odd 'schema"; CREATE TABLE "Odd 'schema"."My ""table""" ("Key 'x'" text PRIMARY KEY, "ünï\\" int); INSERT INTO "Odd 'schema"."My ""table""" VALUES ('a', 1), ('b', 2)`,
    );
    const run = await bench.start({ TABLES: `Odd 'schema.My*`, SNAPSHOT_CHUNK_SIZE: '1' });
    expect(names(run)).toEqual([`Odd 'schema.My "table"`]);
    await bench.snapshotDone(run);
    await bench.query(`UPDATE "Odd 'schema"."My ""table""" SET "ünï\\" = 3`);
    await bench.caughtUp(run);
    expect(new Replay(run.records).rows(`Odd 'schema.My "table"`)).toEqual([
      { "Key 'x'": 'a', 'ünï\\': 3 },
      { "Key 'x'": 'b', 'ünï\\': 3 },
    ]);
  });

  test('with a dot are left out, and that is said', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE "a.b" (id int PRIMARY KEY)');
    expect(await bench.findings()).toMatchObject([
      { severity: 'warning', code: 'TABLE_NOT_FOUND', message: expect.stringContaining('"public"."a.b"') as string },
    ]);
    const run = await bench.start();
    expect(names(run)).toEqual(['public.t']);
    await run.stop();
    await bench.slotIsFree();
    expect(await bench.findings({ TABLES: 'public.a*' })).toMatchObject([
      { severity: 'error', message: 'TABLES has public.a*, but the source has no such table.' },
      { severity: 'warning' },
    ]);
  });
});

describe('when TABLES changes', () => {
  async function again(bench: PostgresBench, run: SourceRun, settings: Record<string, string>): Promise<SourceRun> {
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    const next = await bench.start(settings, checkpoint);
    await bench.snapshotDone(next);
    await bench.caughtUp(next);
    return next;
  }

  test('a new table gets its snapshot beside the stream of the others', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)');
    const first = await bench.start({ TABLES: 'public.t' });
    await bench.snapshotDone(first);
    await bench.query('INSERT INTO u VALUES (2)');
    const second = await again(bench, first, { TABLES: 'public.t,public.u' });
    await bench.query('INSERT INTO u VALUES (3); INSERT INTO t VALUES (2)');
    await bench.caughtUp(second);
    expect([second.reads('public.t').length, ids(second, 'public.u'), ids(second)]).toEqual([0, [1, 2, 3], [2]]);
  });

  test('a table that was taken out and comes back gets a new one, since its changes were missed', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)');
    const first = await bench.start({ TABLES: 'public.t,public.u' });
    await bench.snapshotDone(first);
    const second = await again(bench, first, { TABLES: 'public.t' });
    await bench.query('INSERT INTO u VALUES (2)');
    await bench.caughtUp(second);
    const third = await again(bench, second, { TABLES: 'public.t,public.u' });
    expect(ids(third, 'public.u')).toEqual([1, 2]);
  });

  test('a table that was dropped and made again starts over, with a truncate', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)');
    const first = await bench.start();
    await bench.snapshotDone(first);
    await bench.query('DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (2), (3)');
    await bench.caughtUp(first);
    const second = await again(bench, first, {});
    await second.until(() => second.reads('public.t').length === 2, 'the rows of the new table');
    expect(new Replay([...first.records, ...second.records]).rows('public.t')).toEqual([{ id: 2 }, { id: 3 }]);
  });

  test('a table starts over also where the process ended after it was published again and before anything was read', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1), (2); INSERT INTO u VALUES (1, 1), (2, 2)',
    );
    const first = await bench.start({ ROW_FILTER: 'public.u: id < 2' });
    await bench.snapshotDone(first);
    await bench.query('DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (2), (3)');
    await bench.caughtUp(first);
    const checkpoint = await first.stop();
    await bench.slotIsFree();
    const ended = await bench.prepare({}, checkpoint);
    const second = await bench.start({}, ended.checkpoint);
    await bench.snapshotDone(second);
    await bench.caughtUp(second);
    const replay = new Replay([...first.records, ...second.records]);
    expect(replay.rows('public.t')).toEqual([{ id: 2 }, { id: 3 }]);
    expect(replay.rows('public.u')).toEqual(await bench.query('SELECT * FROM u ORDER BY id'));
  });

  test('positions in a transaction stay what they were, though fewer of its changes are wanted', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)');
    const first = await bench.start({ ...STREAM_ONLY, TABLES: 'public.t,public.u' });
    first.acknowledges = false;
    await bench.query('BEGIN; INSERT INTO u VALUES (1); INSERT INTO t VALUES (1); TRUNCATE u; INSERT INTO t VALUES (2); COMMIT');
    await bench.caughtUp(first);
    const place = (run: SourceRun) => run.changes('public.t').map(({ position, after }) => [position, after && valuesOf(after)]);
    await first.stop();
    await bench.slotIsFree();
    const second = await bench.start({ ...STREAM_ONLY, TABLES: 'public.t' });
    await bench.caughtUp(second);
    expect(place(second)).toEqual(place(first));
  });
});

test('a publication with a list of columns keeps the others in the server', async () => {
  await using bench = await PostgresBench.open();
  await bench.query(
    `CREATE TABLE t (id int PRIMARY KEY, secret text, note text); INSERT INTO t VALUES (1, 's', 'a'); CREATE PUBLICATION listed FOR TABLE t (id, note)`,
  );
  const run = await bench.start({ SOURCE_PUBLICATION_NAME: 'listed', EXCLUDE_COLUMNS: 'public.t.secret' });
  await bench.snapshotDone(run);
  await bench.query(`INSERT INTO t VALUES (2, 's', 'b'); UPDATE t SET id = 3, secret = 'x' WHERE id = 1; DELETE FROM t WHERE id = 2`);
  await bench.caughtUp(run);
  expect(run.tables.map(({ columns }) => columns.map(({ name }) => name))).toEqual([['id', 'note']]);
  expect(new Replay(run.records).rows('public.t')).toEqual([{ id: 3, note: 'a' }]);
});
