import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { PostgresBench } from '../test/contract/postgres-source-bench.ts';
import { SourceProcess, sourceSettings } from '../test/contract/source-process.ts';
import { liveConfig, readCommitted } from '../test/live-topics.ts';

let bench: PostgresBench;

beforeAll(async () => {
  bench = await PostgresBench.open();
  await bench.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE TABLE gone (id int PRIMARY KEY)');
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await deleteTopics(bench.name);
});

const settings = () => sourceSettings(bench);

const countIn = async (table: string) => (await readCommitted(liveConfig(), [`${bench.name}.public.${table}`])).length;

async function untilCount(table: string, count: number): Promise<void> {
  while ((await countIn(table)) < count);
}

test('a table that is created while the source runs is taken whole, with a transaction that began before', async () => {
  await using source = new SourceProcess(settings());
  await source.said('snapshot: done');
  await bench.query('CREATE TABLE u (id int PRIMARY KEY, v text); INSERT INTO u VALUES (1)');
  const session = await bench.session();
  await session.query('BEGIN; INSERT INTO u VALUES (2)');
  await source.said('public.u came into being');
  await source.said('going on where the topics stand', 1);
  await session.query('INSERT INTO u VALUES (3); COMMIT');
  session.release();
  await source.said('snapshot: done', 2);
  await bench.query('INSERT INTO u VALUES (4); INSERT INTO t VALUES (3)');
  await untilCount('u', 5);
  await untilCount('t', 3);
  // The row that was written after the publication had the table came as a change, and as the snapshot saw it.
  const keys = (await readCommitted(liveConfig(), [`${bench.name}.public.u`])).map(({ key }) => key?.toString('hex'));
  expect([keys.length, new Set(keys).size, await countIn('t')]).toEqual([5, 4, 3]);
});

test('one that cannot be taken is told of, and so is one that is dropped or renamed; the others go on', async () => {
  await using source = new SourceProcess(settings());
  await source.said('going on where the topics stand');
  await bench.query('CREATE TABLE keyless (a int); DROP TABLE gone; ALTER TABLE u RENAME TO v; INSERT INTO t VALUES (4)');
  await source.said('New tables are not taken yet. Table public.keyless');
  await source.said('Table public.gone was dropped; the others go on.');
  await source.said('Table public.u was renamed to public.v; the others go on.');
  await untilCount('t', 4);
  // It has one problem, and the table that was renamed to another name none: that one is taken.
  await source.said('public.v came into being');
  await source.said('going on where the topics stand', 2);
  await untilCount('v', 4);
  await source.stop();
});

test('one that cannot be taken and came while the source was down is left out of the next start, and taken once it can be', async () => {
  await bench.query(
    'CREATE TYPE pair AS (a int, b int); CREATE TABLE odd (id int PRIMARY KEY, p pair); INSERT INTO t VALUES (5); INSERT INTO keyless VALUES (1)',
  );
  await using source = new SourceProcess(settings());
  await source.said('New tables are not taken yet. Table public.keyless');
  await source.said('New tables are not taken yet. Column p of public.odd');
  await untilCount('t', 5);
  // A table that is not published is none whose updates PostgreSQL would refuse.
  await bench.query('UPDATE keyless SET a = 2; UPDATE odd SET id = 2');
  await bench.query('ALTER TABLE keyless REPLICA IDENTITY FULL; CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1)');
  await source.said('public.keyless, public.w came into being');
  await source.said('going on where the topics stand', 2);
  await untilCount('keyless', 1);
  await untilCount('w', 1);
  expect(source.count('"level":50')).toBe(0);
});

test('one that TABLES names and that cannot be taken is no surprise: it stops the start', async () => {
  await using source = new SourceProcess({ ...settings(), TABLES: 'public.t,public.odd' });
  expect(await source.ended()).toBe(3);
  expect(source.log).toContain('Column p of public.odd');
});

test('under a publication of all tables too, one that cannot be taken and came while the source was down is left out; one that was published is not', async () => {
  await using all = await PostgresBench.open();
  onTestFinished(async () => deleteTopics(all.name));
  await all.query(
    'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = true)',
  );
  const own = { ...settings(), SOURCE_NAME: all.name, SOURCE_URL: all.url, SOURCE_PUBLICATION_NAME: 'everything' };
  {
    await using source = new SourceProcess(own);
    await source.said('snapshot: done');
    await source.stop();
  }
  await all.query(
    `CREATE TABLE keyless (a int); INSERT INTO keyless VALUES (1); CREATE TYPE pair AS (a int, b int); CREATE TABLE odd (id int PRIMARY KEY, p pair); INSERT INTO odd VALUES (1)`,
  );
  {
    await using source = new SourceProcess(own);
    await source.said('New tables are not taken yet. Table public.keyless');
    await source.said('New tables are not taken yet. Column p of public.odd');
    await source.said('going on where the topics stand');
    await all.query(
      'ALTER TABLE keyless REPLICA IDENTITY FULL; ALTER TABLE odd DROP p; CREATE TABLE w (id int PRIMARY KEY); UPDATE keyless SET a = 2; INSERT INTO w VALUES (1)',
    );
    await source.said(' came into being, and TABLES asks for it');
    await source.said('snapshot: done');
    for (const table of ['keyless', 'odd', 'w']) while ((await readCommitted(liveConfig(), [`${all.name}.public.${table}`])).length === 0);
    expect(source.count('"level":50')).toBe(0);
    await source.stop();
  }
  await all.query('ALTER TABLE t DROP CONSTRAINT t_pkey');
  await using source = new SourceProcess(own);
  expect(await source.ended()).toBe(3);
  expect(source.log).toContain('Table public.t has no primary key');
});
