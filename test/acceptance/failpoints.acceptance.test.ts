import { describe, expect, onTestFinished, test } from 'vitest';
import type { Failpoint } from '../../shared/process/failpoint.ts';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { ConnectorProcess } from './connector-process.ts';
import { SmallLoad } from './small-load.ts';
import { sourceCaughtUp } from './source-caught-up.ts';
import { groupsAtEnd, TopicAuditor } from './topic-audit.ts';
import { readTopics } from './topic-reader.ts';
import { showValue, TopicReplay, type TopicRow } from './topic-replay.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;

async function openBench(): Promise<PostgresBench> {
  const bench = await PostgresBench.open();
  onTestFinished(async () => {
    await bench[Symbol.asyncDispose]();
    await deleteTopics(bench.name);
  });
  return bench;
}

async function startSource(bench: PostgresBench, failpoint = ''): Promise<ConnectorProcess> {
  const source = new ConnectorProcess('source', {
    SOURCE_TYPE: 'postgres',
    SOURCE_NAME: bench.name,
    SOURCE_URL: bench.url,
    TABLES: 'public.*',
    SNAPSHOT_CHUNK_SIZE: '40',
    DBMAZZ_FAILPOINT: failpoint,
  });
  onTestFinished(async () => source.kill());
  return source.start();
}

/** Fails unless the topics hold every change once, and replayed give the rows of both tables. */
async function expectExact(bench: PostgresBench, load: SmallLoad): Promise<void> {
  const [auditor, replay] = [new TopicAuditor(bench.name), new TopicReplay()];
  await readTopics({ brokers: KAFKA_BROKERS, registryUrl: SCHEMA_REGISTRY_URL, source: bench.name }, (topic, partition, value) => {
    auditor.add(topic, partition, value);
    replay.add(topic, value);
  });
  expect(auditor.finish().faults).toEqual([]);
  const told = new Map([...auditor.told].map(([id, tables]) => [id.slice(0, id.indexOf(':')), tables.get('public.keyed')]));
  expect(new Map([...load.expected].map(([xid]) => [xid, told.get(xid)]))).toEqual(load.expected);
  for (const [table, key] of [
    ['keyed', ['id']],
    ['keyless', []],
  ] as const) {
    expect(shown(replay.rows(`public.${table}`, key))).toEqual(shown(await bench.query(`SELECT * FROM ${table}`)));
  }
}

function shown(rows: readonly TopicRow[]): string[] {
  return rows
    .map((row) =>
      Object.entries(row)
        .map(([name, value]) => `${name}=${showValue(value)}`)
        .join(' '),
    )
    .toSorted();
}

describe('a source that is killed', () => {
  const points: readonly (readonly [point: Failpoint, count: number])[] = [
    ['after-setup', 1],
    ['after-read', 12],
    ['after-key-before-value-schema', 1],
    ['after-flush', 1],
    ['after-produce-before-commit', 12],
    ['after-commit-before-confirm', 12],
    ['inside-chunk', 4],
    ['after-chunk-before-mark', 3],
    ['after-mark-before-publish', 3],
  ];

  test.each(points)('%s (%i) leaves no gap and no repeat in the topics', async (point, count) => {
    const bench = await openBench();
    const load = await SmallLoad.create(bench);
    const armed = await startSource(bench, `${point}:${count}`);
    load.start();
    expect(await armed.ended(), armed.log).toBe('SIGKILL');
    await load.stop();
    const next = await startSource(bench);
    await sourceCaughtUp(next, bench.url);
    await expectExact(bench, load);
    expect(await next.stop()).toBe(0);
  });

  test('between the set-up and the first record reads a table that was made anew', async () => {
    const bench = await openBench();
    await bench.query('CREATE TABLE keyed (id int PRIMARY KEY, v int); INSERT INTO keyed SELECT n, n FROM generate_series(1, 50) n');
    const first = await startSource(bench);
    await sourceCaughtUp(first, bench.url);
    expect(await first.stop()).toBe(0);
    await bench.query('DROP TABLE keyed; CREATE TABLE keyed (id int PRIMARY KEY, v int); INSERT INTO keyed SELECT n, -n FROM generate_series(40, 60) n');
    expect(await (await startSource(bench, 'after-setup')).ended()).toBe('SIGKILL');
    const next = await startSource(bench);
    await sourceCaughtUp(next, bench.url);
    expect(shown(await readRows(bench, 'public.keyed'))).toEqual(shown(await bench.query('SELECT * FROM keyed')));
    expect(await next.stop()).toBe(0);
  });

  test('between the schemas of a changed table carries on with its rows', async () => {
    const bench = await openBench();
    const load = await SmallLoad.create(bench);
    // One hit at the start: a table without a key has no key schema, but passes by there.
    const armed = await startSource(bench, 'after-key-before-value-schema:3');
    await sourceCaughtUp(armed, bench.url);
    load.start();
    await bench.query('ALTER TABLE keyed ADD extra int');
    await bench.query('UPDATE keyed SET extra = id WHERE id < 10');
    expect(await armed.ended(), armed.log).toBe('SIGKILL');
    await load.stop();
    const next = await startSource(bench);
    await sourceCaughtUp(next, bench.url);
    const rows = await readRows(bench, 'public.keyed');
    expect(rows.filter(({ extra }) => extra != null).map(({ id, extra }) => [id, extra])).toHaveLength(9);
  });
});

async function readRows(bench: PostgresBench, table: string): Promise<TopicRow[]> {
  const replay = new TopicReplay();
  await readTopics({ brokers: KAFKA_BROKERS, registryUrl: SCHEMA_REGISTRY_URL, source: bench.name }, (topic, _, value) => replay.add(topic, value));
  return replay.rows(table, ['id']);
}

test('PostgreSQL sinks that are killed at each of their steps have the rows of the source in the end', async () => {
  const points: readonly Failpoint[] = ['after-decode', 'after-load-before-offsets', 'after-offsets'];
  const bench = await openBench();
  const targets = await Promise.all(points.map(async (point) => ({ point, name: `${bench.name}-${point}`, bench: await openBench() })));
  const load = await SmallLoad.create(bench);
  const startSink = async ({ name, bench: { url } }: (typeof targets)[number], failpoint = '') => {
    const settings = { SINK_TYPE: 'postgres', SINK_NAME: name, SINK_TOPICS: `${bench.name}.*`, SINK_URL: url, FLUSH_INTERVAL_MS: '100' };
    const sink = new ConnectorProcess('sink', { ...settings, DBMAZZ_FAILPOINT: failpoint });
    onTestFinished(async () => sink.kill());
    return sink.start();
  };
  const source = await startSource(bench);
  const armed = await Promise.all(targets.map(async (target) => startSink(target, `${target.point}:2`)));
  load.start();
  for (const sink of armed) expect(await sink.ended(), sink.log).toBe('SIGKILL');
  await load.stop();
  await Promise.all(targets.map(async (target) => startSink(target)));
  await sourceCaughtUp(source, bench.url);
  await groupsAtEnd(
    KAFKA_BROKERS,
    bench.name,
    targets.map(({ name }) => `dbmazz.${name}`),
  );
  for (const columns of ['id, v FROM keyed', 'a, b FROM keyless']) {
    const expected = shown(await bench.query(`SELECT ${columns}`));
    for (const { point, bench: target } of targets) expect([point, shown(await target.query(`SELECT ${columns}`))]).toEqual([point, expected]);
  }
});

test('a point that does not exist is refused', async () => {
  const bench = await openBench();
  const source = await startSource(bench, 'nowhere');
  expect(await source.ended()).toBe(2);
  expect(source.log).toContain('DBMAZZ_FAILPOINT is "nowhere"');
});
