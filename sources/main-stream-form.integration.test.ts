import { afterAll, beforeAll, expect, test } from 'vitest';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { PostgresBench } from '../test/contract/postgres-source-bench.ts';
import { SourceProcess, sourceSettings } from '../test/contract/source-process.ts';
import { liveConfig, readCommitted } from '../test/live-topics.ts';

let bench: PostgresBench;

beforeAll(async () => {
  bench = await PostgresBench.open();
  await bench.query('CREATE TABLE t (id int PRIMARY KEY, at timestamptz); INSERT INTO t VALUES (1, now())');
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await deleteTopics(bench.name);
});

const settings = () => sourceSettings(bench);

const countInTopic = async () => (await readCommitted(liveConfig(), [`${bench.name}.public.t`])).length;

async function untilCount(count: number): Promise<void> {
  while ((await countInTopic()) < count);
}

test('a column of a type that is read as text comes while the source runs: the log is asked for anew, and nothing is lost or repeated', async () => {
  await using source = new SourceProcess(settings());
  await source.said('snapshot: done');
  // What is read is read again where it was not yet in the topic.
  await untilCount(1);
  expect(await bench.streamIsBinary()).toBe(true);
  await bench.query(`INSERT INTO t VALUES (2, now()); ALTER TABLE t ADD COLUMN place inet; INSERT INTO t VALUES (3, now(), '10.0.0.1')`);
  await source.said('"code":"SETUP_CHANGED"');
  await untilCount(3);
  expect(await bench.streamIsBinary()).toBe(false);
  await bench.query(`INSERT INTO t VALUES (4, now(), '10.0.0.2')`);
  await untilCount(4);
  await source.stop();
});

test('one that was dropped before the source came to it is found in the log, once', async () => {
  await bench.query(`INSERT INTO t VALUES (5, now(), '10.0.0.3'); ALTER TABLE t DROP COLUMN place; INSERT INTO t VALUES (6, now())`);
  await using source = new SourceProcess(settings());
  await source.said('"code":"SETUP_CHANGED"');
  await untilCount(6);
  await bench.query('INSERT INTO t VALUES (7, now())');
  await untilCount(7);
  expect([source.count('"code":"SETUP_CHANGED"'), await countInTopic()]).toEqual([1, 7]);
  await source.stop();
});
