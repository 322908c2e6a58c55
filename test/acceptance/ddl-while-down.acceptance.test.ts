import { expect, onTestFinished, test } from 'vitest';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { ConnectorProcess } from './connector-process.ts';
import { sourceCaughtUp } from './source-caught-up.ts';
import { readTopics } from './topic-reader.ts';
import { TopicReplay } from './topic-replay.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;

async function openBench(): Promise<{ readonly bench: PostgresBench; readonly start: () => Promise<ConnectorProcess> }> {
  const bench = await PostgresBench.open();
  onTestFinished(async () => {
    await bench[Symbol.asyncDispose]();
    await deleteTopics(bench.name);
  });
  const start = async () => {
    const settings = { SOURCE_TYPE: 'postgres', SOURCE_NAME: bench.name, SOURCE_URL: bench.url, TABLES: 'public.*' };
    const source = await new ConnectorProcess('source', settings).start();
    onTestFinished(async () => source.kill());
    await sourceCaughtUp(source, bench.url);
    return source;
  };
  return { bench, start };
}

const loud = (source: ConnectorProcess) => source.log.split('\n').filter((line) => /"level":(40|50)/.test(line));

async function rowsOf(bench: PostgresBench) {
  const replay = new TopicReplay();
  await readTopics({ brokers: KAFKA_BROKERS, registryUrl: SCHEMA_REGISTRY_URL, source: bench.name }, (topic, _, value) => replay.add(topic, value));
  return replay.rows('public.t', ['id']);
}

test('a table that changes twice while its source is down is carried on, each row with the schema of its time', async () => {
  const { bench, start } = await openBench();
  await bench.query('CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)');
  await (await start()).stop();
  await bench.query('ALTER TABLE t ADD a text; INSERT INTO t VALUES (2, 2, $$x$$)');
  await bench.query('ALTER TABLE t ALTER n TYPE bigint; INSERT INTO t VALUES (3, 9223372036854775807, $$y$$)');
  expect(loud(await start())).toEqual([]);
  expect(await rowsOf(bench)).toEqual([
    { id: 1, n: 1 },
    { id: 2, n: 2, a: 'x' },
    { id: 3, n: 9223372036854775807n, a: 'y' },
  ]);
});

test('a first start on a slot that is older than a change of a table carries that table too; one without rows has its schema as well', async () => {
  const { bench, start } = await openBench();
  await bench.query('CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE empty (id int PRIMARY KEY)');
  await bench.query(`CREATE PUBLICATION ${bench.slot} FOR TABLE t, empty WITH (publish_via_partition_root = true)`);
  await bench.query(`SELECT pg_create_logical_replication_slot('${bench.slot}', 'pgoutput')`);
  await bench.query('INSERT INTO t VALUES (1, 1); ALTER TABLE t ALTER n TYPE bigint; INSERT INTO t VALUES (2, 9223372036854775807)');
  expect(loud(await start())).toEqual([]);
  expect(await rowsOf(bench)).toEqual([
    { id: 1, n: 1 },
    { id: 2, n: 9223372036854775807n },
  ]);
  const answer = await fetch(`${SCHEMA_REGISTRY_URL}/subjects/${bench.name}.public.empty-value/versions`);
  expect(await answer.json()).toEqual([1]);
});
