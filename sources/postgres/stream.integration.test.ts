import { describe, expect, test } from 'vitest';
import { comparePositions, type SourcePosition } from '../../shared/record/position.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';

const STREAM_ONLY = { SNAPSHOT_MODE: 'never' };

const told = (run: SourceRun) => run.records.map(({ kind, position }) => `${kind} ${position.ordinal}`);

async function table(): Promise<PostgresBench> {
  const bench = await PostgresBench.open();
  await bench.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
  return bench;
}

/** Ends the connections of the source other than the replication stream. */
async function cutQueries(bench: PostgresBench): Promise<void> {
  await bench.query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'dbmazz %' AND backend_type = 'client backend'`,
    [bench.name],
  );
}

describe('transactions', () => {
  test('come whole, in the order of their commits, and only if they were committed', async () => {
    await using bench = await table();
    const run = await bench.start(STREAM_ONLY);
    const [early, rolledBack] = [await bench.session(), await bench.session()];
    await early.query('BEGIN; INSERT INTO t VALUES (1)');
    await rolledBack.query('BEGIN; INSERT INTO t VALUES (2); ROLLBACK');
    await bench.query('BEGIN; INSERT INTO t VALUES (3), (4); SAVEPOINT a; INSERT INTO t VALUES (5); ROLLBACK TO a; DELETE FROM t WHERE id = 4; COMMIT');
    await early.query('COMMIT');
    for (const session of [early, rolledBack]) session.release();
    await bench.caughtUp(run);
    expect(told(run)).toEqual(['begin 0', 'insert 1', 'insert 2', 'delete 3', 'commit 4', 'begin 0', 'insert 1', 'commit 2', 'begin 0', 'commit 1']);
    const places = run.records.map(({ position }) => position);
    expect(places.toSorted(comparePositions)).toEqual(places);
  });

  test('of 300,000 rows pass through in small pieces, and wait where nobody takes them', async () => {
    await using bench = await table();
    const run = await bench.start(STREAM_ONLY);
    run.hold();
    await bench.query(`INSERT INTO t SELECT n, 'some text ' || n FROM generate_series(1, 300000) n`);
    await bench.until(`SELECT bool_or(wait_event = 'WalSenderWriteData') FROM pg_stat_activity WHERE datname = '${bench.name}' AND backend_type = 'walsender'`);
    const untilThen = run.records.length;
    run.release();
    await bench.caughtUp(run);
    expect(untilThen).toBeLessThan(5000);
    expect(run.changes('public.t').length).toBe(300_000);
    expect(run.largestBatch).toBeLessThan(512 * 1024);
    expect(run.overlaps).toBe(0);
  });
});

describe('after a restart', () => {
  test('records that were not acknowledged come again with the same positions', async () => {
    await using bench = await table();
    const first = await bench.start(STREAM_ONLY);
    await bench.query('INSERT INTO t VALUES (1)');
    await bench.caughtUp(first);
    const acknowledged = first.checkpoint;
    first.acknowledges = false;
    await bench.query("INSERT INTO t VALUES (2), (3); UPDATE t SET v = 'x' WHERE id = 2");
    await bench.caughtUp(first);
    const before = first
      .changes('public.t')
      .slice(1)
      .map(({ kind, position }) => ({ kind, position }));
    await first.stop();
    await bench.slotIsFree();
    const second = await bench.start(STREAM_ONLY, acknowledged);
    await bench.caughtUp(second);
    expect(second.changes('public.t').map(({ kind, position }) => ({ kind, position }))).toEqual(before);
  });

  test('from a position inside a transaction, that transaction comes from its beginning', async () => {
    await using bench = await table();
    const first = await bench.start(STREAM_ONLY);
    first.acknowledges = false;
    await bench.query('INSERT INTO t VALUES (1), (2), (3), (4)');
    await bench.caughtUp(first);
    await first.stop();
    await bench.slotIsFree();
    const middle = first.changes('public.t')[1]?.position as SourcePosition;
    const second = await bench.start(STREAM_ONLY, { position: middle, snapshot: null });
    await bench.caughtUp(second);
    expect(second.emitted.slice(0, 6).map(({ kind, position }) => `${kind} ${position.ordinal}`)).toEqual([
      'begin 0',
      'insert 1',
      'insert 2',
      'insert 3',
      'insert 4',
      'commit 5',
    ]);
    expect(second.changes('public.t').map(({ after }) => after?.values()[0])).toEqual([3, 4]);
  });

  test('from a position inside a transaction, its end is stored before the slot may forget it', async () => {
    await using bench = await table();
    const first = await bench.start(STREAM_ONLY);
    await bench.caughtUp(first);
    const { log } = first.checkpoint;
    first.acknowledges = false;
    await bench.query('INSERT INTO t VALUES (1), (2), (3), (4)');
    await bench.query(`INSERT INTO t SELECT n, 'some text ' || n FROM generate_series(5, 100000) n`);
    await bench.caughtUp(first);
    await first.stop();
    await bench.slotIsFree();
    // It ends within the second transaction, which has no place of its own yet.
    const second = await bench.prepare(STREAM_ONLY, { position: first.changes('public.t')[1]?.position as SourcePosition, snapshot: null, log });
    second.start();
    // One batch after the other.
    await second.until(() => {
      second.release();
      second.hold();
      return second.records.some(({ kind }) => kind === 'commit');
    }, 'the end of the transaction');
    second.acknowledges = false;
    const { checkpoint } = second;
    await second.stop();
    await bench.slotIsFree();
    const third = await bench.start(STREAM_ONLY, checkpoint);
    await bench.caughtUp(third);
    expect(third.changes('public.t').at(-1)?.after?.values()[0]).toBe(100_000);
  });

  test('a slot that is gone means history lost, not a new beginning', async () => {
    await using bench = await table();
    const run = await bench.start(STREAM_ONLY);
    await bench.query('INSERT INTO t VALUES (1)');
    await bench.caughtUp(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    await bench.query(`SELECT pg_drop_replication_slot('${bench.slot}')`);
    await expect(bench.start(STREAM_ONLY, checkpoint)).rejects.toMatchObject({ code: 'POSITION_LOST', exitCode: 4 });
  });

  test('a slot that another process streams from is waited for', async () => {
    await using bench = await table();
    const first = await bench.start(STREAM_ONLY);
    await bench.caughtUp(first);
    const second = await bench.start(STREAM_ONLY, first.checkpoint);
    await expect(second.ended).rejects.toMatchObject({ code: 'SLOT_IN_USE', action: 'retry' });
  });
});

describe('what the slot may forget', () => {
  const confirmed = async (bench: PostgresBench) => bench.value(`SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '${bench.slot}'`);
  const isConfirmed = (bench: PostgresBench, lsn: string) =>
    bench.until(`SELECT confirmed_flush_lsn >= '${lsn}' FROM pg_replication_slots WHERE slot_name = '${bench.slot}'`);

  test('never passes what was acknowledged, heartbeats and idle times included', async () => {
    await using bench = await table();
    const run = await bench.start({ ...STREAM_ONLY, HEARTBEAT_INTERVAL_MS: '100' });
    await bench.query('INSERT INTO t VALUES (1)');
    await bench.caughtUp(run);
    run.acknowledges = false;
    const before = run.records.length;
    await bench.query('INSERT INTO t VALUES (2)');
    await run.until(() => run.records.slice(before).filter(({ kind }) => kind === 'heartbeat').length >= 5, 'some heartbeats');
    const commit = run.records.slice(before).find(({ kind }) => kind === 'commit');
    // Up to the commit everything may be forgotten: other databases write to the same log, and idle times move on with it.
    expect(await bench.value(`SELECT '${await confirmed(bench)}'::pg_lsn <= '${commit?.position.transaction}'::pg_lsn`)).toBe('true');
    run.acknowledge(commit?.position ?? null);
    await isConfirmed(bench, String(commit?.position.transaction));
    const heartbeat = run.records
      .slice(before)
      .find(({ kind, position }) => kind === 'heartbeat' && comparePositions(position, commit?.position ?? position) > 0);
    expect(await bench.value(`SELECT '${await confirmed(bench)}'::pg_lsn <= '${heartbeat?.position.transaction}'::pg_lsn`)).toBe('true');
  });

  test('goes on while this database is quiet and another one is busy', async () => {
    await using bench = await table();
    await using busy = await table();
    const run = await bench.start({ ...STREAM_ONLY, HEARTBEAT_INTERVAL_MS: '100' });
    await bench.caughtUp(run);
    await busy.query(`INSERT INTO t SELECT n, 'x' FROM generate_series(1, 10000) n`);
    await isConfirmed(bench, await busy.value('SELECT pg_current_wal_lsn()'));
    expect(run.changes('public.t')).toEqual([]);
    expect((await run.source.lag()).bytes).toBeLessThan(1_000_000);
  });
});

describe('when something ends', () => {
  test('a stop does not wait for a record that nobody takes, and nothing comes after it', async () => {
    await using bench = await table();
    const run = await bench.start(STREAM_ONLY);
    // What it hands on then has no record, and is not what is to be held.
    await run.until(() => run.isPastSetup, 'the end of its start');
    const before = run.records.length;
    run.hold();
    await bench.query(`INSERT INTO t SELECT n FROM generate_series(1, 10000) n`);
    await run.until(() => run.records.length > before, 'a first record');
    await run.source.stop();
    await run.ended;
    const count = run.emitted.length;
    run.release();
    await bench.slotIsFree();
    expect(run.emitted.length).toBe(count);
  });

  test('a lost connection is one that is tried again, whichever it was', async () => {
    await using bench = await table();
    const run = await bench.start(STREAM_ONLY);
    await bench.caughtUp(run);
    await cutQueries(bench);
    await bench.query(`ALTER TABLE t ADD w int; INSERT INTO t VALUES (1)`);
    await expect(run.ended).rejects.toMatchObject({ code: 'CONNECTION_LOST', action: 'retry' });
    await bench.slotIsFree();
    const next = await bench.start(STREAM_ONLY, run.checkpoint);
    await bench.caughtUp(next);
    await bench.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1`, [bench.slot]);
    await expect(next.ended).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });
});

test('settings of the database, the role and the URL do not change how values are read', async () => {
  await using bench = await PostgresBench.open();
  await bench.query(`CREATE TABLE t (id int PRIMARY KEY, d date, ts timestamptz, i interval, b bytea, f float8, m text)`);
  for (const setting of [
    `datestyle = 'SQL, DMY'`,
    `intervalstyle = 'iso_8601'`,
    `timezone = 'Asia/Kathmandu'`,
    `bytea_output = 'escape'`,
    'extra_float_digits = 0',
    `client_encoding = 'LATIN1'`,
    `statement_timeout = '1ms'`,
  ]) {
    await bench.query(`ALTER DATABASE ${bench.name} SET ${setting}`);
  }
  const url = `${bench.url}?options=${encodeURIComponent('-c datestyle=German -c search_path=nowhere')}`;
  const row = `DATE '2024-03-01', TIMESTAMPTZ '2024-03-01 00:00:00+00', INTERVAL '1 day', '\\x00ff'::bytea, 0.1::float8 + 0.2::float8, 'ž'`;
  await bench.query(`INSERT INTO t SELECT 1, ${row}`);
  const run = await bench.start({ SOURCE_URL: url });
  await bench.snapshotDone(run);
  await bench.query(`INSERT INTO t SELECT 2, ${row}`);
  await bench.caughtUp(run);
  const values = [...run.reads('public.t'), ...run.changes('public.t')].map(({ after }) => after?.values().slice(1));
  const expected = [19_783, 1_709_251_200_000_000, '1 day', Buffer.from([0, 255]), 0.30000000000000004, 'ž'];
  expect(values).toEqual([expected, expected]);
});
