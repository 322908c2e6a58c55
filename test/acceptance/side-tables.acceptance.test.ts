import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dropAll, uniqueName } from '../live-topics.ts';
import { scriptedLog, type Step } from '../scripted-log.ts';
import { createPublisher, publishScript } from '../scripted-publisher.ts';
import { ConnectorProcess } from './connector-process.ts';

const COMMAND = join(import.meta.dirname, '..', '..', 'cli', 'dbmazz.ts');
const { POSTGRES_URL = '', CLICKHOUSE_URL = '', KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const NAME = uniqueName('side');
const SCHEMA = NAME.replaceAll('-', '_');

const postgres = new pg.Client({ connectionString: POSTGRES_URL });
const clickhouse = createClient({ url: CLICKHOUSE_URL });
let running: ConnectorProcess | undefined;
/** Orders in the topic so far: both targets are filled from the same one. */
let orders = 0;

/** Publishes more orders. A source's log has the former ones again, too. */
async function publishOrders(more: number): Promise<void> {
  orders += more;
  const steps = Array.from({ length: orders }, (_, index): readonly Step[] => [{ kind: 'insert', table: 0, id: index + 1 }]);
  const publisher = createPublisher(NAME);
  await publishScript(publisher, scriptedLog([[{ kind: 'insert', table: 2, id: 1 }], ...steps]));
  await publisher.close();
}

interface Target {
  readonly settings: Readonly<Record<string, string>>;
  /** Ids and notes of a table of orders, and how many events. */
  readonly rowsOf: (table: string) => Promise<readonly string[]>;
  /** Makes the live table of orders wrong. */
  readonly spoil: () => Promise<unknown>;
  /** What the former table is queried by. */
  readonly before: string;
}

const common = { SINK_NAME: NAME, SINK_TOPICS: `${NAME}.*`, FLUSH_INTERVAL_MS: '100', KAFKA_BROKERS, SCHEMA_REGISTRY_URL };
const targets: Readonly<Record<string, Target>> = {
  postgres: {
    settings: { ...common, SINK_NAME: `${NAME}-pg`, SINK_TYPE: 'postgres', SINK_URL: POSTGRES_URL, SINK_SCHEMA: SCHEMA },
    rowsOf: async (table) =>
      (await postgres.query<{ row: string }>(`SELECT id || ' ' || note AS row FROM ${SCHEMA}.${table} ORDER BY id`)).rows.map(({ row }) => row),
    spoil: async () => postgres.query(`UPDATE ${SCHEMA}.orders SET note = 'wrong' WHERE id < 4; DELETE FROM ${SCHEMA}.orders WHERE id = 9`),
    before: 'orders_before',
  },
  clickhouse: {
    settings: { ...common, SINK_NAME: `${NAME}-ch`, SINK_TYPE: 'clickhouse', SINK_URL: CLICKHOUSE_URL, SINK_DATABASE: SCHEMA },
    rowsOf: async (table) => {
      const query = `SELECT concat(toString(id), ' ', assumeNotNull(note)) AS row FROM ${SCHEMA}.${table} ORDER BY id`;
      return (await (await clickhouse.query({ query, format: 'JSONEachRow' })).json<{ row: string }>()).map(({ row }) => row);
    },
    spoil: async () => clickhouse.command({ query: `ALTER TABLE ${SCHEMA}.orders_dbmazz_rows DELETE WHERE id < 5 SETTINGS mutations_sync = 1` }),
    before: 'orders_before FINAL',
  },
};

async function dbmazz(
  settings: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>();
  const env = { PATH: process.env['PATH'], LOG_LEVEL: 'error', ...settings };
  execFile(process.execPath, [COMMAND, ...args], { env }, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
  );
  return promise;
}

async function untilAtEnd(sink: ConnectorProcess): Promise<void> {
  await sink.until(
    (status) => (status['group'] as { partitions: number }).partitions > 0 && (status['lag'] as { records: number }).records === 0,
    'the end of the topics',
  );
}

beforeAll(async () => {
  await postgres.connect();
  await publishOrders(40);
});
afterEach(async () => {
  await running?.kill();
});
afterAll(async () => {
  await postgres.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
  await postgres.end();
  await clickhouse.command({ query: `DROP DATABASE IF EXISTS ${SCHEMA}` });
  await clickhouse.close();
  await dropAll(NAME);
});

describe.each(Object.keys(targets))('side tables in %s', (name) => {
  const { settings, rowsOf, spoil, before } = targets[name] as Target;

  test('are built while the sink goes on, without the source, and take the place of tables that have become wrong', async () => {
    const sink = new ConnectorProcess('sink', settings);
    running = sink;
    await sink.start();
    await untilAtEnd(sink);
    const right = await rowsOf('orders');
    await spoil();
    const wrong = await rowsOf('orders');
    expect(wrong).not.toEqual(right);

    const built = await dbmazz(settings, 'replay', '--into', '_new', '--from', 'beginning');
    expect(built, built.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('Built 2 side tables') });
    expect(built.stdout).toContain('✗ public.orders: ');
    expect(built.stdout).toContain('✓ public.events: 1 rows');
    expect(await rowsOf('orders_new')).toEqual(right);
    expect(await rowsOf('orders')).toEqual(wrong);
    expect(await dbmazz(settings, 'replay', '--into', '_new', '--swap')).toMatchObject({ code: 3, stderr: expect.stringContaining('SINK_RUNNING') });

    await sink.stop();
    await publishOrders(5);
    const refused = await dbmazz(settings, 'replay', '--into', '_new', '--swap');
    expect(refused, refused.stderr).toMatchObject({ code: 1, stdout: expect.stringContaining('Not swapped') });
    const swapped = await dbmazz(settings, 'replay', '--into', '_new', '--swap', '--accept-differences');
    expect(swapped, swapped.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('Swapped 2 tables') });
    expect(await rowsOf('orders')).toHaveLength(orders);
    expect((await rowsOf('orders')).slice(0, right.length)).toEqual(right);
    expect(await rowsOf(before)).toEqual(wrong);

    await publishOrders(2);
    await sink.start();
    await untilAtEnd(sink);
    expect(await rowsOf('orders')).toHaveLength(orders);
    expect(await rowsOf(before)).toEqual(wrong);
  });
});

test('a suffix that is none, and --swap alone, are mistakes in the configuration', async () => {
  const { settings } = targets['postgres'] as Target;
  expect((await dbmazz(settings, 'replay', '--into', '_before', '--from', 'beginning')).code).toBe(2);
  expect((await dbmazz(settings, 'replay', '--into', 'a b', '--from', 'beginning')).code).toBe(2);
  expect((await dbmazz(settings, 'replay', '--swap')).code).toBe(2);
});
