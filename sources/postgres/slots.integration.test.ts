import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installedVersions, OwnPostgres } from '../../test/contract/own-postgres.ts';
import { administer, PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import type { Checkpoint } from '../../shared/connector/source.ts';
import { Replay } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';
import { formatBigLsn, parseLsn } from './parser.ts';

/** What befalls a slot, on a server of its own. */
let server: OwnPostgres;
beforeAll(async () => {
  server = await OwnPostgres.start();
});
afterAll(async () => server?.[Symbol.asyncDispose]());

/** Writes until the server has thrown away what the slot needs. */
async function loseSlot(bench: PostgresBench): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    await bench.query('SELECT pg_switch_wal(); CHECKPOINT; INSERT INTO filler SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 2000) n');
  }
  await bench.until(`CHECKPOINT; SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = '${bench.slot}'`);
}

async function open(): Promise<PostgresBench> {
  const bench = await PostgresBench.open(server.url);
  await bench.query(
    'CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE filler (id int, v text); INSERT INTO t SELECT n, n::text FROM generate_series(1, 500) n',
  );
  return bench;
}

async function openNeighbour(): Promise<PostgresBench> {
  const neighbour = await PostgresBench.open(server.url);
  await neighbour.query('CREATE TABLE busy (id int, v text)');
  return neighbour;
}

async function keepBusy(neighbour: PostgresBench, rows = 2000): Promise<void> {
  await neighbour.query(`INSERT INTO busy SELECT n, repeat('x', 500) FROM generate_series(1, ${rows}) n`);
}

const ONLY_T = { TABLES: 'public.t' };

/** As one was stored that did not yet say by which publication the log was read. */
function ofEarlierVersion(checkpoint: Checkpoint): Checkpoint {
  const { publication: _, ...place } = JSON.parse(checkpoint.log ?? '{}') as Record<string, unknown>;
  return { ...checkpoint, log: JSON.stringify(place) };
}

describe('a quiet database beside a busy one', () => {
  test('lets its slot move all the same, so that the server need not keep the log of the other', async () => {
    await server.run({});
    await using bench = await open();
    await using neighbour = await openNeighbour();
    const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never', HEARTBEAT_INTERVAL_MS: '100' });
    await bench.caughtUp(run);
    for (let turn = 0; turn < 3; turn++) {
      const before = await bench.value('SELECT pg_current_wal_lsn()');
      await keepBusy(neighbour);
      const after = await bench.value('SELECT pg_current_wal_lsn()');
      expect(parseLsn(after) - parseLsn(before)).toBeGreaterThan(1_000_000n);
      await bench.until(`SELECT confirmed_flush_lsn >= '${after}' FROM pg_replication_slots WHERE slot_name = '${bench.slot}'`);
    }
    expect(run.records.some((record) => record.kind === 'heartbeat')).toBe(true);
    expect(run.changes('public.t')).toEqual([]);
  });
});

describe('the health of a slot', () => {
  test('is told in bytes, with the budget of the server, while it streams and while it does not', async () => {
    await server.run({ max_slot_wal_keep_size: '64MB' });
    await using bench = await open();
    const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never', HEARTBEAT_INTERVAL_MS: '60000' });
    await bench.caughtUp(run);
    const { slot } = await run.source.lag();
    expect(slot).toMatchObject({ name: bench.slot, isActive: true, budgetBytes: 64 * 1024 * 1024, status: 'reserved', invalidation: null });
    await run.stop();
    await bench.slotIsFree();
    const before = (await run.source.lag()).slot;
    await bench.query(`INSERT INTO filler SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n`);
    const { slot: after, bytes } = await run.source.lag();
    expect(after).toMatchObject({ isActive: false, confirmed: before?.confirmed, restart: before?.restart });
    expect([bytes ?? 0, (after?.current ?? 0) - (before?.current ?? 0)].every((grown) => grown > 20_000_000)).toBe(true);
    expect((before?.safeBytes ?? 0) - (after?.safeBytes ?? 0)).toBe((after?.current ?? 0) - (before?.current ?? 0));
    expect(after?.remedy).toContain('max_slot_wal_keep_size');
  });
});

describe('a slot whose log was removed', () => {
  beforeEach(async () => server.run({ max_slot_wal_keep_size: '1MB' }));

  test('is history lost, with the exact commands to begin anew', async () => {
    await using bench = await open();
    const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never' });
    await bench.caughtUp(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    await loseSlot(bench);
    expect(await bench.findings(ONLY_T)).toMatchObject([
      {
        severity: 'error',
        code: 'POSITION_LOST',
        message: `Replication slot ${bench.slot} is lost (wal_removed): changes are missing for good.`,
        remedy: expect.stringContaining(`SELECT pg_drop_replication_slot('${bench.slot}'); DROP PUBLICATION "${bench.slot}";`) as string,
      },
    ]);
    await expect(bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never' }, checkpoint)).rejects.toMatchObject({ code: 'POSITION_LOST', exitCode: 4 });
    expect((await run.source.lag()).slot).toMatchObject({ status: 'lost', invalidation: 'wal_removed', safeBytes: null });
  });

  test('is made anew where the user said so in advance: every table starts over, and the end is the table as it is', async () => {
    await using bench = await open();
    const run = await bench.start(ONLY_T);
    await bench.snapshotDone(run);
    await bench.query(`DELETE FROM t WHERE id <= 10; INSERT INTO t VALUES (1000, 'before')`);
    await bench.caughtUp(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    await bench.query(`DELETE FROM t WHERE id <= 100; UPDATE t SET v = 'missed' WHERE id = 300`);
    await loseSlot(bench);
    const settings = { ...ONLY_T, ON_SLOT_LOST: 'snapshot', SNAPSHOT_CHUNK_SIZE: '50' };
    expect(await bench.findings(settings)).toMatchObject([
      { severity: 'warning', code: 'POSITION_LOST', remedy: expect.stringContaining('ON_SLOT_LOST') as string },
    ]);
    const next = await bench.start(settings, checkpoint);
    await bench.query(`UPDATE t SET v = 'while it reads' WHERE id % 7 = 0; INSERT INTO t VALUES (2000, 'new')`);
    await bench.snapshotDone(next);
    await bench.query(`DELETE FROM t WHERE id = 2000`);
    await bench.caughtUp(next);
    const positions = next.records.filter(({ kind }) => kind === 'commit').map(({ position }) => position.transaction);
    expect(positions.every((position) => position > (checkpoint.position?.transaction ?? ''))).toBe(true);
    expect(new Replay([...run.records, ...next.records]).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  });

  test('is made anew whole where the process ended after the slot was made and before anything was read', async () => {
    await using bench = await open();
    const run = await bench.start(ONLY_T);
    await bench.snapshotDone(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    await bench.query('DELETE FROM t WHERE id <= 100');
    await loseSlot(bench);
    const settings = { ...ONLY_T, ON_SLOT_LOST: 'snapshot' };
    const ended = await bench.prepare(settings, checkpoint);
    const next = await bench.start(settings, ended.checkpoint);
    await bench.snapshotDone(next);
    await bench.caughtUp(next);
    expect(new Replay([...run.records, ...next.records]).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  });
});

describe('a slot that was dropped', () => {
  test('is made anew too, where the user said so, and never by itself', async () => {
    await server.run({});
    await using bench = await open();
    const run = await bench.start(ONLY_T);
    await bench.snapshotDone(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    await bench.query(`SELECT pg_drop_replication_slot('${bench.slot}'); DELETE FROM t WHERE id <= 100`);
    await expect(bench.start(ONLY_T, checkpoint)).rejects.toMatchObject({
      code: 'POSITION_LOST',
      remedy: expect.stringContaining('ON_SLOT_LOST=snapshot') as string,
    });
    const next = await bench.start({ ...ONLY_T, ON_SLOT_LOST: 'snapshot' }, checkpoint);
    await bench.snapshotDone(next);
    expect(new Replay([...run.records, ...next.records]).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  });

  test('ON_SLOT_LOST=snapshot and SNAPSHOT_MODE=never contradict each other', async () => {
    await using bench = await open();
    expect(() => bench.source({ ON_SLOT_LOST: 'snapshot', SNAPSHOT_MODE: 'never' })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

interface Stopped {
  readonly run: SourceRun;
  readonly checkpoint: Checkpoint;
}

/** A source that has read its tables, caught up, and stopped. */
async function runOnce(bench: PostgresBench, settings: Readonly<Record<string, string>> = ONLY_T): Promise<Stopped> {
  const run = await bench.start(settings);
  await bench.snapshotDone(run);
  await bench.caughtUp(run);
  const checkpoint = await run.stop();
  await bench.slotIsFree();
  return { run, checkpoint };
}

/** The next one begins anew where history was lost, and has the rows of the table then; gives where it has stopped. */
async function readAnew(bench: PostgresBench, { run, checkpoint }: Stopped): Promise<Checkpoint> {
  const next = await bench.start({ ...ONLY_T, ON_SLOT_LOST: 'snapshot' }, checkpoint);
  await bench.snapshotDone(next);
  await bench.query('DELETE FROM t WHERE id = 101');
  await bench.caughtUp(next);
  expect(new Replay([...run.records, ...next.records]).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  const later = await next.stop();
  await bench.slotIsFree();
  return later;
}

describe('a slot that was made anew by hand while the source was down', () => {
  /** A source that has stopped, a change that only the earlier slot had, and the new slot. */
  async function missedChange(bench: PostgresBench): Promise<Stopped> {
    await server.run({});
    const { run, checkpoint } = await runOnce(bench);
    await bench.query(`DELETE FROM t WHERE id <= 100`);
    await bench.query(`SELECT pg_drop_replication_slot($1)`, [bench.slot]);
    await bench.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [bench.slot]);
    return { run, checkpoint };
  }

  test('is history lost: what came between the two slots is in neither', async () => {
    await using bench = await open();
    const { checkpoint } = await missedChange(bench);
    await expect(bench.start(ONLY_T, checkpoint)).rejects.toMatchObject({
      code: 'POSITION_LOST',
      exitCode: 4,
      message: expect.stringMatching(
        new RegExp(`^Replication slot ${bench.slot} begins at [0-9A-F]{8}/[0-9A-F]{8}, but the topics of ${bench.name} `),
      ) as string,
      remedy: expect.stringContaining(`SELECT pg_drop_replication_slot('${bench.slot}'); DROP PUBLICATION "${bench.slot}";`) as string,
    });
  });

  test('is made anew once more where the user said so in advance: every table starts over', async () => {
    await using bench = await open();
    const { run, checkpoint } = await missedChange(bench);
    const later = await readAnew(bench, { run, checkpoint });
    await bench.start(ONLY_T, later);
  });

  test('goes on where the user vouches for it, and from there on as ever', async () => {
    await using bench = await open();
    const { checkpoint } = await missedChange(bench);
    const next = await bench.start({ ...ONLY_T, ON_SLOT_LOST: 'accept' }, checkpoint);
    await bench.query('DELETE FROM t WHERE id = 101');
    await bench.caughtUp(next);
    expect(next.changes('public.t')).toMatchObject([{ kind: 'delete' }]);
    const later = await next.stop();
    await bench.slotIsFree();
    await bench.start(ONLY_T, later);
  });

  test('is noticed before anything was published but a part of the snapshot', async () => {
    await server.run({});
    await using bench = await open();
    const run = await bench.start({ ...ONLY_T, SNAPSHOT_CHUNK_SIZE: '50', HEARTBEAT_INTERVAL_MS: '60000' });
    await run.until(() => run.snapshot !== null, 'a first chunk');
    const checkpoint = await run.stop();
    expect(checkpoint.position).toBeNull();
    await bench.slotIsFree();
    await bench.query(`SELECT pg_drop_replication_slot($1)`, [bench.slot]);
    await bench.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [bench.slot]);
    await expect(bench.start(ONLY_T, checkpoint)).rejects.toMatchObject({ code: 'POSITION_LOST' });
  });
});

describe('a publication that was made anew by hand while the source was down', () => {
  const versions = [['of the stack', undefined] as const, ...installedVersions().map(([version, binaries]) => [String(version), binaries] as const)];

  /** A source that has stopped, and a change that only a time without the publication has. */
  async function missedChange(bench: PostgresBench): Promise<Stopped> {
    const { run, checkpoint } = await runOnce(bench);
    await bench.query(`DROP PUBLICATION ${bench.slot}; DELETE FROM t WHERE id <= 100`);
    return { run, checkpoint };
  }

  const remake = async (bench: PostgresBench) => bench.query(`CREATE PUBLICATION ${bench.slot} FOR TABLE ONLY t WITH (publish_via_partition_root = true)`);

  describe.each(versions)('PostgreSQL %s', (_, binaries) => {
    let own: OwnPostgres;
    beforeAll(async () => {
      own = await OwnPostgres.start({ binaries });
    });
    afterAll(async () => own?.[Symbol.asyncDispose]());

    async function openOwn(): Promise<PostgresBench> {
      const bench = await PostgresBench.open(own.url);
      await bench.query('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, n::text FROM generate_series(1, 500) n');
      return bench;
    }

    test('is history lost, as a slot made anew is; read anew, or gone on from, where the user said so', async () => {
      await using bench = await openOwn();
      const { run, checkpoint } = await missedChange(bench);
      await remake(bench);
      await expect(bench.start(ONLY_T, checkpoint)).rejects.toMatchObject({
        code: 'POSITION_LOST',
        exitCode: 4,
        message: expect.stringMatching(/^Publication \S+ is another one than before/) as string,
        remedy: expect.stringContaining('ON_SLOT_LOST=snapshot') as string,
      });
      const later = await readAnew(bench, { run, checkpoint });
      const last = await bench.start(ONLY_T, later);
      await bench.caughtUp(last);
      expect(last.records.filter(({ kind }) => kind === 'truncate')).toEqual([]);
    });

    test('is gone on from where the user vouches for it, or where an earlier version has not stored which one it was', async () => {
      await using bench = await openOwn();
      const { checkpoint } = await runOnce(bench);
      await bench.query(`DROP PUBLICATION ${bench.slot}`);
      await remake(bench);
      const unknown = await bench.start(ONLY_T, ofEarlierVersion(checkpoint));
      await bench.caughtUp(unknown);
      await unknown.stop();
      await bench.slotIsFree();
      const vouched = await bench.start({ ...ONLY_T, ON_SLOT_LOST: 'accept' }, checkpoint);
      await bench.caughtUp(vouched);
      const later = await vouched.stop();
      await bench.slotIsFree();
      await bench.start(ONLY_T, later);
    });

    test('a table that was taken out of it and put back is read anew, and it alone', async () => {
      await using bench = await openOwn();
      await bench.query('CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)');
      const settings = { TABLES: 'public.t,public.u' };
      const { run, checkpoint } = await runOnce(bench, settings);
      await bench.query(`ALTER PUBLICATION ${bench.slot} DROP TABLE t; DELETE FROM t WHERE id <= 100`);
      await bench.query(`ALTER PUBLICATION ${bench.slot} ADD TABLE ONLY t`);
      const next = await bench.start(settings, checkpoint);
      await bench.snapshotDone(next);
      await bench.caughtUp(next);
      expect(new Replay([...run.records, ...next.records]).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
      expect([next.reads('public.t').length, next.reads('public.u').length]).toEqual([400, 0]);
      const later = await next.stop();
      await bench.slotIsFree();
      const last = await bench.start(settings, later);
      await bench.caughtUp(last);
      expect(last.reads('public.t')).toEqual([]);
    });

    test('also while it runs: the source sets up anew', async () => {
      await using bench = await openOwn();
      const settings = { ...ONLY_T, HEARTBEAT_INTERVAL_MS: '100' };
      const run = await bench.start(settings);
      await bench.snapshotDone(run);
      await bench.query(`BEGIN; ALTER PUBLICATION ${bench.slot} DROP TABLE t; ALTER PUBLICATION ${bench.slot} ADD TABLE ONLY t; COMMIT`);
      await expect(run.ended).rejects.toMatchObject({ code: 'SETUP_CHANGED', message: expect.stringContaining('public.t anew') as string });
      await bench.slotIsFree();
      const next = await bench.start(settings, run.checkpoint);
      await bench.snapshotDone(next);
      expect(next.reads('public.t')).toHaveLength(500);
      await bench.query(`DROP PUBLICATION ${bench.slot}`);
      await expect(next.ended).rejects.toMatchObject({ code: 'SETUP_CHANGED', message: expect.stringContaining('is gone') as string });
    });

    test('is history lost too where it is missing and nothing is to be read', async () => {
      await using bench = await openOwn();
      const settings = { ...ONLY_T, SNAPSHOT_MODE: 'never' };
      const run = await bench.start(settings);
      await bench.caughtUp(run);
      const checkpoint = await run.stop();
      await bench.slotIsFree();
      await bench.query(`DROP PUBLICATION ${bench.slot}`);
      await expect(bench.start(settings, checkpoint)).rejects.toMatchObject({ code: 'POSITION_LOST', message: expect.stringContaining('is gone') as string });
    });
  });
});

describe('a slot that is lost between the set-up and the stream', () => {
  test.each([
    ['stop', 'POSITION_LOST', 'stop'],
    ['snapshot', 'SETUP_CHANGED', 'retry'],
  ])('ends the run with ON_SLOT_LOST=%s by %s', async (ON_SLOT_LOST, code, action) => {
    await server.run({});
    await using bench = await open();
    const settings = { ...ONLY_T, ON_SLOT_LOST };
    const run = await bench.prepare(settings);
    await bench.query(`SELECT pg_drop_replication_slot($1)`, [bench.slot]);
    run.start();
    await expect(run.ended).rejects.toMatchObject({ code, action });
  });

  // From PostgreSQL 18 on, changes from before the publication was made are passed over.
  const [, binaries] = installedVersions().find(([version]) => version < 18) ?? [];

  test.skipIf(binaries === undefined)(
    'is made anew by the next set-up, where its log cannot be read for want of the publication that was there then',
    async () => {
      await using own = await OwnPostgres.start({ binaries });
      await using bench = await PostgresBench.open(own.url);
      await bench.query('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n FROM generate_series(1, 10) n');
      const { run, checkpoint } = await runOnce(bench);
      await bench.query(`DROP PUBLICATION ${bench.slot}; DELETE FROM t WHERE id <= 5`);
      const stopped = await bench.start(ONLY_T, checkpoint);
      await expect(stopped.ended).rejects.toMatchObject({
        code: 'POSITION_LOST',
        exitCode: 4,
        remedy: expect.stringContaining('ON_SLOT_LOST=snapshot') as string,
      });
      await bench.slotIsFree();
      const settings = { ...ONLY_T, ON_SLOT_LOST: 'snapshot' };
      const unread = await bench.start(settings, ofEarlierVersion(stopped.checkpoint));
      await expect(unread.ended).rejects.toMatchObject({ code: 'SETUP_CHANGED', action: 'retry' });
      const next = await bench.start(settings, unread.checkpoint);
      await bench.snapshotDone(next);
      const records = [...run.records, ...stopped.records, ...unread.records, ...next.records];
      expect(new Replay(records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
    },
  );
});

describe('a slot that we have moved ourselves', () => {
  test('never stands behind what is stored, whatever moved it: changes, heartbeats, other databases, a server that shuts down', async () => {
    await server.run({});
    await using bench = await open();
    await using neighbour = await openNeighbour();
    const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never', HEARTBEAT_INTERVAL_MS: '60000' });
    const settings = { ...ONLY_T, SNAPSHOT_MODE: 'never' };
    await bench.query('DELETE FROM t WHERE id = 1');
    await bench.caughtUp(run);
    const before = await bench.value('SELECT pg_current_wal_lsn()');
    await keepBusy(neighbour);
    await bench.until(`SELECT confirmed_flush_lsn > '${before}' FROM pg_replication_slots WHERE slot_name = '${bench.slot}'`);
    await keepBusy(neighbour);
    // The server waits until all of its log is confirmed.
    await server.run({});
    await expect(run.ended).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    const next = await bench.start(settings, run.checkpoint);
    await bench.caughtUp(next);
    expect(next.changes('public.t')).toEqual([]);
  });

  test('keeps no transaction from the topics at every sign of life: a busy neighbour costs one in ten seconds at most', async () => {
    await server.run({});
    await using bench = await open();
    await using neighbour = await openNeighbour();
    const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never', HEARTBEAT_INTERVAL_MS: '60000' });
    await bench.caughtUp(run);
    const before = run.records.length;
    for (let turn = 0; turn < 10; turn++) await keepBusy(neighbour, 200);
    await bench.caughtUp(run);
    expect(run.records.slice(before).filter(({ kind }) => kind === 'heartbeat').length).toBeLessThanOrEqual(1);
  });
});

test('another database cluster behind the same URL is noticed, wherever its log ends', async () => {
  await server.run({});
  await using bench = await open();
  const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never' });
  await bench.caughtUp(run);
  const checkpoint = { ...(await run.stop()), position: { transaction: '00000000/00000001', ordinal: 1 } };
  await using other = await PostgresBench.open();
  await other.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
  for (const ON_SLOT_LOST of ['stop', 'snapshot'] as const) {
    await expect(other.start({ ...ONLY_T, ON_SLOT_LOST }, checkpoint)).rejects.toMatchObject({
      code: 'POSITION_INVALID',
      exitCode: 4,
      message: expect.stringContaining('another cluster') as string,
    });
  }
});

describe('a standby that was promoted', () => {
  test('goes on where it had all that the topics have, and is history lost where it had not', async () => {
    await using own = await OwnPostgres.start();
    await using bench = await PostgresBench.open(own.url);
    await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
    const settings = { ...ONLY_T, SNAPSHOT_MODE: 'never' };
    const run = await bench.start(settings);
    await bench.query('INSERT INTO t VALUES (1)');
    await bench.caughtUp(run);
    const checkpoint = await run.stop();
    await own.remember();
    await own.run({});
    const ahead = await bench.start(settings, checkpoint);
    await bench.query('INSERT INTO t VALUES (2)');
    await bench.caughtUp(ahead);
    const lost = await ahead.stop();
    await own.restore();
    await bench.query('INSERT INTO t VALUES (3)');
    await bench.query('SELECT pg_switch_wal()');
    await expect(bench.start(settings, lost)).rejects.toMatchObject({
      code: 'POSITION_LOST',
      message: expect.stringContaining('of timeline 1, but the source is on timeline 2, which left it at') as string,
    });
    const next = await bench.start(settings, checkpoint);
    await bench.caughtUp(next);
    expect(next.changes('public.t').map(({ after }) => after?.values())).toEqual([[3]]);
  });
});

test('a slot that nobody used for too long is invalidated by PostgreSQL 18: history lost, with its reason', async () => {
  await server.run({ idle_replication_slot_timeout: '1s' });
  await using bench = await open();
  const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never' });
  await bench.caughtUp(run);
  await run.stop();
  await bench.slotIsFree();
  await bench.until(
    `SELECT pg_sleep(0.3); CHECKPOINT; SELECT invalidation_reason = 'idle_timeout' FROM pg_replication_slots WHERE slot_name = '${bench.slot}'`,
  );
  expect(await bench.findings(ONLY_T)).toMatchObject([
    { severity: 'error', code: 'POSITION_LOST', message: expect.stringContaining('idle_timeout') as string },
  ]);
});

test('a server whose log ends before the stored position is another one, or was restored: its changes are not taken for known ones', async () => {
  await server.run({});
  await using bench = await open();
  const ahead = formatBigLsn(parseLsn(await bench.value('SELECT pg_current_wal_lsn()')) + (1n << 32n));
  await expect(bench.start(ONLY_T, { position: { transaction: ahead, ordinal: 1 }, snapshot: null })).rejects.toMatchObject({
    code: 'POSITION_INVALID',
    exitCode: 4,
    message: expect.stringContaining(`stand at ${ahead}, but the log of the source ends at`) as string,
  });
});

describe('failover of a slot', () => {
  const failover = async (bench: PostgresBench) => bench.value(`SELECT failover FROM pg_replication_slots WHERE slot_name = '${bench.slot}'`);

  test('is on from PostgreSQL 17 on, unless the user says no', async () => {
    await server.run({});
    await using bench = await open();
    const run = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never' });
    expect(await failover(bench)).toBe('true');
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    const next = await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never', SOURCE_SLOT_FAILOVER: 'false' }, checkpoint);
    expect(await failover(bench)).toBe('false');
    await next.stop();
    await bench.slotIsFree();
    await administer(bench.url, `SELECT pg_drop_replication_slot('${bench.slot}')`);
    await bench.start({ ...ONLY_T, SNAPSHOT_MODE: 'never', SOURCE_SLOT_FAILOVER: 'false', SOURCE_NAME: bench.name });
    expect(await failover(bench)).toBe('false');
  });
});
