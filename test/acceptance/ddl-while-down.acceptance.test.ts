import { expect, onTestFinished, test } from 'vitest';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { ConnectorProcess } from './connector-process.ts';
import { sourceCaughtUp } from './source-caught-up.ts';
import { readTopics } from './topic-reader.ts';
import { TopicReplay } from './topic-replay.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;

test('a table that changes twice while its source is down is carried on, each row with the schema of its time', async () => {
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
  await bench.query('CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)');
  await (await start()).stop();
  await bench.query('ALTER TABLE t ADD a text; INSERT INTO t VALUES (2, 2, $$x$$)');
  await bench.query('ALTER TABLE t ALTER n TYPE bigint; INSERT INTO t VALUES (3, 9223372036854775807, $$y$$)');
  const source = await start();
  expect(source.log.split('\n').filter((line) => /"level":(40|50)/.test(line))).toEqual([]);
  const replay = new TopicReplay();
  await readTopics({ brokers: KAFKA_BROKERS, registryUrl: SCHEMA_REGISTRY_URL, source: bench.name }, (topic, _, value) => replay.add(topic, value));
  expect(replay.rows('public.t', ['id'])).toEqual([
    { id: 1, n: 1 },
    { id: 2, n: 2, a: 'x' },
    { id: 3, n: 9223372036854775807n, a: 'y' },
  ]);
});
