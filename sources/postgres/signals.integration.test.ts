import { describe, expect, test } from 'vitest';
import type { Signal, SnapshotRequest } from '../../shared/connector/source.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';

const TABLES = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'old' FROM generate_series(1, 300) n;
  CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1), (2); CREATE TABLE keyless (a int); ALTER TABLE keyless REPLICA IDENTITY FULL`;

async function opened(settings: Record<string, string> = {}) {
  const bench = await PostgresBench.open();
  await bench.query(TABLES);
  const run = await bench.start({ SNAPSHOT_CHUNK_SIZE: '20', ...settings });
  if (settings['SNAPSHOT_MODE'] === undefined) await bench.snapshotDone(run);
  return { bench, run, before: run.reads('public.t').length, [Symbol.asyncDispose]: async () => bench[Symbol.asyncDispose]() };
}

let offset = 0;

async function tell(run: SourceRun, type: string, more: Partial<Signal> = {}): Promise<string> {
  const id = `request ${++offset}`;
  await run.source.signal?.({ id, type, tables: [], where: null, keys: [], offset, ...more });
  return id;
}

const answer = (run: SourceRun, id: string): SnapshotRequest | undefined => run.snapshot?.requests?.find((request) => request.id === id);
const over = async (run: SourceRun, id: string) => run.until(() => !['waiting', 'running', undefined].includes(answer(run, id)?.state), 'the end of a request');

describe('a snapshot that was asked for', () => {
  test('reads the tables again beside the stream, with the changes that come meanwhile', async () => {
    await using all = await opened();
    const { bench, run, before } = all;
    const id = await tell(run, 'snapshot', { tables: ['public.t', 'public.u'] });
    await bench.query(`UPDATE t SET v = 'new' WHERE id % 3 = 0; DELETE FROM t WHERE id % 10 = 0; INSERT INTO t VALUES (1000, 'new')`);
    await over(run, id);
    expect(answer(run, id)).toMatchObject({ state: 'done', tables: ['public.t', 'public.u'] });
    await bench.caughtUp(run);
    expect(run.reads('public.t').length).toBeGreaterThan(before + 250);
    expect(run.reads('public.u').length).toBe(4);
    expect(new Replay(run.records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
    expect(run.records.filter(({ kind }) => kind === 'truncate')).toEqual([]);
  });

  test('reads only the rows of its condition', async () => {
    await using all = await opened();
    const { run, before } = all;
    const id = await tell(run, 'snapshot', { tables: ['public.t'], where: `id BETWEEN 41 AND 90 -- some` });
    await over(run, id);
    const read = run.reads('public.t').slice(before);
    expect([answer(run, id)?.rows, read.map(({ after }) => after?.values()[0])]).toEqual([50, Array.from({ length: 50 }, (_, n) => n + 41)]);
  });

  test.each<[string, string, Partial<Signal>, string]>([
    ['a table that is not one of its', 'snapshot', { tables: ['public.x'] }, 'the source has no table public.x'],
    ['no table', 'snapshot', {}, 'it names no table'],
    ['a table without a key', 'snapshot', { tables: ['public.*'] }, 'public.keyless has no key, so it cannot be read beside the stream'],
    ['a condition of unknown columns', 'snapshot', { tables: ['public.t'], where: 'x > 3' }, 'its condition is none for public.t (SQLSTATE 42703)'],
    [
      'a condition that is more than one',
      'snapshot',
      { tables: ['public.t'], where: 'true) TO STDOUT; DROP TABLE u; --' },
      'its condition is none for public.t (SQLSTATE 42601)',
    ],
    [
      'a condition that fails on a row',
      'snapshot',
      { tables: ['public.t'], where: '1 / (id - 200) > 0' },
      'its condition fails on a row of public.t (SQLSTATE 22012)',
    ],
    ['keys of several tables', 'snapshot', { tables: ['public.t', 'public.u'], keys: [{ id: '1' }] }, 'keys are of one table'],
    ['keys and a condition', 'snapshot', { tables: ['public.t'], where: 'true', keys: [{ id: '1' }] }, 'it has both keys and a condition'],
    ['another key', 'snapshot', { tables: ['public.t'], keys: [{ v: '1' }] }, 'the key of public.t is id'],
    ['keys that are none', 'snapshot', { tables: ['public.t'], keys: [{ id: 'x' }] }, 'its keys are none of public.t (SQLSTATE 22P02)'],
    ['something else', 'dance', {}, 'there is no signal of type "dance": it is snapshot, pause, resume or stop'],
  ])('is refused with a reason: %s', async (_, type, more, reason) => {
    await using all = await opened();
    const { bench, run } = all;
    const id = await tell(run, type, more);
    await over(run, id);
    expect(answer(run, id)).toMatchObject({ state: 'refused', reason });
    await bench.query('INSERT INTO u VALUES (9)');
    await bench.caughtUp(run);
    expect(Object.values(run.snapshot?.tables ?? {}).map(({ state }) => state)).toEqual(['done', 'done', 'done']);
  });

  test('goes on after a kill, and is not begun again', async () => {
    await using all = await opened();
    const { bench, run, before } = all;
    const id = await tell(run, 'snapshot', { tables: ['public.t'], where: 'id > 100' });
    await run.until(() => run.reads('public.t').length >= before + 40, 'some chunks');
    const checkpoint = await run.stop();
    expect(checkpoint.snapshot?.nextSignal).toBe(offset + 1);
    await bench.slotIsFree();
    const next = await bench.start({ SNAPSHOT_CHUNK_SIZE: '20' }, checkpoint);
    await over(next, id);
    const read = [...run.reads('public.t').slice(before), ...next.reads('public.t')].map(({ after }) => Number(after?.values()[0]));
    expect(read.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_unused, n) => n + 101));
  });

  test('works where no first snapshot was wanted', async () => {
    await using all = await opened({ SNAPSHOT_MODE: 'never' });
    const { run } = all;
    const id = await tell(run, 'snapshot', { tables: ['public.t'], where: 'id > 290' });
    await over(run, id);
    expect([run.reads('public.t').length, run.snapshot?.tables]).toEqual([10, {}]);
  });
});

describe('keys that the table may not have', () => {
  const told = (run: SourceRun, table: string) =>
    run.records.flatMap((record) => (record.kind === 'read' && record.after === null && record.table.qualifiedName === table ? [record.before?.values()] : []));

  test('are told as deleted where it has no such row, and only there', async () => {
    await using all = await opened();
    const { run, before } = all;
    const id = await tell(run, 'snapshot', { tables: ['public.t'], keys: [{ id: '7' }, { id: '1007' }, { id: '-3' }] });
    await over(run, id);
    expect([answer(run, id)?.rows, told(run, 'public.t')]).toEqual([
      2,
      expect.arrayContaining([
        [1007, null],
        [-3, null],
      ]),
    ]);
    expect(run.reads('public.t').filter(({ after }) => after !== null).length).toBe(before);
  });

  test('count by the rows that are published, and whatever their types', async () => {
    await using bench = await PostgresBench.open();
    const key = `"a b" numeric(8,2), "Day" date, m timestamptz, raw bytea, c char(4), s text`;
    await bench.query(`CREATE TABLE odd (${key}, v int, PRIMARY KEY ("a b", "Day", m, raw, c, s));
      INSERT INTO odd VALUES (1.50, '2024-02-29', '2024-02-29 12:00+02', '\\x00ff', 'ab', 'it''s', 1), (2, 'infinity', '-infinity', '', 'x', '', 0)`);
    const run = await bench.start({ ROW_FILTER: 'public.odd: odd.v > 0' });
    await bench.snapshotDone(run);
    const there = { 'a b': '1.5', Day: '2024-02-29', m: '2024-02-29 10:00:00+00', raw: '\\x00ff', c: 'ab', s: "it's" };
    const filtered = { 'a b': '2', Day: 'infinity', m: '-infinity', raw: '', c: 'x', s: '' };
    const id = await tell(run, 'snapshot', { tables: ['public.odd'], keys: [there, filtered, { ...there, s: 'other' }] });
    await over(run, id);
    const columns = told(run, 'public.odd').map((values) => [String(values?.[5]), values?.[6]]);
    expect(columns.toSorted()).toEqual([
      ['', null],
      ['other', null],
    ]);
  });

  test('are not told where the stream brings such a row meanwhile', async () => {
    await using all = await opened();
    const { bench, run } = all;
    const stop = new AbortController();
    const writing = (async () => {
      for (let n = 2000; !stop.signal.aborted; n++) await bench.query(`INSERT INTO t VALUES (${n}, 'new')`);
    })();
    for (let round = 0; round < 10; round++) {
      const highest = Number(await bench.value('SELECT max(id) FROM t'));
      const keys = Array.from({ length: 300 }, (_, n) => ({ id: String(highest + n + 1) }));
      await over(run, await tell(run, 'snapshot', { tables: ['public.t'], keys }));
    }
    stop.abort();
    await writing;
    await bench.caughtUp(run);
    expect(told(run, 'public.t').length).toBeGreaterThan(0);
    expect(new Replay(run.records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
  });

  test('are asked for again after a kill', async () => {
    await using all = await opened();
    const { bench, run } = all;
    await tell(run, 'pause');
    const id = await tell(run, 'snapshot', { tables: ['public.t'], keys: [{ id: '1007' }] });
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    const next = await bench.start({}, checkpoint);
    await tell(next, 'resume');
    await over(next, id);
    expect(told(next, 'public.t')).toEqual([[1007, null]]);
  });
});

test('a pause holds the snapshot and not the stream, also over a restart, until a resume', async () => {
  await using all = await opened();
  const { bench, run, before } = all;
  await tell(run, 'pause');
  const id = await tell(run, 'snapshot', { tables: ['public.t'] });
  await bench.query('INSERT INTO u VALUES (3)');
  await bench.caughtUp(run);
  expect([run.reads('public.t').length, answer(run, id)?.state]).toEqual([before, 'running']);
  const checkpoint = await run.stop();
  await bench.slotIsFree();
  const next = await bench.start({ SNAPSHOT_CHUNK_SIZE: '20' }, checkpoint);
  await bench.query('INSERT INTO u VALUES (4)');
  await bench.caughtUp(next);
  expect(next.reads('public.t')).toEqual([]);
  await tell(next, 'resume');
  await over(next, id);
  expect(next.reads('public.t').length).toBe(300);
});

test('a stop ends what was asked for, and a later request is whole', async () => {
  await using all = await opened();
  const { run, before } = all;
  const id = await tell(run, 'snapshot', { tables: ['public.t'] });
  await tell(run, 'stop');
  expect(answer(run, id)?.state).toBe('stopped');
  const stopped = run.reads('public.t').length;
  expect(stopped).toBeLessThan(before + 300);
  const again = await tell(run, 'snapshot', { tables: ['public.t'] });
  await over(run, again);
  expect(run.reads('public.t').length).toBe(stopped + 300);
});
