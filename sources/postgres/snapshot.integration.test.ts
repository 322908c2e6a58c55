import { describe, expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay, show } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';

const SMALL_CHUNKS = { SNAPSHOT_CHUNK_SIZE: '7' };
/** Random, so that compression does not bring it below the limit of TOAST. */
const big = (seed: string) => `(SELECT string_agg(md5(${seed}::text || k), '') FROM generate_series(1, 120) k)`;

/** Key columns, and a row's key from a number `n`. */
const KEYS: readonly { readonly name: string; readonly columns: string; readonly key: string; readonly names?: string; readonly order?: string }[] = [
  { name: 'int', columns: 'id int', key: 'n' },
  { name: 'negative bigint', columns: 'id bigint', key: '-(n::bigint << 33)' },
  { name: 'text', columns: 'id text', key: `E'k\\\\\\'"\\t' || n` },
  { name: 'uuid', columns: 'id uuid', key: 'md5(n::text)::uuid' },
  { name: 'bytea', columns: 'id bytea', key: `decode('5c00' || md5(n::text), 'hex')` },
  { name: 'timestamptz', columns: 'id timestamptz', key: `'1960-01-01'::timestamptz + n * interval '1 day 0.000001 s'` },
  { name: 'date', columns: 'id date', key: `'0001-01-01 BC'::date + n` },
  { name: 'float8', columns: 'id float8', key: 'n / 7.0' },
  { name: 'numeric(12,3)', columns: 'id numeric(12,3)', key: 'n / 7.0' },
  { name: 'composite', columns: 'b text, a int', names: 'b, a', order: 'a, b', key: `'x' || n, n % 5` },
];

const EDGE = `CREATE FUNCTION edge(n int) RETURNS text LANGUAGE sql RETURN CASE WHEN n % 4 = 0 THEN ${big('n')} ELSE 'short' END`;

/** Changes rows at random until told to stop: each by a number `n` from 1 to 200. */
async function write(bench: PostgresBench, { key, names = 'id' }: (typeof KEYS)[number], isOver: () => boolean): Promise<void> {
  const at = (n: number) => `(${names}) = (SELECT ${key} FROM (VALUES (${n})) v(n))`;
  const insert = (n: number) => `INSERT INTO t SELECT ${key}, 'tag' || n, 'new', edge(n) FROM (VALUES (${n})) v(n) ON CONFLICT DO NOTHING`;
  const session = await bench.session();
  for (let step = 1; !isOver(); step++) {
    const [n, m] = [1 + ((step * 7919) % 200), 1 + ((step * 104729) % 200)];
    const statements = [
      `UPDATE t SET note = 'step ${step}' WHERE ${at(n)}`,
      `DELETE FROM t WHERE ${at(n)}; ${insert(m)}`,
      `BEGIN; DELETE FROM t WHERE ${at(m)}; UPDATE t SET (${names}) = (SELECT ${key} FROM (VALUES (${m})) v(n)) WHERE ${at(n)}; COMMIT`,
      `BEGIN; ${insert(n)}; UPDATE t SET note = 'again ${step}' WHERE ${at(n)}; UPDATE t SET value = value || 'x' WHERE ${at(m)}; COMMIT`,
    ];
    // Two writers may come to the same key, or wait for each other: then one of them does without.
    await session.query(statements[step % statements.length] ?? '').catch(async () => session.query('ROLLBACK'));
  }
  session.release();
}

/** A table of several hundred blocks, with space in all of them. */
async function makeSpaciousTable(bench: PostgresBench): Promise<void> {
  await bench.query(`CREATE TABLE t (id int PRIMARY KEY, note text, value text) WITH (autovacuum_enabled = false)`);
  await bench.query(`INSERT INTO t SELECT n, 'old', repeat('x', 500) FROM generate_series(1, 24000) n`);
  await bench.query('DELETE FROM t WHERE id % 3 = 0');
  await bench.query('VACUUM t');
}

/** Moves rows to other places of their file, also the last ones to the front, until told to stop. */
async function moveRows(bench: PostgresBench, seed: number, isOver: () => boolean): Promise<void> {
  const session = await bench.session();
  for (let step = seed; !isOver(); step += 2) {
    const from = 24_000 - ((step * 7919) % 24_000);
    await session.query(`UPDATE t SET note = 'step ${step}' WHERE id BETWEEN ${from} AND ${from + 40}`);
    if (step % 5 === 0) await session.query(`DELETE FROM t WHERE id BETWEEN ${from} AND ${from + 3}`);
    if (step % 7 === 0) await session.query(`INSERT INTO t VALUES (${100_000 + step}, 'new', repeat('y', 500))`);
  }
  session.release();
}

/** What the table holds, and what somebody has who applied all records. */
async function bothSides(bench: PostgresBench, run: SourceRun, columns = ['tag', 'note', 'value']) {
  await bench.caughtUp(run);
  const source = await bench.query(`SELECT ${columns.join(', ')} FROM t`);
  const target = new Replay(run.records).rows('public.t').map((row) => Object.fromEntries(columns.map((name) => [name, row[name]])));
  const sorted = (rows: readonly object[]) => rows.map((row) => show(row)).toSorted();
  return { source: sorted(source), target: sorted(target) };
}

describe('a snapshot beside the stream', () => {
  test.each(KEYS)('gives the rows of the table while others write to it, by a key of type $name', async (kind) => {
    await using bench = await PostgresBench.open();
    await bench.query(`${EDGE}; CREATE TABLE t (${kind.columns}, tag text, note text, value text, PRIMARY KEY (${kind.order ?? 'id'}))`);
    await bench.query(`INSERT INTO t SELECT ${kind.key}, 'tag' || n, 'old', edge(n) FROM generate_series(1, 200) n`);
    const run = await bench.start(SMALL_CHUNKS);
    let isOver = false;
    const writers = Promise.all([write(bench, kind, () => isOver), write(bench, kind, () => isOver)]);
    await bench.snapshotDone(run).finally(() => (isOver = true));
    await writers;
    const { source, target } = await bothSides(bench, run);
    expect(target).toEqual(source);
    expect(run.reads('public.t').length).toBeGreaterThan(50);
  });

  test('reads a table in the order of its file by several workers, while its rows move', async () => {
    await using bench = await PostgresBench.open();
    await makeSpaciousTable(bench);
    const run = await bench.start({ SNAPSHOT_CHUNK_SIZE: '400', SNAPSHOT_PARALLEL_WORKERS: '3' });
    let isOver = false;
    const writers = Promise.all([moveRows(bench, 1, () => isOver), moveRows(bench, 2, () => isOver)]);
    await run.until(() => (run.snapshot?.tables['public.t']?.rest?.length ?? 0) > 2, 'several ranges');
    await bench.snapshotDone(run).finally(() => (isOver = true));
    await writers;
    const { source, target } = await bothSides(bench, run, ['id', 'note', 'value']);
    expect(target).toEqual(source);
  });

  test('reads a table anew that is written to another file meanwhile', async () => {
    await using bench = await PostgresBench.open();
    await makeSpaciousTable(bench);
    const run = await bench.start({ SNAPSHOT_CHUNK_SIZE: '400', SNAPSHOT_PARALLEL_WORKERS: '3' });
    await run.until(() => run.reads('public.t').length > 2000, 'a part of the table');
    await bench.query('VACUUM FULL t');
    await bench.query(`UPDATE t SET note = 'later' WHERE id % 10 = 0`);
    await bench.snapshotDone(run);
    const { source, target } = await bothSides(bench, run, ['id', 'note', 'value']);
    expect(target).toEqual(source);
    expect(run.reads('public.t').length).toBeGreaterThan(source.length);
  });

  test('reads the parts of a partitioned table in the order of their files, while rows change their part', async () => {
    await using bench = await PostgresBench.open();
    const parts = [0, 1, 2].map((part) => `CREATE TABLE t${part} PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER ${part})`);
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, note text, value text) PARTITION BY HASH (id); ${parts.join('; ')}`);
    await bench.query(`INSERT INTO t SELECT n, 'old', repeat('x', 20) FROM generate_series(1, 3000) n`);
    const run = await bench.start({ SNAPSHOT_CHUNK_SIZE: '100', SNAPSHOT_PARALLEL_WORKERS: '3' });
    for (let step = 0; step < 20; step++) await bench.query(`UPDATE t SET id = id + 100000, note = 'step ${step}' WHERE id % 20 = ${step} AND id < 100000`);
    await bench.snapshotDone(run);
    expect(run.reads('public.t').length).toBeGreaterThan(100);
    const { source, target } = await bothSides(bench, run, ['id', 'note', 'value']);
    expect(target).toEqual(source);
  });

  test('divides a table with large values by its key, and reads the parts side by side', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (a text, b int, note text, value text, PRIMARY KEY (a, b)); ALTER TABLE t ALTER value SET STORAGE EXTERNAL`);
    await bench.query(`INSERT INTO t SELECT 'k' || n % 50, n, 'old', repeat(md5(n::text), 200) FROM generate_series(1, 6000) n; ANALYZE t`);
    const run = await bench.start({ SNAPSHOT_CHUNK_SIZE: '200', SNAPSHOT_PARALLEL_WORKERS: '2' });
    await run.until(() => (run.snapshot?.tables['public.t']?.rest?.length ?? 0) > 2, 'several ranges');
    for (let step = 0; step < 20; step++) await bench.query(`UPDATE t SET note = 'step ${step}' WHERE b % 20 = ${step}`);
    await bench.snapshotDone(run);
    const { source, target } = await bothSides(bench, run, ['a', 'b', 'note', 'value']);
    expect(target).toEqual(source);
  });

  test('goes on in the order of the key where the log no longer has old rows whole', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, note text, value text); ALTER TABLE t ALTER value SET STORAGE EXTERNAL, REPLICA IDENTITY FULL`);
    await bench.query(`INSERT INTO t SELECT n, 'old', repeat(md5(n::text), 100) FROM generate_series(1, 600) n`);
    const run = await bench.start({ SNAPSHOT_CHUNK_SIZE: '20' });
    await run.until(() => run.reads('public.t').length > 60, 'a part of the table');
    expect(run.snapshot?.tables['public.t']?.rest?.[0]?.of).toMatch(/^file .* whole$/);
    await bench.query('ALTER TABLE t REPLICA IDENTITY DEFAULT');
    await bench.query(`UPDATE t SET note = 'moved' WHERE id > 500`);
    await bench.snapshotDone(run);
    const { source, target } = await bothSides(bench, run, ['id', 'note', 'value']);
    expect(target).toEqual(source);
  });

  test('waits for a transaction that wrote to a table before it was published', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)');
    const first = await bench.start({ TABLES: 'public.t' });
    await bench.snapshotDone(first);
    const checkpoint = await first.stop();
    await bench.slotIsFree();
    const session = await bench.session();
    await session.query('BEGIN; INSERT INTO u VALUES (2)');
    const second = await bench.start({ TABLES: 'public.t,public.u' }, checkpoint);
    await bench.query('INSERT INTO u VALUES (3)');
    await second.until(() => second.changes('public.u').length > 0, 'the change after it');
    expect(second.reads('public.u')).toEqual([]);
    await session.query('COMMIT');
    session.release();
    await bench.snapshotDone(second);
    expect(new Replay(second.records).rows('public.u')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  test('an update that leaves a large value out, of a row that was not read yet, loses nothing', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(
      `CREATE TABLE t (id int PRIMARY KEY, tag text, note text, value text); INSERT INTO t SELECT n, 'tag' || n, 'old', ${big('n')} FROM generate_series(1, 20) n`,
    );
    const run = await bench.prepare({ SNAPSHOT_CHUNK_SIZE: '1000' });
    // While the first record waits to be taken, the chunk is read and its mark written; then the stream brings the updates.
    run.hold();
    await bench.query(`UPDATE t SET note = 'first' WHERE id = 1`);
    run.start();
    await run.until(() => run.records.length > 0, 'a first record');
    await bench.until(
      `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = '${bench.name}' AND query LIKE 'SELECT pg_logical_emit_message%' AND state = 'idle'`,
    );
    await bench.query(`UPDATE t SET note = 'later' WHERE id > 10`);
    run.release();
    await bench.snapshotDone(run);
    const { source, target } = await bothSides(bench, run);
    expect(target).toEqual(source);
  });

  test('is not taken in by a table that is rewritten at that moment', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, tag int); INSERT INTO t SELECT n, n FROM generate_series(1, 20) n`);
    const run = await bench.prepare();
    const session = await bench.session();
    await session.query('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    run.start();
    await bench.until(`SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass`);
    await session.query('ALTER TABLE t ALTER tag TYPE bigint; COMMIT');
    session.release();
    await bench.snapshotDone(run);
    expect(run.reads('public.t').map(({ after }) => after?.values())).toEqual(Array.from({ length: 20 }, (_, n) => [n + 1, n + 1]));
  });

  test('goes on without a table that is dropped before its turn', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)');
    const run = await bench.prepare();
    await bench.query('DROP TABLE t');
    run.start();
    await bench.snapshotDone(run);
    expect(run.reads('public.u').length).toBe(1);
  });

  test('goes on after the last chunk that was stored when it was stopped in the middle', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, tag text); INSERT INTO t SELECT n, 'tag' || n FROM generate_series(1, 100) n`);
    const first = await bench.start(SMALL_CHUNKS);
    await first.until(() => first.reads('public.t').length >= 28, 'some chunks');
    const checkpoint = await first.stop();
    const stored = first.reads('public.t').length;
    expect(checkpoint.snapshot?.tables['public.t']).toMatchObject({ state: 'running', rows: stored });
    await bench.slotIsFree();
    await bench.query(`UPDATE t SET tag = 'changed' WHERE id IN (1, 50); DELETE FROM t WHERE id IN (2, 99)`);
    const second = await bench.start(SMALL_CHUNKS, checkpoint);
    await bench.snapshotDone(second);
    expect(second.reads('public.t')[0]?.after?.values()[0]).toBe(stored + 1);
    await bench.caughtUp(second);
    const rows = new Replay([...first.records, ...second.records]).rows('public.t');
    expect(rows.map(({ id, tag }) => ({ id, tag }))).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  });

  test('interrupted in the middle, it reads less than a chunk of each worker a second time', async () => {
    const [rows, chunk, workers] = [20_000, 500, 3];
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, tag text) WITH (autovacuum_enabled = false)`);
    await bench.query(`INSERT INTO t SELECT n, 'tag' || n FROM generate_series(1, ${rows}) n`);
    const settings = { SNAPSHOT_CHUNK_SIZE: String(chunk), SNAPSHOT_PARALLEL_WORKERS: String(workers) };
    const first = await bench.start(settings);
    await first.until(() => first.reads('public.t').length >= rows / 2, 'half of the table');
    const checkpoint = await first.stop();
    await bench.slotIsFree();
    const second = await bench.start(settings, checkpoint);
    await bench.snapshotDone(second);
    await second.stop();
    // A session's figures are there once it has ended.
    await bench.until(`SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '${bench.name}' AND application_name LIKE 'dbmazz%'`);
    const read = Number(await bench.value(`SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 't'`));
    expect(read).toBeGreaterThanOrEqual(rows);
    expect(read - rows).toBeLessThan(chunk * workers);
    const ids = [...first.reads('public.t'), ...second.reads('public.t')].map(({ after }) => after?.values()[0]);
    expect([ids.length, new Set(ids).size]).toEqual([rows, rows]);
    expect(second.reads('public.t').length).toBeGreaterThan(rows / 4);
  });

  test('SNAPSHOT_MODE=only ends by itself once the tables are read', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)');
    const run = await bench.start({ SNAPSHOT_MODE: 'only' });
    await run.ended;
    expect(run.reads('public.t').length).toBe(2);
  });

  test('a slot that was lost after a part of the snapshot is not silently made anew', async () => {
    await using bench = await PostgresBench.open();
    await bench.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)');
    const run = await bench.start({ SNAPSHOT_MODE: 'only' });
    await run.ended;
    await bench.slotIsFree();
    await bench.query(`SELECT pg_drop_replication_slot('${bench.slot}')`);
    await expect(bench.start({}, { position: null, snapshot: run.snapshot })).rejects.toMatchObject({ code: 'POSITION_LOST' });
  });

  test('rows much larger than the statistics say are taken in smaller chunks', async () => {
    await using bench = await PostgresBench.open();
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, value text); INSERT INTO t SELECT n, repeat('x', 400000) FROM generate_series(1, 150) n`);
    const run = await bench.start();
    await bench.snapshotDone(run);
    expect(run.reads('public.t').map(({ after }) => after?.values()[0])).toEqual(Array.from({ length: 150 }, (_, n) => n + 1));
    expect(run.largestBatch).toBeLessThan(40 * 1024 * 1024);
  });
});
