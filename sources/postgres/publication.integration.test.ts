import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedVersions, OwnPostgres } from '../../test/contract/own-postgres.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay, show, valuesOf } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';
import { buildPublishedShapes } from './publication-statements.ts';

const servers = [['newest', undefined] as const, ...installedVersions().filter(([version]) => version >= 15)];
const EXCLUDED = { EXCLUDE_COLUMNS: 'public.t.secret' };
const CODES = (findings: readonly { readonly code: string; readonly severity: string }[]) => findings.map(({ code, severity }) => `${severity} ${code}`);

const names = (run: SourceRun) => run.tables.map(({ columns }) => columns.map(({ name }) => name));
const rowsOf = (...runs: readonly SourceRun[]) => new Replay(runs.flatMap(({ records }) => records)).rows('public.t');

describe.each(servers)('PostgreSQL (version: %s)', (_, binaries) => {
  let server: OwnPostgres | undefined;
  beforeAll(async () => {
    if (binaries !== undefined) server = await OwnPostgres.start({ binaries });
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  async function benchWith(sql: string): Promise<PostgresBench> {
    const bench = await PostgresBench.open(server?.url);
    await bench.query(sql);
    return bench;
  }

  /** A role that may do no more than replicate and read these tables; gone with its bench. */
  async function reader(bench: PostgresBench, tables: string) {
    const name = `reader_${randomBytes(4).toString('hex')}`;
    await bench.query(`CREATE ROLE ${name} LOGIN REPLICATION PASSWORD 'hush'; GRANT USAGE ON SCHEMA public TO ${name}; GRANT SELECT ON ${tables} TO ${name}`);
    const url = Object.assign(new URL(bench.url), { username: name, password: 'hush' }).href;
    const drop = async () => void (await bench.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`));
    return { url, [Symbol.asyncDispose]: drop };
  }

  /** What the publication has of each table. */
  async function published(bench: PostgresBench, name = bench.slot) {
    const rows = await bench.query<{ found: string }>(
      `SELECT concat(tablename, ' ', array_to_string(attnames, ','), coalesce(' ' || rowfilter, '')) AS found FROM pg_publication_tables WHERE pubname = '${name}' ORDER BY 1`,
    );
    return rows.map(({ found }) => found);
  }

  async function again(bench: PostgresBench, run: SourceRun, settings: Record<string, string>): Promise<SourceRun> {
    const checkpoint = await run.stop();
    await bench.slotIsFree();
    const next = await bench.start(settings, checkpoint);
    await bench.snapshotDone(next);
    await bench.caughtUp(next);
    return next;
  }

  /** Everything that the server would send to a reader of the publication, as it lies in its messages. */
  async function sent(bench: PostgresBench, change: string): Promise<string> {
    await bench.query(`SELECT pg_create_logical_replication_slot('${bench.name}_peek', 'pgoutput')`);
    await bench.query(change);
    const rows = await bench.query<{ data: Buffer }>(
      `SELECT data FROM pg_logical_slot_get_binary_changes('${bench.name}_peek', NULL, NULL, 'proto_version', '1', 'publication_names', '${bench.slot}')`,
    );
    return Buffer.concat(rows.map(({ data }) => data)).toString('latin1');
  }

  describe('EXCLUDE_COLUMNS', () => {
    test('stay in the database: the server does not send them, whatever the change', async () => {
      await using bench = await benchWith(`CREATE TABLE t (id int PRIMARY KEY, secret text, note text); INSERT INTO t VALUES (1, 'hidden 1', 'a')`);
      expect(await bench.findings(EXCLUDED)).toEqual([]);
      const run = await bench.start(EXCLUDED);
      expect(await published(bench)).toEqual(['t id,note']);
      await bench.snapshotDone(run);
      const messages = await sent(
        bench,
        `INSERT INTO t VALUES (2, 'hidden 2', 'b'); UPDATE t SET id = 3, secret = 'hidden 3', note = 'c' WHERE id = 1; DELETE FROM t WHERE id = 2`,
      );
      await bench.caughtUp(run);
      expect([messages.includes('hidden'), messages.includes('note')]).toEqual([false, true]);
      expect([names(run), rowsOf(run)]).toEqual([[['id', 'note']], [{ id: 3, note: 'c' }]]);
    });

    test('of REPLICA IDENTITY FULL come to this process and are dropped here: with a list PostgreSQL would refuse updates', async () => {
      await using bench = await benchWith(
        `CREATE TABLE t (id int PRIMARY KEY, secret text, note text); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 'hidden', 'a')`,
      );
      expect(await bench.findings(EXCLUDED)).toEqual([]);
      const run = await bench.start(EXCLUDED);
      expect(await published(bench)).toEqual(['t id,secret,note']);
      await bench.snapshotDone(run);
      await bench.query(`UPDATE t SET note = 'b'`);
      await bench.caughtUp(run);
      expect(run.changes('public.t').map(({ before, after }) => [before && valuesOf(before), after && valuesOf(after)])).toEqual([
        [
          { id: 1, note: 'a' },
          { id: 1, note: 'b' },
        ],
      ]);
    });

    test('of a table whose partition has REPLICA IDENTITY FULL are dropped here too', async () => {
      await using bench = await benchWith(
        `CREATE TABLE t (id int PRIMARY KEY, secret text) PARTITION BY HASH (id); CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0); ALTER TABLE t0 REPLICA IDENTITY FULL`,
      );
      const run = await bench.start(EXCLUDED);
      await bench.query(`INSERT INTO t VALUES (1, 'hidden'); UPDATE t SET id = 2`);
      await bench.caughtUp(run);
      expect([names(run), rowsOf(run)]).toEqual([[['id']], [{ id: 2 }]]);
    });

    test('are taken out of a publication of an earlier version, which keeps its other tables; nothing is read anew', async () => {
      await using bench = await benchWith(
        `CREATE TABLE t (id int PRIMARY KEY, secret text); CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY); INSERT INTO t VALUES (1, 'hidden')`,
      );
      await bench.query(`CREATE PUBLICATION ${bench.slot} FOR TABLE ONLY t, ONLY u, other WITH (publish_via_partition_root = true)`);
      const tables = { TABLES: 'public.t,public.u' };
      const first = await bench.start(tables);
      await bench.snapshotDone(first);
      const second = await again(bench, first, { ...tables, ...EXCLUDED });
      expect(await published(bench)).toEqual(['other id', 't id', 'u id']);
      await bench.query(`INSERT INTO t VALUES (2, 'hidden')`);
      await bench.caughtUp(second);
      expect([second.reads('public.t').length, second.changes('public.t').map(({ after }) => after && valuesOf(after))]).toEqual([0, [{ id: 2 }]]);
    });

    test('that are wanted again are read anew, since they were missed', async () => {
      await using bench = await benchWith(`CREATE TABLE t (id int PRIMARY KEY, secret text); INSERT INTO t VALUES (1, 'a')`);
      const first = await bench.start(EXCLUDED);
      await bench.snapshotDone(first);
      await bench.query(`INSERT INTO t VALUES (2, 'b')`);
      await bench.caughtUp(first);
      const second = await again(bench, first, {});
      await second.until(() => second.reads('public.t').length === 2, 'the rows with their column');
      expect(rowsOf(first, second)).toEqual([
        { id: 1, secret: 'a' },
        { id: 2, secret: 'b' },
      ]);
    });

    test('do not hide columns that are added later: the source sets up anew and reads the table again', async () => {
      await using bench = await benchWith(`CREATE TABLE t (id int PRIMARY KEY, secret text); INSERT INTO t VALUES (1, 'a')`);
      const first = await bench.start(EXCLUDED);
      await bench.snapshotDone(first);
      await bench.query(`INSERT INTO t VALUES (2, 'b'); ALTER TABLE t ADD added int DEFAULT 7; INSERT INTO t VALUES (3, 'c', 8)`);
      await expect(first.ended).rejects.toMatchObject({ code: 'SETUP_CHANGED', action: 'retry', message: expect.stringContaining('public.t.added') as string });
      await bench.slotIsFree();
      const second = await bench.start(EXCLUDED, first.checkpoint);
      await second.until(() => second.reads('public.t').length === 3, 'the rows with their new column');
      await bench.query(`UPDATE t SET added = 9 WHERE id = 3; INSERT INTO t VALUES (4, 'd')`);
      await bench.caughtUp(second);
      expect(rowsOf(first, second)).toEqual(await bench.query('SELECT id, added FROM t ORDER BY id'));
      expect(await published(bench)).toEqual(['t id,added']);
    });

    test('do not lose their table to a DROP … CASCADE, which takes it out of the publication: it is added again and read anew', async () => {
      await using bench = await benchWith(
        `CREATE TABLE t (id int PRIMARY KEY, secret text, note text); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t VALUES (1, 'a', 'x')`,
      );
      const settings = { ...EXCLUDED, HEARTBEAT_INTERVAL_MS: '100' };
      const first = await bench.start(settings);
      await bench.snapshotDone(first);
      await expect(bench.query('ALTER TABLE t DROP note')).rejects.toThrow('other objects depend on it');
      await bench.query(`ALTER TABLE t DROP note CASCADE; INSERT INTO t VALUES (2, 'b')`);
      await expect(first.ended).rejects.toMatchObject({
        code: 'SETUP_CHANGED',
        action: 'retry',
        message: expect.stringContaining('public.t no more') as string,
      });
      await bench.slotIsFree();
      const second = await bench.start(settings, first.checkpoint);
      await second.until(() => second.reads('public.t').length === 2, 'the rows again');
      await bench.query(`INSERT INTO t VALUES (3, 'c')`);
      await bench.caughtUp(second);
      expect([rowsOf(first, second).map(({ id }) => id), await published(bench), second.reads('public.u').length]).toEqual([[1, 2, 3], ['t id', 'u id'], 0]);
    });

    test('that somebody else publishes are warned of, with the statements; they are right', async () => {
      await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY, secret text); CREATE PUBLICATION p FOR TABLE t');
      await using role = await reader(bench, 't');
      const settings = { ...EXCLUDED, SOURCE_PUBLICATION_NAME: 'p', SOURCE_URL: role.url };
      const [warning, ...rest] = await bench.findings(settings);
      expect([warning?.severity, warning?.code, rest]).toEqual(['warning', 'SETUP_PUBLICATION', []]);
      await bench.query((warning?.remedy ?? '').replace(/^.*administrator run: /, ''));
      expect([await bench.findings(settings), await published(bench, 'p')]).toEqual([[], ['t id']]);
    });
  });

  test('what is asked of servers without lists and filters is valid SQL', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t');
    expect(await bench.query(buildPublishedShapes(false), ['p'])).toEqual([{ schema: 'public', name: 't', columns: null, filter: null }]);
  });

  test('a list of columns that was made by hand is kept, by the snapshot too, and what it leaves out is told', async () => {
    await using bench = await benchWith(
      `CREATE TABLE t (id int PRIMARY KEY, secret text, note text); INSERT INTO t VALUES (1, 'hidden', 'a'); CREATE PUBLICATION p FOR TABLE t (id, note) WHERE (id < 5)`,
    );
    await bench.query(`INSERT INTO t VALUES (7, 'hidden', 'beyond')`);
    const settings = { SOURCE_PUBLICATION_NAME: 'p' };
    expect(await bench.findings(settings)).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('leaves out secret of public.t') as string },
    ]);
    const run = await bench.start(settings);
    await bench.snapshotDone(run);
    await bench.query(`INSERT INTO t VALUES (2, 'hidden', 'b'), (8, 'hidden', 'beyond')`);
    await bench.caughtUp(run);
    expect(rowsOf(run)).toEqual([
      { id: 1, note: 'a' },
      { id: 2, note: 'b' },
    ]);
  });

  describe('ROW_FILTER', () => {
    test('holds for snapshot and stream; an update that crosses it comes as an insert or a delete', async () => {
      await using bench = await benchWith(
        `CREATE TABLE t (id int PRIMARY KEY, region text, v text); ALTER TABLE t REPLICA IDENTITY FULL;
         INSERT INTO t SELECT n, CASE n % 2 WHEN 0 THEN 'EU; "x"' ELSE 'US' END, 'old' FROM generate_series(1, 20) n`,
      );
      const settings = { ROW_FILTER: `public.t: region = 'EU; "x"' AND id < 15 -- only these`, SNAPSHOT_CHUNK_SIZE: '3' };
      expect(await bench.findings(settings)).toEqual([]);
      const run = await bench.start(settings);
      await bench.snapshotDone(run);
      expect(run.reads('public.t').length).toBe(7);
      await bench.query(
        `UPDATE t SET region = 'US' WHERE id = 2; UPDATE t SET region = 'EU; "x"' WHERE id = 1; UPDATE t SET v = 'new'; DELETE FROM t WHERE id IN (3, 4)`,
      );
      await bench.caughtUp(run);
      const crossing = run.changes('public.t').slice(0, 2);
      expect(crossing.map(({ kind, before, after }) => [kind, (before ?? after)?.values()[0]])).toEqual([
        ['delete', 2],
        ['insert', 1],
      ]);
      expect(rowsOf(run)).toEqual(await bench.query(`SELECT * FROM t WHERE region LIKE 'EU%' AND id < 15 ORDER BY id`));
      const everything = show(run.emitted.map((record) => ('after' in record && record.after ? valuesOf(record.after) : null)));
      expect(everything).not.toContain('"region":"US"');
    });

    test('holds for partitioned tables by key, and for tables without a key', async () => {
      await using bench = await benchWith(
        `CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20);
         CREATE TABLE k (a int); ALTER TABLE k REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 1), (5, 1), (11, 1), (15, 1); INSERT INTO k VALUES (1), (2), (2)`,
      );
      const run = await bench.start({ ROW_FILTER: 'public.t: id % 10 > 4; public.k: k.a > 1' });
      await bench.snapshotDone(run);
      await bench.query(
        `INSERT INTO t VALUES (2, 2), (6, 2); UPDATE t SET id = 16 WHERE id = 11; UPDATE t SET id = 12 WHERE id = 15; INSERT INTO k VALUES (0), (3)`,
      );
      await bench.caughtUp(run);
      expect(rowsOf(run)).toEqual(await bench.query('SELECT * FROM t WHERE id % 10 > 4 ORDER BY id'));
      expect(new Replay(run.records).rows('public.k')).toEqual([{ a: 2 }, { a: 2 }, { a: 3 }]);
    });

    test('that is another one reads the table anew; the same one, and other words for it, do not', async () => {
      await using bench = await benchWith(
        'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 9); INSERT INTO u VALUES (1)',
      );
      const first = await bench.start({ ROW_FILTER: 'public.t: id > 5' });
      await bench.snapshotDone(first);
      const second = await again(bench, first, { ROW_FILTER: 'public.t:(id   >   5)' });
      expect([rowsOf(first, second).length, second.reads('public.t').length]).toEqual([4, 0]);
      const third = await again(bench, second, { ROW_FILTER: 'public.t: id < 3' });
      await third.until(() => third.reads('public.t').length === 2, 'the rows of the new filter');
      const fourth = await again(bench, third, {});
      await fourth.until(() => fourth.reads('public.t').length === 9, 'all rows');
      expect([rowsOf(first, second, third).length, rowsOf(first, second, third, fourth).length, fourth.reads('public.u').length]).toEqual([2, 9, 0]);
      expect(await published(bench)).toEqual(['t id', 'u id']);
    });

    test('that PostgreSQL would not have, or that would make it refuse updates, is found before anything is made', async () => {
      await using bench = await benchWith(
        `CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY); CREATE FUNCTION mine(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'`,
      );
      const found = async (filter: string) => CODES(await bench.findings({ ROW_FILTER: filter }));
      expect(await found('public.t: v > 1')).toEqual(['error REPLICA_IDENTITY']);
      expect(await found('public.t: nothing > 1; public.u: id >')).toEqual(['error CONFIG_INVALID', 'error CONFIG_INVALID']);
      expect(await found('public.t: mine(id)')).toEqual(['error CONFIG_INVALID']);
      expect(await found('public.t: id IN (SELECT id FROM u)')).toEqual(['error CONFIG_INVALID']);
      expect(await found('public.x: id > 1')).toEqual(['error TABLE_NOT_FOUND']);
      const [wrong] = await bench.findings({ ROW_FILTER: 'public.t: nothing > 1' });
      expect(wrong?.message).toContain('column "nothing" does not exist');
      const [beyond] = await bench.findings({ ROW_FILTER: 'public.t: v > 1' });
      await bench.query((beyond?.remedy ?? '').replace(/; or .*/, ''));
      expect(await found('public.t: v > 1')).toEqual([]);
      expect(await bench.query('SELECT pubname FROM pg_publication')).toEqual([]);
    });

    test('cannot be had of a publication of all tables', async () => {
      await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES WITH (publish_via_partition_root = true)');
      expect(await bench.findings({ SOURCE_PUBLICATION_NAME: 'p', ROW_FILTER: 'public.t: id > 1' })).toMatchObject([
        { severity: 'error', code: 'SETUP_PUBLICATION', remedy: expect.stringContaining('SOURCE_PUBLICATION_NAME') as string },
      ]);
    });
  });

  test('a role with REPLICATION and SELECT alone is enough, once an administrator has made the publication as the message says', async () => {
    await using bench = await benchWith(
      `CREATE TABLE t (id int PRIMARY KEY, secret text, v text); INSERT INTO t SELECT n, 'hidden', 'old' FROM generate_series(1, 9) n; CREATE TABLE u (id int PRIMARY KEY);
       REVOKE ALL ON SCHEMA public FROM PUBLIC`,
    );
    await using role = await reader(bench, 't, u');
    const settings = { ...EXCLUDED, ROW_FILTER: 'public.t: id < 5', SOURCE_URL: role.url };
    const findings = await bench.findings(settings);
    expect(CODES(findings)).toEqual(['error SETUP_GRANT_MISSING']);
    const statement = (findings[0]?.remedy ?? '').replace('Let an administrator run: ', '');
    expect(statement).toMatch(
      /^CREATE PUBLICATION "\w+" FOR TABLE ONLY "public"."t" \("id", "v"\) WHERE \(id < 5\), ONLY "public"."u" WITH \(publish_via_partition_root = true/,
    );
    await bench.query(statement);
    expect(await bench.findings(settings)).toEqual([]);
    const run = await bench.start(settings);
    await bench.snapshotDone(run);
    await bench.query(`UPDATE t SET v = 'new' WHERE id > 3; DELETE FROM t WHERE id = 1; INSERT INTO u VALUES (1)`);
    await bench.caughtUp(run);
    expect(rowsOf(run)).toEqual(await bench.query('SELECT id, v FROM t WHERE id < 5 ORDER BY id'));
    await run.stop();
  });

  describe('generated columns', () => {
    const sendsThem = async (bench: PostgresBench) => Number(await bench.value('SHOW server_version_num')) >= 180_000;

    test('come from PostgreSQL 18 on, where they are stored: of the snapshot and of the stream, or of neither', async () => {
      await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO t VALUES (1)');
      const hasThem = await sendsThem(bench);
      if (hasThem) await bench.query('ALTER TABLE t ADD thrice int GENERATED ALWAYS AS (id * 3)');
      expect(await bench.findings()).toEqual([]);
      const run = await bench.start();
      await bench.snapshotDone(run);
      await bench.query('INSERT INTO t VALUES (2)');
      await bench.caughtUp(run);
      const row = (id: number) => (hasThem ? { id, twice: id * 2 } : { id });
      expect([run.reads('public.t').length, rowsOf(run)]).toEqual([1, [row(1), row(2)]]);
    });

    test('for which PostgreSQL 18 would refuse updates are found before the table is published', async () => {
      await using bench = await benchWith(
        'CREATE TABLE t (id int PRIMARY KEY, stored int GENERATED ALWAYS AS (id) STORED); ALTER TABLE t REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE t; INSERT INTO t VALUES (1)',
      );
      const settings = { SOURCE_PUBLICATION_NAME: 'p' };
      const update = async () => bench.query('UPDATE t SET id = id + 1');
      if (await sendsThem(bench)) {
        await expect(update()).rejects.toThrow('cannot update table');
        await remedied('generated columns that the publication leaves out');
        await bench.query('ALTER TABLE t ADD virtual int GENERATED ALWAYS AS (id)');
        await expect(update()).rejects.toThrow('cannot update table');
        await remedied('virtual generated columns (virtual)');
      }
      expect(await bench.findings(settings)).toEqual([]);
      await update();

      async function remedied(what: string): Promise<void> {
        const [finding, ...rest] = await bench.findings(settings);
        expect([finding, rest]).toMatchObject([{ severity: 'error', code: 'REPLICA_IDENTITY', message: expect.stringContaining(what) as string }, []]);
        await bench.query(finding?.remedy ?? '');
      }
    });
  });
});
