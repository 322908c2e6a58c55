import { execFile } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dropAll, liveConfig, readCommitted, uniqueName, withAdmin } from '../live-topics.ts';
import { scriptedLog, type Step } from '../scripted-log.ts';
import { createPublisher, publishScript } from '../scripted-publisher.ts';
import { ConnectorProcess } from './connector-process.ts';

const COMMAND = join(import.meta.dirname, '..', '..', 'cli', 'dbmazz.ts');
const { POSTGRES_URL = '', KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const NAME = uniqueName('commands');
const ORDERS = 40;
const orders = `${NAME}.public.orders`;
const lines = `${NAME}.public.lines`;

const postgres = new pg.Client({ connectionString: POSTGRES_URL });
const sinks: ConnectorProcess[] = [];
let names = 0;

/** A sink of its own, into a schema of its own, whose table of orders refuses the 13th where that is wanted. */
async function startSink(refusesOrder13 = false): Promise<{ readonly sink: ConnectorProcess; readonly name: string; readonly schema: string }> {
  const name = `${NAME}-${names}`;
  const schema = `${NAME.replaceAll('-', '_')}_${names++}`;
  await postgres.query(`CREATE SCHEMA ${schema}`);
  if (refusesOrder13) await postgres.query(`CREATE TABLE ${schema}.orders (id integer PRIMARY KEY, note text, CONSTRAINT no_bad_luck CHECK (id <> 13))`);
  const settings = { SINK_TYPE: 'postgres', SINK_NAME: name, SINK_TOPICS: `${NAME}.*`, SINK_URL: POSTGRES_URL, SINK_SCHEMA: schema };
  const sink = new ConnectorProcess('sink', { ...settings, FLUSH_INTERVAL_MS: '100' });
  sinks.push(sink);
  await sink.start();
  return { sink, name, schema };
}

const countOf = async (table: string): Promise<number> => {
  const { rows } = await postgres.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`);
  return rows[0]?.count ?? 0;
};

interface TableStatus {
  readonly state: string;
  readonly lag: number;
  readonly blockedBy: { readonly partition: number; readonly offset: string } | null;
}

const tableOf = ({ tables }: Record<string, unknown>, topic: string): TableStatus | undefined => (tables as Record<string, TableStatus>)[topic];

function isAtEnd(status: Record<string, unknown>): boolean {
  const { partitions } = (status['group'] ?? { partitions: 0 }) as { partitions: number };
  return partitions > 0 && (status['lag'] as { records: number }).records === 0;
}

async function dbmazz(...args: readonly string[]): Promise<Outcome> {
  return dbmazzWith({}, ...args);
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function dbmazzWith(settings: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const env = { PATH: process.env['PATH'], KAFKA_BROKERS, SCHEMA_REGISTRY_URL, ...settings };
  execFile(process.execPath, [COMMAND, ...args], { env }, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
  );
  return promise;
}

beforeAll(async () => {
  await postgres.connect();
  const publisher = createPublisher(NAME);
  const steps = (table: number): readonly (readonly Step[])[] => Array.from({ length: ORDERS }, (_, index) => [{ kind: 'insert', table, id: index + 1 }]);
  await publishScript(publisher, scriptedLog([...steps(0), ...steps(1), ...steps(2)]));
  await publisher.close();
});
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.kill()));
});
afterAll(async () => {
  for (let at = 0; at < names; at++) await postgres.query(`DROP SCHEMA IF EXISTS ${NAME.replaceAll('-', '_')}_${at} CASCADE`);
  await postgres.end();
  await dropAll(NAME);
});

describe('a record that the target refuses stops its table, and no other', () => {
  test('skip sets it aside and goes on behind it', async () => {
    const { sink, name, schema } = await startSink(true);
    const status = await sink.until((found) => tableOf(found, orders)?.state === 'stopped' && tableOf(found, lines)?.lag === 0, 'the stop of the orders');
    expect(await countOf(`${schema}.lines`)).toBe(ORDERS);
    const blockedBy = tableOf(status, orders)?.blockedBy;
    expect(blockedBy).toEqual({ partition: expect.any(Number), offset: expect.stringMatching(/^\d+$/) });
    expect((await dbmazz('status', sink.address)).stdout).toContain(
      `${orders}: stopped at partition ${blockedBy?.partition}, offset ${blockedBy?.offset}, RECORD_REJECTED`,
    );

    expect(await dbmazz('skip', sink.address, '--table', 'public.orders')).toMatchObject({ code: 0, stdout: expect.stringContaining(`${orders} goes on`) });
    await sink.until(isAtEnd, 'the end of the topics');
    expect(await countOf(`${schema}.orders`)).toBe(ORDERS - 1);
    const letters = await readCommitted(liveConfig(), [`dbmazz.${name}.dead-letters`]);
    expect(letters.map(({ headers }) => [String(headers['dbmazz.topic']), Number(headers['dbmazz.partition']), String(headers['dbmazz.offset'])])).toEqual([
      [orders, blockedBy?.partition, blockedBy?.offset],
    ]);
    await withAdmin(liveConfig(), async (admin) => admin.deleteTopics({ topics: [`dbmazz.${name}.dead-letters`] }));
  });

  test('resume tries it again, once the target takes it', async () => {
    const { sink, schema } = await startSink(true);
    await sink.until((found) => tableOf(found, orders)?.state === 'stopped', 'the stop of the orders');
    expect((await dbmazz('resume', sink.address, '--table', 'orders')).code).toBe(0);
    await sink.until((found) => tableOf(found, orders)?.state === 'stopped', 'the second stop of the orders');
    await postgres.query(`ALTER TABLE ${schema}.orders DROP CONSTRAINT no_bad_luck`);
    expect((await dbmazz('resume', sink.address, '--table', orders)).code).toBe(0);
    await sink.until(isAtEnd, 'the end of the topics');
    expect(await countOf(`${schema}.orders`)).toBe(ORDERS);
    expect(await dbmazz('resume', sink.address, '--table', orders)).toMatchObject({ code: 3, stdout: expect.stringContaining('is not stopped') });
    expect(await dbmazz('skip', sink.address, '--table', 'nobody')).toMatchObject({ code: 3, stdout: expect.stringContaining('no partition of nobody') });
  });
});

test('a group whose offsets the broker has lost goes on where the rows of the target end', async () => {
  const { sink, name, schema } = await startSink();
  await sink.until(isAtEnd, 'the end of the topics');
  expect((await dbmazz('status', '--sink', name)).stdout).toMatch(new RegExp(`^1 process in group dbmazz\\.${name}\\n[^]*\\n${NAME}\\.public\\.orders +0\\n`));
  expect(await sink.stop()).toBe(0);
  await withAdmin(liveConfig(), async (admin) => admin.deleteGroups([`dbmazz.${name}`]));
  await sink.start();
  const status = await sink.until(isAtEnd, 'the end of the topics');
  expect(status['records']).toBe(0);
  for (const table of ['orders', 'lines', 'events']) expect(await countOf(`${schema}.${table}`)).toBe(ORDERS);
});

describe('replay', () => {
  test('is refused while the sink runs; then it brings back the rows that are missing, table by table', async () => {
    const { sink, name, schema } = await startSink();
    await sink.until(isAtEnd, 'the end of the topics');
    expect(await dbmazz('replay', '--sink', name, '--from', 'beginning')).toMatchObject({ code: 3, stderr: expect.stringContaining('SINK_RUNNING') });
    await sink.stop();
    await postgres.query(`DELETE FROM ${schema}.orders; DELETE FROM ${schema}.lines WHERE id < 5; DELETE FROM ${schema}.events`);
    expect(await dbmazz('replay', '--sink', name, '--from', 'beginning', '--tables', 'public.orders,public.events')).toMatchObject({ code: 0 });
    await sink.start();
    await sink.until(isAtEnd, 'the end of the topics');
    expect([await countOf(`${schema}.orders`), await countOf(`${schema}.lines`), await countOf(`${schema}.events`)]).toEqual([ORDERS, ORDERS - 4, ORDERS]);
  });

  test('takes a time and a single place, and says what is wrong with others', async () => {
    const { sink, name, schema } = await startSink();
    await sink.until(isAtEnd, 'the end of the topics');
    await sink.stop();
    await postgres.query(`DELETE FROM ${schema}.events`);
    expect((await dbmazz('replay', '--sink', name, '--from', new Date(Date.now() + 60_000).toISOString())).code).toBe(0);
    await sink.start();
    expect((await sink.until(isAtEnd, 'the end of the topics'))['records']).toBe(0);
    await sink.stop();
    const topic = `${NAME}.public.events`;
    expect((await dbmazz('replay', '--sink', name, '--from', `${topic}:0:0`)).code).toBe(0);
    await sink.start();
    await sink.until(isAtEnd, 'the end of the topics');
    expect(await countOf(`${schema}.events`)).toBe(ORDERS);
    await sink.stop();
    expect((await dbmazz('replay', '--sink', name, '--from', `${topic}:0:99999`)).code).toBe(2);
    expect((await dbmazz('replay', '--sink', name, '--from', 'yesterday')).code).toBe(2);
    expect((await dbmazz('replay', '--sink', `${name}x`, '--from', 'beginning')).code).toBe(3);
    expect((await dbmazz('replay', '--sink', name, '--from', 'beginning', '--tables', 'public.nobody')).code).toBe(3);
  });
});
