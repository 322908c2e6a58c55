import { expect, test } from 'vitest';
import { OwnPostgres } from '../../test/contract/own-postgres.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';

const STREAM_ONLY = { SNAPSHOT_MODE: 'never' };

const ids = (run: SourceRun) => run.changes('public.t').map(({ after }) => after?.values()[0]);

test('a prepared transaction comes once, when it is committed; one that is rolled back never', async () => {
  await using server = await OwnPostgres.start({ settings: { max_prepared_transactions: '4' } });
  await using bench = await PostgresBench.open(server.url);
  await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
  const first = await bench.start(STREAM_ONLY);
  await bench.query(`BEGIN; INSERT INTO t VALUES (1), (2); PREPARE TRANSACTION 'kept'`);
  await bench.query(`BEGIN; INSERT INTO t VALUES (3); PREPARE TRANSACTION 'dropped'`);
  await bench.query('INSERT INTO t VALUES (4)');
  await bench.caughtUp(first);
  expect(ids(first)).toEqual([4]);
  // The restart lies between the two halves of both.
  const checkpoint = await first.stop();
  await bench.slotIsFree();
  const second = await bench.start(STREAM_ONLY, checkpoint);
  await bench.query(`COMMIT PREPARED 'kept'`);
  await bench.query(`ROLLBACK PREPARED 'dropped'`);
  await bench.query('INSERT INTO t VALUES (5)');
  await bench.caughtUp(second);
  expect(ids(second)).toEqual([1, 2, 5]);
});

test('rows that one entry of the log holds together have positions of their own, and a restart among them loses and repeats none', async () => {
  await using bench = await PostgresBench.open();
  await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
  const first = await bench.start(STREAM_ONLY);
  first.acknowledges = false;
  // COPY writes many rows as one entry.
  await bench.query(`COPY t FROM PROGRAM 'seq 1 500'`);
  await bench.caughtUp(first);
  await first.stop();
  await bench.slotIsFree();
  const changes = first.changes('public.t');
  expect(new Set(changes.map(({ position }) => `${position.transaction}#${position.ordinal}`)).size).toBe(500);
  const second = await bench.start(STREAM_ONLY, { position: changes[249]?.position ?? null, snapshot: null });
  await bench.caughtUp(second);
  expect(ids(second)).toEqual(Array.from({ length: 250 }, (_, n) => 251 + n));
});

test('hundreds of subtransactions, nested and rolled back in part, come as what is left of them', async () => {
  await using bench = await PostgresBench.open();
  await bench.query('CREATE TABLE t (id int PRIMARY KEY, v int)');
  const run = await bench.start(STREAM_ONLY);
  const steps = Array.from({ length: 300 }, (_, n) => {
    const undo = n % 3 === 0 ? `ROLLBACK TO s${n}` : n % 3 === 1 ? `RELEASE s${n}` : '';
    return `SAVEPOINT s${n}; INSERT INTO t VALUES (${n}, ${n}); UPDATE t SET v = v + 1 WHERE id < 5; ${undo}`;
  });
  await bench.query(`BEGIN; ${steps.join('; ')}; COMMIT`);
  await bench.caughtUp(run);
  expect(new Replay(run.records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  expect(run.records.filter(({ kind }) => kind === 'begin').length).toBe(2);
});
