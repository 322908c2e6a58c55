import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { Replay, show, valuesOf } from '../../test/contract/replay.ts';
import type { SourceRun } from '../../test/contract/source-run.ts';
import { keyNames } from '../../test/contract/postgres-tables.ts';

const BIG = (seed: string) => `(SELECT string_agg(md5('${seed}' || k), '') FROM generate_series(1, 120) k)`;
const sha = (text: string) => createHash('sha256').update(text).digest('hex');

async function benchWith(tables: string): Promise<PostgresBench> {
  const bench = await PostgresBench.open();
  await bench.query(tables);
  return bench;
}

/** Everything that left the source, as text: rows, old rows, keys and what is stored of the snapshot. */
function everything(run: SourceRun): string {
  const images = run.emitted.flatMap((record) => ('before' in record ? [record.before, record.after] : [])).map((row) => row && valuesOf(row));
  return show([images, run.snapshot]);
}

describe('MASK_COLUMNS', () => {
  test('masks what is read and what is streamed alike, old rows too, and nothing of the values leaves the source', async () => {
    await using bench = await benchWith(
      `CREATE TABLE t (id int PRIMARY KEY, mail text NOT NULL, name text, born date, tags text[], plain text); ALTER TABLE t REPLICA IDENTITY FULL;
       INSERT INTO t VALUES (1, 'ann@secret', 'Ann Secret', '1999-01-02', '{secret}', 'x'), (2, 'bob@secret', NULL, NULL, NULL, NULL)`,
    );
    const settings = {
      MASK_COLUMNS: 'public.t.mail:hash,public.t.name,public.t.born:null,public.t.tags',
      MASK_SECRET: 'pepper',
    };
    expect(await bench.findings(settings)).toEqual([]);
    const run = await bench.start(settings);
    await bench.snapshotDone(run);
    await bench.query(`INSERT INTO t VALUES (3, 'ann@secret', 'Ann Secret', '1999-01-02', '{secret,secret}', 'y');
      UPDATE t SET id = 4, mail = 'new@secret' WHERE id = 1; UPDATE t SET name = 'Secret', born = now() WHERE id = 2; DELETE FROM t WHERE id = 3`);
    await bench.caughtUp(run);
    const hash = (text: string) => createHmac('sha256', 'pepper').update(text).digest('hex');
    expect(run.reads('public.t').map(({ after }) => after && valuesOf(after))).toEqual([
      { id: 1, mail: hash('ann@secret'), name: '***', born: null, tags: '***', plain: 'x' },
      { id: 2, mail: hash('bob@secret'), name: null, born: null, tags: null, plain: null },
    ]);
    expect(run.changes('public.t').at(-1)?.before?.values()).toEqual([3, hash('ann@secret'), '***', null, '***', 'y']);
    expect(new Replay(run.records).rows('public.t')).toEqual([
      { id: 2, mail: hash('bob@secret'), name: '***', born: null, tags: null, plain: null },
      { id: 4, mail: hash('new@secret'), name: '***', born: null, tags: '***', plain: 'x' },
    ]);
    expect(everything(run)).not.toMatch(/secret|1999/i);
    expect(run.tables[0]?.columns.map(({ dataType, nativeType, nullable }) => [dataType.kind, nativeType, nullable])).toEqual([
      ['int32', 'integer', false],
      ['text', 'text', false],
      ['text', 'text', true],
      ['date', 'date', true],
      ['text', 'text', true],
      ['text', 'text', true],
    ]);
  });

  test('masks a large value that was read again since its row got another key', async () => {
    await using bench = await benchWith(`CREATE TABLE t (id int PRIMARY KEY, big text); INSERT INTO t VALUES (1, ${BIG('a')})`);
    const run = await bench.start({ MASK_COLUMNS: 'public.t.big:hash', SNAPSHOT_MODE: 'never' });
    await bench.query('UPDATE t SET id = 2');
    await bench.caughtUp(run);
    const [row] = await bench.query<{ big: string }>('SELECT big FROM t');
    expect(new Replay(run.records).rows('public.t')).toEqual([{ id: 2, big: sha(row?.big ?? '') }]);
  });

  test('hashes that anybody could work out are warned of', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY, mail text)');
    expect(await bench.findings({ MASK_COLUMNS: 'public.t.mail:hash' })).toMatchObject([
      { severity: 'warning', code: 'CONFIG_INVALID', remedy: expect.stringContaining('MASK_SECRET') as string },
    ]);
  });

  test('what cannot be masked is refused: keys, elements of arrays, columns that are not there', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY, tags text[])');
    const findings = await bench.findings({ MASK_COLUMNS: 'public.t.id:hash,public.t.tags:hash,public.t.mail', MASK_SECRET: 'x' });
    expect(findings.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'TABLE_NOT_FOUND MASK_COLUMNS has public.t.mail, but no table of TABLES has such a column.',
      'CONFIG_INVALID MASK_COLUMNS hashes public.t.tags, which is an array: its elements cannot be hashed one by one.',
      'CONFIG_INVALID MASK_COLUMNS masks id of public.t, which is part of its key.',
    ]);
  });

  test('a masked column that is renamed while the source runs stops its table before anything of it is published', async () => {
    await using bench = await benchWith(`CREATE TABLE t (id int PRIMARY KEY, mail text); INSERT INTO t VALUES (1, 'a@secret')`);
    const run = await bench.start({ MASK_COLUMNS: 'public.t.mail' });
    await bench.snapshotDone(run);
    await bench.query(`INSERT INTO t VALUES (2, 'b@secret'); ALTER TABLE t RENAME mail TO email; INSERT INTO t VALUES (3, 'c@secret')`);
    await bench.caughtUp(run);
    expect(run.stopped['public.t']).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('public.t.mail of MASK_COLUMNS') as string,
    });
    expect(everything(run)).not.toContain('secret');
  });
});

describe('MESSAGE_KEY_COLUMNS', () => {
  test('make the key of snapshot and stream, of updates that change it and of deletes', async () => {
    await using bench = await benchWith(
      `CREATE TABLE t (id int PRIMARY KEY, tenant text NOT NULL, v text); ALTER TABLE t REPLICA IDENTITY FULL;
       INSERT INTO t SELECT n, 'tenant ' || n % 3, 'old' FROM generate_series(1, 20) n`,
    );
    const settings = { MESSAGE_KEY_COLUMNS: 'public.t:tenant,id', SNAPSHOT_CHUNK_SIZE: '3' };
    expect(await bench.findings(settings)).toEqual([]);
    const run = await bench.start(settings);
    expect(run.tables.map(keyNames)).toEqual([['tenant', 'id']]);
    await bench.query(`UPDATE t SET v = 'new' WHERE id % 4 = 0; UPDATE t SET tenant = 'other' WHERE id = 5; DELETE FROM t WHERE id = 6`);
    await bench.snapshotDone(run);
    await bench.caughtUp(run);
    expect(new Replay(run.records).rows('public.t')).toEqual(await bench.query('SELECT * FROM t ORDER BY id'));
    const [moved] = run.changes('public.t').filter(({ before, after }) => before !== null && after !== null && before.keyText() !== after.keyText());
    expect([moved?.before?.keyValues(), moved?.after?.keyValues()]).toEqual([
      ['tenant 2', 5],
      ['other', 5],
    ]);
  });

  test('let the primary key be masked, and serve a table that has none', async () => {
    await using bench = await benchWith(
      `CREATE TABLE t (id text PRIMARY KEY, number int NOT NULL UNIQUE); ALTER TABLE t REPLICA IDENTITY FULL;
       CREATE TABLE u (number int NOT NULL UNIQUE); ALTER TABLE u REPLICA IDENTITY FULL; INSERT INTO t VALUES ('secret 1', 1); INSERT INTO u VALUES (1), (2)`,
    );
    const run = await bench.start({ MESSAGE_KEY_COLUMNS: 'public.t:number;public.u:number', MASK_COLUMNS: 'public.t.id:hash' });
    await bench.snapshotDone(run);
    await bench.query(`INSERT INTO t VALUES ('secret 2', 2); DELETE FROM t WHERE number = 1; DELETE FROM u WHERE number = 1`);
    await bench.caughtUp(run);
    expect([new Replay(run.records).rows('public.t'), new Replay(run.records).rows('public.u')]).toEqual([
      [{ id: sha('secret 2'), number: 2 }],
      [{ number: 2 }],
    ]);
    expect(everything(run)).not.toContain('secret');
  });

  test('that cannot be a key are refused, each with the statement that makes them one', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY, tenant text, v text)');
    const settings = { MESSAGE_KEY_COLUMNS: 'public.t:tenant', MASK_SECRET: 'x' };
    const findings = await bench.findings(settings);
    expect(findings.map(({ code }) => code)).toEqual(['REPLICA_IDENTITY', 'REPLICA_IDENTITY', 'REPLICA_IDENTITY']);
    for (const { remedy } of findings) await bench.query(remedy.replace('CONCURRENTLY ', '').replace(/ Or name .*/, ''));
    expect(await bench.findings(settings)).toEqual([]);
  });

  test('that PostgreSQL does not send are named', async () => {
    await using bench = await benchWith(
      `CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL UNIQUE); ALTER TABLE t REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE t (id)`,
    );
    const findings = await bench.findings({ MESSAGE_KEY_COLUMNS: 'public.t:v', SOURCE_PUBLICATION_NAME: 'p' });
    expect(findings.filter(({ severity }) => severity === 'error')).toMatchObject([
      { code: 'CONFIG_INVALID', message: expect.stringContaining('MESSAGE_KEY_COLUMNS names v of public.t, which PostgreSQL does not send') as string },
    ]);
  });

  test('that are not there, or are left out or masked, are named', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL UNIQUE); ALTER TABLE t REPLICA IDENTITY FULL');
    const findings = await bench.findings({ MESSAGE_KEY_COLUMNS: 'public.t:v;public.x:a', MASK_COLUMNS: 'public.t.v:null' });
    expect(findings.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'TABLE_NOT_FOUND MESSAGE_KEY_COLUMNS has public.x.a, but no table of TABLES has such a column.',
      'CONFIG_INVALID MASK_COLUMNS masks v of public.t, which is part of its key.',
    ]);
  });
});
