import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OwnPostgres } from '../../test/contract/own-postgres.ts';
import { administer, PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';
import { SEEN_NOW } from './visibility.ts';

/** What needs a server with settings of its own, or one that can be ended. */
let server: OwnPostgres;
beforeAll(async () => {
  server = await OwnPostgres.start();
});
afterAll(async () => server?.[Symbol.asyncDispose]());

const BIG = (seed: string) => `(SELECT string_agg(md5(${seed}::text || k), '') FROM generate_series(1, 120) k)`;

/** Commits of clients; the server's own may wait as well. */
const WAITING = `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'`;

/** The checkpointer puts the setting in force for all, a moment after each of them knows it: until then no commit waits. */
async function untilCommitsWait(bench: PostgresBench): Promise<void> {
  const session = await bench.session();
  for (let isInForce = false; !isInForce;) {
    let isOver = false;
    const probe = session.query(`SELECT pg_logical_emit_message(true, 'probe', '')`).finally(() => (isOver = true));
    while (!isOver && !isInForce) isInForce = (await bench.value(`SELECT EXISTS (${WAITING})`)) === 'true';
    if (isInForce) await bench.query(`SELECT pg_cancel_backend(pid) FROM (${WAITING}) AS w`);
    await probe;
  }
  session.release();
}

describe('a synchronous standby that does not answer', () => {
  // Commits are then in the log, and on the stream, and queries do not see them: for seconds, or as long as it takes.
  async function withHiddenCommit(bench: PostgresBench, sql: string, isEnough: (run: SourceRun) => Promise<void>): Promise<SourceRun> {
    const run = await bench.prepare({ SNAPSHOT_CHUNK_SIZE: '4' });
    await administer(server.url, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, 'SELECT pg_reload_conf()');
    try {
      await untilCommitsWait(bench);
      const session = await bench.session();
      const committed = session.query(sql).finally(() => session.release());
      await bench.until(`SELECT EXISTS (${WAITING})`);
      run.start();
      await isEnough(run);
      await administer(server.url, 'ALTER SYSTEM RESET synchronous_standby_names', 'SELECT pg_reload_conf()');
      await committed;
    } finally {
      await administer(server.url, 'ALTER SYSTEM RESET synchronous_standby_names', 'SELECT pg_reload_conf()');
    }
    await bench.snapshotDone(run);
    await bench.caughtUp(run);
    return run;
  }

  test.each([
    ['an update', `UPDATE t SET value = 'new', note = 'new' WHERE id IN (2, 9)`],
    ['an update without its large value', `UPDATE t SET note = 'new' WHERE id IN (2, 9)`],
    [
      'two updates, of which the first has the large value',
      `BEGIN; UPDATE t SET value = value || 'x' WHERE id = 2; UPDATE t SET note = 'new' WHERE id = 2; COMMIT`,
    ],
    ['a delete', 'DELETE FROM t WHERE id IN (2, 9)'],
  ])('hides %s from the snapshot, and yet every row ends as it is', async (_, sql) => {
    await using bench = await table();
    const run = await withHiddenCommit(bench, sql, async (running) => bench.snapshotDone(running));
    expect(new Replay(run.records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  });

  test.each([
    ['a changed key', 'UPDATE t SET id = 20 WHERE id = 2'],
    ['a key that another row had', 'BEGIN; DELETE FROM t WHERE id = 3; UPDATE t SET id = 3 WHERE id = 2; COMMIT'],
    ['a new column of a new type', `BEGIN; CREATE TYPE mood AS ENUM ('sad'); ALTER TABLE t ADD m mood; INSERT INTO t VALUES (11, 'new', 'new', 'sad'); COMMIT`],
  ])('hides %s from what the source asks, which waits for it', async (_, sql) => {
    await using bench = await table();
    const isAsking = `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = '${bench.name}' AND query = '${SEEN_NOW}' AND state = 'idle'`;
    const run = await withHiddenCommit(bench, sql, async () => bench.until(isAsking));
    expect(new Replay(run.records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  });

  async function table(): Promise<PostgresBench> {
    const bench = await PostgresBench.open(server.url);
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, note text, value text); INSERT INTO t SELECT n, 'old', ${BIG('n')} FROM generate_series(1, 10) n`);
    return bench;
  }
});

test('a server that ends and comes back is one to try again', async () => {
  await using bench = await PostgresBench.open(server.url);
  await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
  const run = await bench.start({ SNAPSHOT_MODE: 'never' });
  await bench.query('INSERT INTO t VALUES (1)');
  await bench.caughtUp(run);
  await server.kill();
  await expect(run.ended).rejects.toMatchObject({ code: 'CONNECTION_LOST', action: 'retry' });
  await expect(bench.findings()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  await server.run({});
  const next = await bench.start({ SNAPSHOT_MODE: 'never' }, run.checkpoint);
  await bench.query('INSERT INTO t VALUES (2)');
  await bench.caughtUp(next);
  expect(next.changes('public.t').map(({ after }) => after?.values()[0])).toEqual([2]);
});

test('a server that keeps too little log, and one without a free slot, are found before anything is made', async () => {
  await server.run({ wal_level: 'replica', max_wal_senders: '0' });
  await using bench = await PostgresBench.open(server.url);
  await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
  expect(await bench.findings()).toMatchObject([
    { code: 'SETUP_WAL_LEVEL', remedy: expect.stringContaining('ALTER SYSTEM SET wal_level = logical') as string },
  ]);
  await server.run({ max_replication_slots: '1' });
  await bench.query(`SELECT pg_create_physical_replication_slot('only_one')`);
  expect(await bench.findings()).toMatchObject([{ code: 'SETUP_LIMIT_REACHED' }]);
  await bench.query(`SELECT pg_drop_replication_slot('only_one')`);
  expect(await bench.findings()).toEqual([]);
  expect(await bench.query('SELECT pubname FROM pg_publication')).toEqual([]);
});

test('a managed service is told by its roles, and asked for what is missing in its own words', async () => {
  await server.run({ wal_level: 'replica', max_wal_senders: '0' });
  await using bench = await PostgresBench.open(server.url);
  await bench.query(
    `CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE rds_replication; CREATE ROLE "the reader" LOGIN PASSWORD 'hush'; GRANT SELECT ON t TO "the reader"`,
  );
  const SOURCE_URL = Object.assign(new URL(bench.url), { username: 'the%20reader', password: 'hush' }).href;
  const remedies = async () => (await bench.findings({ SOURCE_URL })).map(({ remedy }) => remedy);
  const [walLevel, replication] = await remedies();
  expect([walLevel?.includes('rds.logical_replication = 1'), replication]).toEqual([true, 'GRANT rds_replication TO "the reader";']);
  await bench.query(replication ?? '');
  await server.run({});
  expect(await remedies()).toEqual([expect.stringContaining('Let an administrator run: CREATE PUBLICATION')]);
  await bench.query('DROP OWNED BY "the reader"; DROP ROLE "the reader", rds_replication');
});
