import { describe, expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay, valuesOf } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';

const STREAM_ONLY = { SNAPSHOT_MODE: 'never' };

const idsOf = (run: SourceRun, table: string) => run.changes(table).map(({ after }) => after && valuesOf(after)['id']);

/** A table that is to stop, and one beside it that is to go on. */
async function open(sql = 'CREATE TABLE t (id int PRIMARY KEY, n numeric(6, 2))'): Promise<PostgresBench> {
  const bench = await PostgresBench.open();
  await bench.query(`${sql}; CREATE TABLE u (id int PRIMARY KEY)`);
  return bench;
}

describe('a table stops, and all others go on,', () => {
  test.each([
    ['where a value is out of the range of its type', '', `INSERT INTO t VALUES (2, 'NaN')`, { code: 'VALUE_OUT_OF_RANGE', remedy: /DECIMAL_HANDLING=string/ }],
    ['at an update to such a value', '', `UPDATE t SET n = 'NaN'`, { code: 'VALUE_OUT_OF_RANGE', remedy: /DECIMAL_HANDLING/ }],
    [
      'at a timestamp that does not fit',
      'CREATE TABLE t (id int PRIMARY KEY, n timestamp)',
      `INSERT INTO t VALUES (2, '294247-01-11')`,
      { code: 'VALUE_OUT_OF_RANGE', remedy: /./ },
    ],
    [
      'at a new column of a type that cannot be carried',
      'CREATE TYPE pair AS (a int, b int); CREATE TABLE t (id int PRIMARY KEY, n int)',
      `ALTER TABLE t ADD p pair; INSERT INTO t VALUES (2, 2, '(1,2)')`,
      { code: 'TYPE_UNSUPPORTED', remedy: /EXCLUDE_COLUMNS=public.t.p/ },
    ],
    [
      'where it is renamed',
      '',
      'ALTER TABLE t RENAME TO w; INSERT INTO w VALUES (2, 2)',
      { code: 'TABLE_NOT_FOUND', message: /public.t was renamed to public.w/, remedy: /TABLES/ },
    ],
    [
      'where a column of EXCLUDE_COLUMNS is renamed, since it would now be published',
      'CREATE TABLE t (id int PRIMARY KEY, n int, secret text)',
      `ALTER TABLE t RENAME secret TO hidden; INSERT INTO t VALUES (2, 2, 's')`,
      { code: 'CONFIG_INVALID', message: /public.t.secret/, remedy: /EXCLUDE_COLUMNS/ },
    ],
  ] as const)('%s', async (_, table, sql, stop) => {
    await using bench = await open(table === '' ? undefined : table);
    const excluded = table.includes('secret') ? { EXCLUDE_COLUMNS: 'public.t.secret' } : {};
    const run = await bench.start({ ...STREAM_ONLY, ...excluded, TABLES: 'public.t,public.u' });
    await bench.query(`INSERT INTO t (id) VALUES (1)`);
    await bench.caughtUp(run);
    await bench.query(`BEGIN; INSERT INTO u VALUES (1); ${sql}; INSERT INTO u VALUES (2); COMMIT`);
    await bench.query('INSERT INTO u VALUES (3)');
    await bench.caughtUp(run);
    expect([idsOf(run, 'public.t'), idsOf(run, 'public.u')]).toEqual([[1], [1, 2, 3]]);
    const found = run.stopped['public.t'];
    expect([Object.keys(run.stopped), found?.code]).toEqual([['public.t'], stop.code]);
    expect(found?.remedy).toMatch(stop.remedy);
    if ('message' in stop) expect(found?.message).toMatch(stop.message);
    expect((await run.source.lag()).passedOver).toEqual({ 'public.t': 1 });
  });

  test('where the snapshot meets such a value; what it read before the error is forgotten, and the others are read', async () => {
    await using bench = await open();
    await bench.query(
      `INSERT INTO t SELECT n, CASE WHEN n = 5000 THEN 'NaN'::numeric ELSE 1 END FROM generate_series(1, 9000) n; INSERT INTO u SELECT generate_series(1, 3000)`,
    );
    const run = await bench.start({ SNAPSHOT_MODE: 'only', SNAPSHOT_CHUNK_SIZE: '1000', SNAPSHOT_PARALLEL_WORKERS: '1' });
    await run.ended;
    expect(run.stopped['public.t']).toMatchObject({ code: 'VALUE_OUT_OF_RANGE' });
    expect([run.reads('public.u').length, run.reads('public.t').length < 5000]).toEqual([3000, true]);
    expect(Object.keys(run.snapshot?.tables ?? {})).toEqual(['public.u']);
  });

  test('where a table without a key has such a value', async () => {
    await using bench = await open('CREATE TABLE t (id int, n numeric(6, 2)); ALTER TABLE t REPLICA IDENTITY FULL');
    await bench.query(`INSERT INTO t VALUES (1, 'NaN'); INSERT INTO u VALUES (1)`);
    const run = await bench.start();
    await run.until(() => run.snapshot?.tables['public.u']?.state === 'done', 'the other table');
    await bench.query('INSERT INTO t VALUES (2, 2); INSERT INTO u VALUES (2)');
    await bench.caughtUp(run);
    expect([Object.keys(run.stopped), idsOf(run, 'public.t'), idsOf(run, 'public.u')]).toEqual([['public.t'], [], [2]]);
  });
});

describe('a table that has stopped', () => {
  test('stays so after a restart, from the same change on: what stands before it in its transaction comes again', async () => {
    await using bench = await open();
    const run = await bench.start(STREAM_ONLY);
    run.acknowledges = false;
    await bench.query(
      `BEGIN; INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1); INSERT INTO t VALUES (2, 'NaN'), (3, 3); INSERT INTO u VALUES (2); COMMIT`,
    );
    await bench.caughtUp(run);
    const { stopped } = await run.stop();
    const middle = run.changes('public.u')[0]?.position ?? null;
    await bench.slotIsFree();
    const next = await bench.start(STREAM_ONLY, { position: middle, snapshot: null, stopped });
    await bench.query('INSERT INTO t VALUES (4, 4); INSERT INTO u VALUES (4)');
    await bench.caughtUp(next);
    const again = next.emitted.flatMap((record) => ('after' in record ? [[record.table.name, record.after?.values()[0], record.position.ordinal]] : []));
    expect(again).toEqual([
      ['t', 1, 1],
      ['u', 1, 2],
      ['u', 2, 5],
      ['u', 4, 2],
    ]);
    expect([next.stopped, (await next.source.lag()).passedOver]).toEqual([stopped, { 'public.t': 3 }]);
  });

  test('begins anew once the setting has changed that it needed: a truncate, then all of its rows', async () => {
    await using bench = await open();
    await bench.query('INSERT INTO t SELECT n, n FROM generate_series(1, 300) n');
    const run = await bench.start();
    await bench.snapshotDone(run);
    await bench.query(`UPDATE t SET n = 'NaN' WHERE id = 5; DELETE FROM t WHERE id > 200`);
    await bench.caughtUp(run);
    expect(Object.keys(run.stopped)).toEqual(['public.t']);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    const next = await bench.start({ DECIMAL_HANDLING: 'string', SNAPSHOT_CHUNK_SIZE: '50' }, checkpoint);
    await bench.query(`INSERT INTO t VALUES (1000, 'NaN')`);
    await bench.snapshotDone(next);
    await bench.query('UPDATE t SET n = 7 WHERE id = 1000');
    await bench.caughtUp(next);
    expect(next.stopped).toEqual({});
    expect(next.records.filter(({ kind }) => kind === 'truncate')).toHaveLength(1);
    const rows = await bench.query(`SELECT id, n::text FROM t ORDER BY id`);
    expect(new Replay([...run.records, ...next.records]).rows('public.t')).toEqual(rows);
  });

  test('begins anew when a start is told so, after it was put right in the database', async () => {
    await using bench = await open();
    const run = await bench.start();
    await bench.snapshotDone(run);
    await bench.query(`INSERT INTO t VALUES (1, 1), (2, 'NaN')`);
    await bench.caughtUp(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    await bench.query('UPDATE t SET n = 2 WHERE id = 2');
    const next = await bench.start({ ON_STOPPED_TABLE: 'snapshot' }, checkpoint);
    await bench.query('INSERT INTO t VALUES (3, 3)');
    await bench.snapshotDone(next);
    await bench.caughtUp(next);
    const ended = await bench.query('SELECT id, n::text FROM t ORDER BY id');
    expect([next.stopped, new Replay([...run.records, ...next.records]).rows('public.t')]).toEqual([{}, ended]);
  });

  describe('begins anew when a signal asks for it', () => {
    let offset = 0;
    const ask = async (run: SourceRun, tables: readonly string[], where: string | null = null) =>
      run.source.signal?.({ id: `request ${++offset}`, type: 'snapshot', tables, where, keys: [], offset });
    const answer = (run: SourceRun) => run.snapshot?.requests?.find(({ id }) => id === `request ${offset}`);

    async function openStopped(settings: Readonly<Record<string, string>> = {}, sql?: string) {
      const bench = await open(sql);
      await bench.query('INSERT INTO t SELECT n, n FROM generate_series(1, 300) n; INSERT INTO u VALUES (1)');
      const run = await bench.start(settings);
      if (settings['SNAPSHOT_MODE'] === undefined) await bench.snapshotDone(run);
      await bench.query(`UPDATE t SET n = 'NaN' WHERE id = 5; DELETE FROM t WHERE id > 200`);
      await bench.caughtUp(run);
      expect(Object.keys(run.stopped)).toEqual(['public.t']);
      return { bench, run, [Symbol.asyncDispose]: async () => bench[Symbol.asyncDispose]() };
    }

    /** The source as it sets up anew by itself. */
    async function again({ bench, run }: Awaited<ReturnType<typeof openStopped>>, settings: Readonly<Record<string, string>> = {}): Promise<SourceRun> {
      const checkpoint = await run.stop();
      await bench.slotIsFree();
      return bench.start(settings, checkpoint);
    }

    test('behind a truncate, while the others go on; the request is done once all of it is read', async () => {
      await using all = await openStopped();
      const { bench, run } = all;
      await bench.query('UPDATE t SET n = 7 WHERE id = 5');
      await expect(ask(run, ['public.t'])).rejects.toMatchObject({ code: 'SETUP_CHANGED', action: 'retry' });
      expect([run.stopped, answer(run)]).toMatchObject([{}, { state: 'waiting', tables: ['public.t'] }]);
      await bench.query('INSERT INTO t VALUES (1000, 1); DELETE FROM t WHERE id = 1; INSERT INTO u VALUES (2)');
      const next = await again(all, { SNAPSHOT_CHUNK_SIZE: '50' });
      await bench.query('UPDATE t SET n = 8 WHERE id = 1000');
      await bench.snapshotDone(next);
      await bench.caughtUp(next);
      expect(answer(next)).toMatchObject({ state: 'done', rows: next.reads('public.t').length });
      const records = [...run.records, ...next.records];
      expect(records.filter(({ kind }) => kind === 'truncate')).toHaveLength(1);
      expect(new Replay(records).rows('public.t')).toEqual(await bench.query('SELECT id, n::text FROM t ORDER BY id'));
      expect([idsOf(next, 'public.u'), next.reads('public.u').length]).toEqual([[2], 0]);
    });

    test('also where no first snapshot was wanted, and where it has no key', async () => {
      await using all = await openStopped(STREAM_ONLY, 'CREATE TABLE t (id int, n numeric(6, 2)); ALTER TABLE t REPLICA IDENTITY FULL');
      const { bench, run } = all;
      await bench.query('UPDATE t SET n = 7 WHERE id = 5');
      await expect(ask(run, ['public.*'])).rejects.toMatchObject({ code: 'SETUP_CHANGED' });
      const next = await again(all, STREAM_ONLY);
      await next.until(() => answer(next)?.state === 'done', 'the request');
      await bench.caughtUp(next);
      expect(next.reads('public.t')).toHaveLength(200);
    });

    test('and is refused where its cause is still there, and with a condition', async () => {
      await using all = await openStopped();
      const { run } = all;
      await ask(run, ['public.t'], 'id < 5');
      expect(answer(run)).toMatchObject({ state: 'refused', reason: 'public.t has stopped: it is read anew as a whole, or not at all' });
      await expect(ask(run, ['public.t'])).rejects.toMatchObject({ code: 'SETUP_CHANGED' });
      const next = await again(all);
      await next.until(() => next.stopped['public.t'] !== undefined, 'the table to stop again');
      await next.until(() => answer(next)?.state === 'refused', 'the answer');
      expect(answer(next)).toMatchObject({ reason: 'public.t was stopped' });
    });
  });

  test('stays stopped where the setting that changed bears on nothing that is carried, and is forgotten where TABLES leaves it out', async () => {
    await using bench = await open();
    const run = await bench.start(STREAM_ONLY);
    await bench.query(`INSERT INTO t VALUES (1, 'NaN')`);
    await bench.caughtUp(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    const second = await bench.start({ ...STREAM_ONLY, HEARTBEAT_INTERVAL_MS: '2000' }, checkpoint);
    await bench.query('INSERT INTO t VALUES (2, 2)');
    await bench.caughtUp(second);
    expect([idsOf(second, 'public.t'), second.stopped]).toEqual([[], checkpoint.stopped]);
    const after = await second.stop();
    await bench.slotIsFree();
    const third = await bench.start({ ...STREAM_ONLY, TABLES: 'public.u' }, after);
    await bench.caughtUp(third);
    expect(third.stopped).toEqual({});
  });

  test('whose excluded column was renamed while the source was down is not published either, neither by stream nor by snapshot', async () => {
    await using bench = await open('CREATE TABLE t (id int PRIMARY KEY, secret text)');
    const settings = { EXCLUDE_COLUMNS: 'public.t.secret' };
    const run = await bench.start(settings);
    await bench.snapshotDone(run);
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    await bench.query(`ALTER TABLE t RENAME secret TO hidden; INSERT INTO t VALUES (1, 's')`);
    const next = await bench.start(settings, checkpoint);
    await bench.caughtUp(next);
    expect([next.changes('public.t'), next.stopped]).toMatchObject([[], { 'public.t': { code: 'CONFIG_INVALID' } }]);
    const anew = await bench.start({ ...settings, SOURCE_NAME: `${bench.name}_2`, TABLES: 'public.t,public.u' });
    await anew.until(() => anew.stopped['public.t'] !== undefined, 'the snapshot to refuse the table');
    expect(anew.reads('public.t')).toEqual([]);
  });
});
