import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sink } from '../../shared/connector/sink.ts';
import { type CdcError, isCdcError } from '../../shared/errors/cdc-error.ts';
import { createSink, openHarness, type PostgresHarness } from '../../test/contract/postgres-harness.ts';
import { Changes, tableOf } from '../../test/contract/records.ts';

let harness: PostgresHarness;
let count = 0;

beforeAll(async () => {
  harness = await openHarness();
  await harness.query(`CREATE SCHEMA ${harness.schema}`);
});
afterAll(async () => harness.close());

const newChanges = () => new Changes(tableOf({ name: `t${++count}`, columns: { id: 'int64', name: 'text' }, key: ['id'] }));
const many = (changes: Changes, size: number) => Array.from({ length: size }, (_, id) => changes.insert({ id, name: 'x'.repeat(500) }));
const rowCount = async (changes: Changes) => Number((await harness.query(`SELECT count(*) FROM ${harness.schema}.${changes.table.name}`))[0]?.['count']);

async function refusal(action: Promise<unknown>): Promise<CdcError> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isCdcError(error)) throw new Error('no coded error came', { cause: error });
  return error;
}

function urlWith(change: (url: URL) => void): string {
  const url = new URL(harness.url);
  change(url);
  return url.href;
}

describe('a connection that cannot be had', () => {
  const cases: readonly (readonly [what: string, change: (url: URL) => void, code: string])[] = [
    ['a wrong password', (url) => (url.password = 'wrong'), 'AUTH_FAILED'],
    ['a user that does not exist', (url) => (url.username = 'nobody_here'), 'AUTH_FAILED'],
    ['no password where one is needed', (url) => (url.password = ''), 'AUTH_FAILED'],
    ['no server at the address', (url) => (url.port = '1'), 'CONNECTION_LOST'],
    ['a host that does not exist', (url) => (url.hostname = 'no-such-host.invalid'), 'CONNECTION_LOST'],
    ['a database that does not exist', (url) => (url.pathname = '/nothing_here'), 'TARGET_REFUSED'],
  ];

  test.each(cases)('%s is a coded error without the password', async (_what, change, code) => {
    const sink = createSink({ SINK_URL: urlWith(change) });
    const error = await refusal(sink.validateConnection());
    await sink.close();
    expect(error.code).toBe(code);
    const { password } = new URL(harness.url);
    expect(`${error.message} ${error.remedy} ${JSON.stringify(error.context)}`).not.toContain(password);
  });
});

describe('a connection that breaks', () => {
  test('while idle costs one attempt at most', async () => {
    const sink = harness.createSink({});
    const changes = newChanges();
    await sink.writeBatch([changes.insert({ id: 1 })]);
    await terminate();
    const batch = [changes.insert({ id: 2 })];
    // The end may not have reached us yet; then the first attempt meets it.
    const error: unknown = await sink.writeBatch(batch).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error !== undefined) await sink.writeBatch(batch);
    expect([undefined, 'CONNECTION_LOST']).toContain(isCdcError(error) ? error.code : error);
    await sink.close();
    expect(await rowCount(changes)).toBe(2);
  });

  test('in the middle of a batch leaves nothing of it, and the batch can be written again', async () => {
    const sink = harness.createSink({});
    const changes = newChanges();
    await sink.setup([changes.table]);
    const batch = [...many(changes, 1000), changes.update({ id: 1, name: 'y' })];
    const holder = await hold(changes);
    const failed = refusal(sink.writeBatch(batch));
    // The rows are in the staging table, and the merge waits for the lock.
    while ((await terminate(`AND wait_event_type = 'Lock' AND query LIKE 'INSERT%'`)) === 0);
    expect(await failed).toMatchObject({ code: 'CONNECTION_LOST', action: 'retry' });
    await holder.end();
    expect(await rowCount(changes)).toBe(0);
    await sink.writeBatch(batch);
    await sink.close();
    expect(await rowCount(changes)).toBe(1000);
  });

  async function terminate(condition = ''): Promise<number> {
    const rows = await harness.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dbmazz sink%' AND datname = current_database() ${condition}`,
    );
    return rows.length;
  }
});

/** Another user of the database, with a lock on the table until the connection ends. */
async function hold(changes: Changes): Promise<pg.Client> {
  const holder = new pg.Client({ connectionString: harness.url });
  await holder.connect();
  await holder.query(`BEGIN; LOCK TABLE ${harness.schema}.${changes.table.name}`);
  return holder;
}

describe('a target that is busy', () => {
  test('beyond the time-out of a statement is a TIMEOUT, and the batch can be written again', async () => {
    const sink = harness.createSink({ SINK_STATEMENT_TIMEOUT_MS: '300' });
    const changes = newChanges();
    await sink.writeBatch([changes.insert({ id: 1 })]);
    const holder = await hold(changes);
    const error = await refusal(sink.writeBatch([changes.update({ id: 1, name: 'b' })]));
    expect(error).toMatchObject({ code: 'TIMEOUT', action: 'retry' });
    await holder.end();
    await sink.writeBatch([changes.update({ id: 1, name: 'b' })]);
    await sink.close();
    expect((await harness.query(`SELECT name FROM ${harness.schema}.${changes.table.name}`))[0]).toEqual({ name: 'b' });
  });

  test('with more tables at once than connections writes them one after the other', async () => {
    const sink = harness.createSink({ SINK_CONNECTIONS: '2', SINK_NAME: 'narrow' });
    const tables = Array.from({ length: 8 }, newChanges);
    await Promise.all(tables.map(async (changes) => sink.writeBatch([changes.insert({ id: 1 }), changes.delete({ id: 2 })])));
    const [open] = await harness.query(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbmazz sink narrow' AND datname = current_database()`);
    await sink.close();
    expect(Number(open?.['count'])).toBeLessThanOrEqual(2);
    for (const changes of tables) expect(await rowCount(changes)).toBe(1);
  });
});

describe('rights', () => {
  const limited = async (...grants: readonly string[]) => {
    const user = `limited_${Date.now().toString(36)}_${++count}`;
    await harness.query(`CREATE ROLE ${user} LOGIN PASSWORD 'only for tests'`);
    for (const grant of grants) await harness.query(`${grant} TO ${user}`);
    const sink = createSink({ SINK_URL: urlWith((url) => Object.assign(url, { username: user, password: 'only for tests' })), SINK_SCHEMA: harness.schema });
    return { user, sink, drop: async () => dropUser(sink, user) };
  };
  const dropUser = async (sink: Sink, user: string) => {
    await sink.close();
    await harness.query(`DROP OWNED BY ${user}`);
    await harness.query(`DROP ROLE ${user}`);
  };

  test('that are missing are found before the first batch, with the statement that gives them', async () => {
    const { sink, user, drop } = await limited();
    const findings = await sink.validateConnection();
    expect(findings).toMatchObject([
      { severity: 'error', code: 'SETUP_GRANT_MISSING', remedy: `GRANT USAGE, CREATE ON SCHEMA "${harness.schema}" TO "${user}";` },
    ]);
    await drop();
  });

  test('to create tables are asked for by name', async () => {
    const { sink, drop } = await limited(`GRANT USAGE ON SCHEMA ${harness.schema}`);
    const error = await refusal(sink.setup([newChanges().table]));
    expect(error).toMatchObject({ code: 'SETUP_GRANT_MISSING', remedy: expect.stringContaining('GRANT USAGE, CREATE ON SCHEMA') });
    await drop();
  });

  test('of an ordinary user are enough: no superuser is needed', async () => {
    const { sink, drop } = await limited(`GRANT USAGE, CREATE ON SCHEMA ${harness.schema}`, `GRANT ALL ON ALL TABLES IN SCHEMA ${harness.schema}`);
    const changes = newChanges();
    expect(await sink.validateConnection()).toEqual([]);
    await sink.writeBatch([changes.insert({ id: 1 }), changes.insert({ id: 2 })]);
    await sink.writeBatch([changes.delete({ id: 1 }), changes.truncate(), changes.insert({ id: 3 })]);
    expect(await rowCount(changes)).toBe(1);
    await drop();
  });
});

test('two processes that set up and write the same tables at once agree', async () => {
  const sinks = [harness.createSink({ SINK_SCHEMA: 'fresh' } as never), harness.createSink({ SINK_SCHEMA: 'fresh' } as never)];
  const changes = newChanges();
  const batches = Array.from({ length: 10 }, (_, batch) => [
    changes.insert({ id: batch }),
    changes.insert({ id: 100 + batch }),
    changes.delete({ id: 100 + batch }),
  ]);
  await Promise.all(sinks.map(async (sink) => sink.setup([changes.table])));
  await Promise.all(sinks.flatMap((sink) => batches.map(async (batch) => sink.writeBatch(batch))));
  for (const sink of sinks) await sink.close();
  expect((await harness.query(`SELECT count(*) FROM fresh.${changes.table.name}`))[0]).toEqual({ count: '10' });
});
