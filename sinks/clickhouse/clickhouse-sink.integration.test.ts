import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Sink } from '../../shared/connector/sink.ts';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, UNCHANGED } from '../../shared/record/value.ts';
import { type ClickHouseHarness, configOf, createSink, openHarness } from '../../test/contract/clickhouse-harness.ts';
import { Changes, tableOf, type TableSpec } from '../../test/contract/records.ts';
import { ClickHouseClient } from './client.ts';
import { hasGrant } from './setup.ts';
import { buildGrants } from './statements.ts';

let harness: ClickHouseHarness;
let sink: Sink;
let count = 0;

beforeAll(async () => {
  harness = await openHarness();
  sink = harness.createSink({});
});
afterAll(async () => {
  await sink.close();
  await harness.close();
});

const newTable = (spec: Partial<TableSpec> = {}) => tableOf({ name: `t${++count}`, columns: { id: 'int64', name: 'text' }, key: ['id'], ...spec });
const target = (name: string) => `${harness.database}.${name}`;
const read = async (sql: string) => harness.query(sql);

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof CdcError ? error.code : String(error);
}

describe('what users query', () => {
  test('is a view under the plain name: live rows with FINAL and without it, on every look', async () => {
    const changes = new Changes(newTable());
    const { name } = changes.table;
    await sink.writeBatch([changes.insert({ id: 1, name: 'a' }), changes.insert({ id: 2, name: 'b' })]);
    await sink.writeBatch([changes.update({ id: 1, name: 'A' }), changes.delete({ id: 2 })]);
    for (const final of ['', 'FINAL']) {
      expect(await read(`SELECT id, name, dbmazz_op_type AS op, dbmazz_is_deleted AS deleted FROM ${target(name)} ${final}`)).toEqual([
        { id: '1', name: 'A', op: 'u', deleted: 0 },
      ]);
      expect(await read(`SELECT toString(count()) AS n FROM ${target(name)} ${final}`)).toEqual([{ n: '1' }]);
    }
  });

  test('has the meta columns, and the time of writing in UTC', async () => {
    const changes = new Changes(newTable());
    await sink.writeBatch([changes.insert({ id: 1 })]);
    const columns = await read(
      `SELECT name, type FROM system.columns WHERE database = '${harness.database}' AND table = '${changes.table.name}' AND name LIKE 'dbmazz%'`,
    );
    expect(columns).toEqual([
      { name: 'dbmazz_op_type', type: 'LowCardinality(String)' },
      { name: 'dbmazz_is_deleted', type: 'UInt8' },
      { name: 'dbmazz_synced_at', type: "DateTime64(6, 'UTC')" },
      { name: 'dbmazz_cdc_version', type: 'UInt64' },
    ]);
    const [row] = await read(`SELECT dateDiff('second', dbmazz_synced_at, now64(6, 'UTC')) AS age FROM ${target(changes.table.name)}`);
    expect(Number(row?.['age'])).toBeLessThan(60);
  });

  test('finds rows by the key of the table behind it', async () => {
    const changes = new Changes(newTable());
    await sink.writeBatch([changes.insert({ id: 1 })]);
    const plan = await read(`EXPLAIN indexes = 1 SELECT * FROM ${target(changes.table.name)} WHERE id = 1`);
    expect(plan.map((line) => String(line['explain'])).join('\n')).toContain('Condition: (id in [1, 1])');
  });

  test('keeps its rows apart when merges have run', async () => {
    const changes = new Changes(newTable());
    const { name } = changes.table;
    const history = [changes.insert({ id: 1, name: 'a' }), changes.insert({ id: 2, name: 'b' }), changes.delete({ id: 1 })];
    for (const record of history) await sink.writeBatch([record]);
    await harness.run(`OPTIMIZE TABLE ${target(name)}_dbmazz_rows FINAL`);
    await sink.writeBatch(history.slice(0, 1));
    expect(await read(`SELECT id FROM ${target(name)}`)).toEqual([{ id: '2' }]);
  });

  test('shows from now on what was marked as deleted, or hides it, as DELETE_MODE says', async () => {
    const changes = new Changes(newTable());
    const soft = harness.createSink({ DELETE_MODE: 'soft' });
    await soft.writeBatch([changes.insert({ id: 1 }), changes.insert({ id: 2 }), changes.delete({ id: 2 })]);
    await soft.close();
    expect((await read(`SELECT id FROM ${target(changes.table.name)}`)).length).toBe(2);
    await sink.setup([changes.table]);
    expect(await read(`SELECT id FROM ${target(changes.table.name)}`)).toEqual([{ id: '1' }]);
  });

  test('made for hard deletes is refused to a sink that keeps deleted rows', async () => {
    const table = newTable();
    await sink.setup([table]);
    const soft = harness.createSink({ DELETE_MODE: 'soft' });
    expect(await codeOf(soft.setup([table]))).toBe('SCHEMA_INCOMPATIBLE');
    await soft.close();
  });
});

describe('a table that was there before', () => {
  test('is used as it is where its engine keeps the promises, and gets the meta columns', async () => {
    const changes = new Changes(newTable());
    const { name } = changes.table;
    await harness.run(
      `CREATE TABLE ${target(name)} (id Int64, name LowCardinality(Nullable(String)), extra String DEFAULT 'x', dbmazz_is_deleted UInt8, dbmazz_cdc_version UInt64) ENGINE = ReplacingMergeTree(dbmazz_cdc_version, dbmazz_is_deleted) ORDER BY id COMMENT 'mine'`,
    );
    await sink.writeBatch([changes.insert({ id: 1, name: 'a' }), changes.insert({ id: 2, name: 'b' })]);
    await sink.writeBatch([changes.delete({ id: 2 }), changes.update({ id: 1, name: UNCHANGED })]);
    expect(await read(`SELECT id, name, extra, dbmazz_op_type AS op FROM ${target(name)} FINAL`)).toEqual([{ id: '1', name: 'a', extra: 'x', op: 'u' }]);
    await sink.writeBatch([changes.truncate()]);
    expect(await read(`SELECT comment FROM system.tables WHERE database = '${harness.database}' AND name = '${name}'`)).toEqual([
      { comment: expect.stringMatching(/^mine \[dbmazz: truncated below \d+\]$/) },
    ]);
  });

  test.each(['MergeTree', 'ReplacingMergeTree'])('of the engine %s is refused, and left alone', async (engine) => {
    const table = newTable();
    await harness.run(`CREATE TABLE ${target(table.name)} (id Int64, name Nullable(String)) ENGINE = ${engine} ORDER BY id`);
    expect(await codeOf(sink.setup([table]))).toBe('SCHEMA_INCOMPATIBLE');
    expect((await read(`SELECT name FROM system.columns WHERE database = '${harness.database}' AND table = '${table.name}'`)).length).toBe(2);
  });

  test('as a view of the user is refused, and left alone', async () => {
    const table = newTable();
    await harness.run(`CREATE VIEW ${target(table.name)} AS SELECT 1 AS id`);
    expect(await codeOf(sink.setup([table]))).toBe('SCHEMA_INCOMPATIBLE');
    expect(await read(`SELECT id FROM ${target(table.name)}`)).toEqual([{ id: 1 }]);
  });

  test('is completed where a process died between table and view, or somebody dropped either', async () => {
    const changes = new Changes(newTable());
    const { name } = changes.table;
    await sink.writeBatch([changes.insert({ id: 1 })]);
    await harness.run(`DROP VIEW ${target(name)}`);
    await sink.setup([changes.table]);
    expect(await read(`SELECT id FROM ${target(name)}`)).toEqual([{ id: '1' }]);
    await harness.run(`DROP TABLE ${target(name)}_dbmazz_rows`);
    await sink.setup([changes.table]);
    expect(await read(`SELECT id FROM ${target(name)}`)).toEqual([]);
  });

  test('that somebody alters while we write to it is written to right', async () => {
    const changes = new Changes(newTable({ columns: { id: 'int64', n: 'int32', amount: 'decimal' } }));
    const { name } = changes.table;
    await sink.writeBatch([changes.insert({ id: 1, n: 1, amount: '1.50' })]);
    await harness.run(`ALTER TABLE ${target(name)}_dbmazz_rows MODIFY COLUMN n Nullable(Int64)`);
    await sink.writeBatch([changes.insert({ id: 2, n: 2, amount: '2.50' })]);
    await harness.run(`ALTER TABLE ${target(name)}_dbmazz_rows DROP COLUMN n`);
    await sink.writeBatch([changes.insert({ id: 3, n: 3, amount: '3.50' })]);
    expect(await read(`SELECT id, n, toString(amount) AS amount FROM ${target(name)} ORDER BY id`)).toEqual([
      { id: '1', n: null, amount: '1.5' },
      { id: '2', n: null, amount: '2.5' },
      { id: '3', n: 3, amount: '3.5' },
    ]);
  });
});

describe('values that ClickHouse does not have', () => {
  test('±infinity becomes the end of the range of timestamps', async () => {
    const changes = new Changes(newTable({ columns: { id: 'int64', at: 'timestampTz' } }));
    await sink.writeBatch([
      changes.insert({ id: 1, at: TIMESTAMP_INFINITY }),
      changes.insert({ id: 2, at: TIMESTAMP_MINUS_INFINITY }),
      changes.insert({ id: 3, at: 253_402_214_400_000_000n }),
    ]);
    expect(await read(`SELECT toString(at) AS at FROM ${target(changes.table.name)} ORDER BY id`)).toEqual([
      { at: '9999-12-31 23:59:59.999999' },
      { at: '0000-01-01 00:00:00.000000' },
      { at: '9999-12-31 00:00:00.000000' },
    ]);
  });

  test('a finite one beyond it is refused, and nothing of its batch is written', async () => {
    const changes = new Changes(newTable({ columns: { id: 'int64', at: 'timestampTz' } }));
    await sink.setup([changes.table]);
    expect(await codeOf(sink.writeBatch([changes.insert({ id: 1, at: 0 }), changes.insert({ id: 2, at: 300_000_000_000_000_000n })]))).toBe(
      'VALUE_OUT_OF_RANGE',
    );
    expect(await read(`SELECT id FROM ${target(changes.table.name)}`)).toEqual([]);
    await sink.writeBatch([changes.insert({ id: 1, at: 0 })]);
    expect((await read(`SELECT id FROM ${target(changes.table.name)}`)).length).toBe(1);
  });

  test('null in a column that cannot be null is refused', async () => {
    const changes = new Changes(newTable({ columns: { id: 'int64', name: { type: { kind: 'text' }, nullable: false } } }));
    expect(await codeOf(sink.writeBatch([changes.insert({ id: 1, name: null })]))).toBe('RECORD_REJECTED');
  });

  test('text with a zero byte is kept', async () => {
    const changes = new Changes(newTable());
    await sink.writeBatch([changes.insert({ id: 1, name: 'a\0b' })]);
    expect(await read(`SELECT hex(name) AS name FROM ${target(changes.table.name)}`)).toEqual([{ name: '610062' }]);
  });
});

describe('two source tables', () => {
  test('of one target are refused', async () => {
    const table = newTable();
    await sink.setup([table]);
    expect(await codeOf(sink.setup([tableOf({ schema: 'other', name: table.name, columns: { id: 'int64' }, key: ['id'] })]))).toBe('CONFIG_INVALID');
  });

  test('of which one has the name of the table behind the other are refused', async () => {
    const table = newTable();
    await sink.setup([table]);
    expect(await codeOf(sink.setup([newTable({ name: `${table.name}_dbmazz_rows` })]))).toBe('CONFIG_INVALID');
  });
});

describe('connection', () => {
  const url = () => new URL(process.env['CLICKHOUSE_URL'] ?? '');

  test('a database that is not there yet is a warning, and is created', async () => {
    const database = `${harness.database}_new`;
    const other = createSink({ SINK_URL: url().href, SINK_DATABASE: database });
    expect(await other.validateConnection()).toMatchObject([
      { severity: 'warning', code: 'TABLE_NOT_FOUND', remedy: `CREATE DATABASE IF NOT EXISTS \`${database}\`;` },
    ]);
    const changes = new Changes(newTable());
    await other.writeBatch([changes.insert({ id: 1 })]);
    expect(await read(`SELECT id FROM ${database}.${changes.table.name}`)).toEqual([{ id: '1' }]);
    await other.close();
    await harness.run(`DROP DATABASE ${database}`);
  });

  test('rights are asked for', async () => {
    const client = new ClickHouseClient(configOf({ SINK_URL: url().href, SINK_DATABASE: harness.database }));
    for (const grant of buildGrants(harness.database)) expect(await hasGrant(client, grant)).toBe(true);
    expect(await hasGrant(client, 'CREATE USER ON *.*')).toBe(false);
    expect(await hasGrant(client, 'NO SUCH RIGHT')).toBe(true);
    await client.close();
  });

  test('a wrong password is AUTH_FAILED, without the password in it', async () => {
    const other = createSink({ SINK_URL: url().href, SINK_PASSWORD: 'hunter2' });
    const error: unknown = await other.validateConnection().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'AUTH_FAILED' });
    expect(JSON.stringify(error)).not.toContain('hunter2');
    await other.close();
  });

  test('a server that is not there is CONNECTION_LOST', async () => {
    const other = createSink({ SINK_URL: 'http://127.0.0.1:1' });
    expect(await codeOf(other.validateConnection())).toBe('CONNECTION_LOST');
    await other.close();
  });

  test('a server that does not answer in time is TIMEOUT', async () => {
    const other = createSink({ SINK_URL: url().href, SINK_DATABASE: harness.database, SINK_REQUEST_TIMEOUT_MS: '100' });
    const slow = harness.query('SELECT sum(sleepEachRow(1)) AS s FROM numbers(2) SETTINGS max_block_size = 1');
    expect(await codeOf(other.validateConnection())).toBe('TIMEOUT');
    await slow;
    await other.close();
  });

  test.each(['gzip', 'zstd'])('rows compressed with %s arrive', async (SINK_COMPRESSION) => {
    const other = harness.createSink({ SINK_COMPRESSION } as Record<string, string>);
    const changes = new Changes(newTable());
    const rows = Array.from({ length: 1000 }, (_, id) => changes.insert({ id, name: 'x'.repeat(100) }));
    expect((await other.writeBatch(rows)).recordsWritten).toBe(1000);
    expect(await read(`SELECT toString(count()) AS n FROM ${target(changes.table.name)}`)).toEqual([{ n: '1000' }]);
    await other.close();
  });
});
