import { describe, expect, test } from 'vitest';
import { installedVersions, OwnPostgres } from '../../test/contract/own-postgres.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay } from '../../test/contract/replay.ts';

const BIG = (seed: string) => `(SELECT string_agg(md5(${seed}::text || k), '') FROM generate_series(1, 120) k)`;
const installed = installedVersions();

test.skipIf(installed.length > 0)('older versions of PostgreSQL: none is installed in /usr/lib/postgresql', () => undefined);

describe.each(installed)('PostgreSQL %i', (version, binaries) => {
  test('is checked, read and streamed like the newest one', async () => {
    await using server = await OwnPostgres.start({ binaries });
    await using bench = await PostgresBench.open(server.url);
    expect(await bench.value('SHOW server_version_num')).toMatch(new RegExp(`^${version}`));
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY, big text, twice int GENERATED ALWAYS AS (id * 2) STORED, tags text[]);
      CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY HASH (id); CREATE TABLE parted0 PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
      CREATE TABLE keyless (a int); ALTER TABLE keyless REPLICA IDENTITY FULL;
      INSERT INTO t (id, big, tags) SELECT n, ${BIG('n')}, '{a,NULL}' FROM generate_series(1, 30) n; INSERT INTO parted VALUES (1, 'a'); INSERT INTO keyless VALUES (1), (1)`);
    expect(await bench.findings()).toEqual([]);
    const run = await bench.start({ SNAPSHOT_CHUNK_SIZE: '7', HEARTBEAT_INTERVAL_MS: '100' });
    expect(run.tables.map(({ name }) => name)).toEqual(['keyless', 'parted', 't']);
    await bench.query(`UPDATE t SET tags = '{}' WHERE id % 3 = 0`);
    await bench.snapshotDone(run);
    await bench.query(`UPDATE t SET id = 100 WHERE id = 1; DELETE FROM t WHERE id = 2; UPDATE parted SET v = 'b'; DELETE FROM keyless WHERE ctid = '(0,1)'`);
    await bench.query(`ALTER TABLE t ADD extra numeric(6,2); UPDATE t SET extra = 1.5 WHERE id = 3; TRUNCATE parted`);
    await bench.caughtUp(run);
    await run.until(() => run.records.some(({ kind }) => kind === 'heartbeat'), 'a heartbeat');
    const target = new Replay(run.records);
    const rows = target.rows('public.t').map((row) => ({ extra: null, ...row }));
    expect(rows).toEqual(await bench.query('SELECT id, big, tags, extra FROM t ORDER BY id'));
    expect([target.rows('public.parted'), target.rows('public.keyless')]).toEqual([[], [{ a: 1 }]]);
  });
});
