import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { ConnectorProcess } from './connector-process.ts';
import { sourceCaughtUp } from './source-caught-up.ts';
import { groupsAtEnd } from './topic-audit.ts';

const COMMAND = join(import.meta.dirname, '..', '..', 'cli', 'dbmazz.ts');
const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '', CLICKHOUSE_URL = '' } = process.env;
const TABLES = `CREATE TABLE orders (id int PRIMARY KEY, note text);
  CREATE TABLE events (day date, at timestamptz, name text, amount numeric(10,2), PRIMARY KEY (name, at, day));
  CREATE TABLE logs (line text); ALTER TABLE logs REPLICA IDENTITY FULL;
  INSERT INTO orders SELECT n, 'order ' || n FROM generate_series(1, 500) n;
  INSERT INTO events SELECT date '2024-02-29' + n, timestamptz '1969-12-31 23:59:59.999999+00' + n * interval '7 hours', 'é''' || n % 5, n FROM generate_series(0, 199) n;
  INSERT INTO logs VALUES ('a'), ('a'), ('b')`;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('verify --repair', () => {
  let bench: PostgresBench;
  let copy: PostgresBench;
  let source: ConnectorProcess;
  const sinks = new Map<string, ConnectorProcess>();
  const clickhouse = createClient({ url: CLICKHOUSE_URL });

  const environmentOf = (type: string): Record<string, string> => ({
    KAFKA_BROKERS,
    SCHEMA_REGISTRY_URL,
    SOURCE_TYPE: 'postgres',
    SOURCE_NAME: bench.name,
    SOURCE_URL: bench.url,
    TABLES: 'public.orders,public.events,public.logs',
    SINK_TYPE: type,
    SINK_NAME: `${bench.name}-${type}`,
    SINK_TOPICS: `${bench.name}.*`,
    FLUSH_INTERVAL_MS: '100',
    ...(type === 'postgres' ? { SINK_URL: copy.url } : { SINK_URL: CLICKHOUSE_URL, SINK_DATABASE: bench.name }),
  });

  async function dbmazz(environment: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const env = { PATH: process.env['PATH'], ...environment };
    execFile(process.execPath, [COMMAND, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    return promise;
  }

  beforeAll(async () => {
    bench = await PostgresBench.open();
    copy = await PostgresBench.open();
    await bench.query(TABLES);
    source = await new ConnectorProcess('source', environmentOf('postgres')).start();
    for (const type of ['postgres', 'clickhouse']) sinks.set(type, await new ConnectorProcess('sink', environmentOf(type)).start());
    await caughtUp();
  }, 120_000);

  afterAll(async () => {
    await Promise.all([source, ...sinks.values()].map((process) => process.kill()));
    await clickhouse.command({ query: `DROP DATABASE IF EXISTS ${bench.name}` });
    await clickhouse.close();
    await deleteTopics(bench.name);
    await copy[Symbol.asyncDispose]();
    await bench[Symbol.asyncDispose]();
  });

  async function caughtUp(): Promise<void> {
    await sourceCaughtUp(source, bench.url);
    await groupsAtEnd(
      KAFKA_BROKERS,
      bench.name,
      ['postgres', 'clickhouse'].map((type) => `dbmazz.${bench.name}-${type}`),
    );
  }

  test('brings back what is missing, puts right what differs, deletes what is too many, and a replay changes nothing of it', async () => {
    await copy.query(`DELETE FROM orders WHERE id BETWEEN 40 AND 60 OR id = 500; UPDATE orders SET note = 'by hand' WHERE id IN (1, 499);
      INSERT INTO orders VALUES (-7, 'by hand'), (1000, NULL); DELETE FROM events WHERE name = 'é''3'; UPDATE events SET amount = 0 WHERE amount = 10;
      INSERT INTO events SELECT day, at - interval '400 years', name || '"\\', amount FROM events WHERE amount < 20`);
    const asItIs = await dbmazz(environmentOf('postgres'), 'verify');
    expect([asItIs.code, asItIs.stdout]).toEqual([1, expect.stringContaining('public.orders: 500 rows, 480 in the target, 26 differences')]);
    const repaired = await dbmazz(environmentOf('postgres'), 'verify', '--repair');
    expect(repaired.stdout.split('\n').at(-2), repaired.stderr + repaired.stdout).toBe('verified postgres: 3 tables, 703 rows, 0 differences');
    expect([repaired.code, repaired.stderr]).toEqual([0, expect.stringContaining('public.orders: 2 rows told as deleted.')]);
    const sink = sinks.get('postgres') as ConnectorProcess;
    expect(await sink.stop()).toBe(0);
    expect((await dbmazz(environmentOf('postgres'), 'replay', '--from', 'beginning')).code).toBe(0);
    await sink.start();
    await caughtUp();
    expect((await dbmazz(environmentOf('postgres'), 'verify')).code).toBe(0);
  });

  test('does the same for ClickHouse', async () => {
    const run = async (query: string) => clickhouse.command({ query: query.replaceAll('$', `${bench.name}.`) });
    await run(`DELETE FROM $orders_dbmazz_rows WHERE id BETWEEN 40 AND 60`);
    const meta = `dbmazz_op_type, dbmazz_is_deleted, dbmazz_synced_at, dbmazz_cdc_version`;
    await run(
      `INSERT INTO $orders_dbmazz_rows (id, note, ${meta}) SELECT id, 'by hand', 'u', 0, now64(6), dbmazz_cdc_version + 1 FROM $orders WHERE id IN (1, 499)`,
    );
    await run(`INSERT INTO $orders_dbmazz_rows (id, note, ${meta}) VALUES (-8, 'by hand', 'c', 0, now64(6), 0)`);
    const columns = `day, at, name, amount, ${meta}`;
    await run(
      `INSERT INTO $events_dbmazz_rows (${columns}) SELECT * REPLACE (at + INTERVAL 1 MICROSECOND AS at) FROM (SELECT ${columns} FROM $events WHERE amount < 20)`,
    );
    const repaired = await dbmazz(environmentOf('clickhouse'), 'verify', '--repair');
    expect(repaired.stdout.split('\n').at(-2), repaired.stderr + repaired.stdout).toBe('verified clickhouse: 3 tables, 703 rows, 0 differences');
    expect(repaired.stdout).toContain('public.orders: 500 rows, 480 in the target, 24 differences');
    expect(repaired.code).toBe(0);
  });

  test('says what it cannot repair, and what it needs', async () => {
    await copy.query(`DELETE FROM logs WHERE line = 'b'`);
    const { code, stdout, stderr } = await dbmazz(environmentOf('postgres'), 'verify', '--repair');
    expect([code, stderr]).toEqual([1, expect.stringContaining('public.logs has no key: it cannot be repaired row by row')]);
    expect(stdout.split('\n').at(-2)).toBe('verified postgres: 3 tables, 703 rows, 1 differences');
    const { SINK_NAME: _, ...without } = environmentOf('postgres');
    expect(await dbmazz(without, 'verify', '--repair')).toMatchObject({ code: 2, stderr: expect.stringContaining('SINK_NAME is missing') });
  });
});
