import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sink } from '../../shared/connector/sink.ts';
import { isCdcError } from '../../shared/errors/cdc-error.ts';
import type { ErrorCode } from '../../shared/errors/codes.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { TableSchema } from '../../shared/record/table-schema.ts';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, UNCHANGED, type Value } from '../../shared/record/value.ts';
import { openHarness, type PostgresHarness } from '../../test/contract/postgres-harness.ts';
import { Changes, tableOf } from '../../test/contract/records.ts';

let harness: PostgresHarness;
let sink: Sink;
let count = 0;

beforeAll(async () => {
  harness = await openHarness();
  await harness.query(`CREATE SCHEMA ${harness.schema}`);
  sink = harness.createSink({});
});
afterAll(async () => {
  await sink.close();
  await harness.close();
});

const newName = () => `t${++count}`;
const rowsOf = async (name: string, columns = '*') => harness.query(`SELECT ${columns} FROM ${harness.schema}.${name} ORDER BY 1`);
const typeOf = async (name: string, column: string) =>
  (
    await harness.query(
      `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = '${harness.schema}.${name}'::regclass AND attname = '${column}'`,
    )
  )[0]?.['type'];

/** A table of a PostgreSQL source, declared as that source would. */
function nativeTable(type: DataType, nativeType: string): TableSchema {
  const columns = [
    { name: 'id', dataType: { kind: 'int64' } as const, nullable: false, nativeType: 'bigint' },
    { name: 'value', dataType: type, nullable: true, nativeType },
  ];
  return new TableSchema({ database: 'shop', schema: 'public', name: newName(), columns, key: [0] });
}

async function refusal(action: Promise<unknown>): Promise<{ readonly code: ErrorCode; readonly remedy: string; readonly message: string }> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isCdcError(error)) throw new Error('no coded error came', { cause: error });
  return error;
}

describe('a column keeps the type and the values of a PostgreSQL source', () => {
  const string: DataType = { kind: 'string' };
  type Case = readonly [declared: string, type: DataType, values: readonly Value[], printed?: readonly string[]];
  const cases: readonly Case[] = [
    ['character varying(40)', string, ['a', "it's \\ 🎈"]],
    ['character(3)', string, ['ab ']],
    ['inet', string, ['10.1.2.3', '::1', '10.0.0.0/8']],
    ['cidr', string, ['10.0.0.0/8']],
    ['macaddr', string, ['08:00:2b:01:02:03']],
    ['interval', string, ['1 year 2 mons -3 days +04:05:06.789', '00:00:00']],
    ['bit(8)', string, ['10100101']],
    ['bit varying(12)', string, ['101']],
    ['time with time zone', string, ['12:34:56.789+02']],
    ['int4range', string, ['[1,10)', 'empty', '(,5)']],
    ['tstzrange', string, ['["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")']],
    ['tsvector', string, ["'a':1 'b':2"]],
    ['box', string, ['(2,2),(1,1)']],
    ['pg_lsn', string, ['16/B374D848']],
    ['mood', { kind: 'enum', values: ['sad', 'ok'] }, ['ok']],
    ['timestamp(3) with time zone', { kind: 'timestampTz', unit: 'micros' }, [1_700_000_000_123_000], ['2023-11-14 22:13:20.123+00']],
    [
      'timestamp without time zone',
      { kind: 'timestamp', unit: 'micros' },
      [TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, -11_676_096_000_000_001n, -9_007_199_254_740_991],
      ['infinity', '-infinity', '1599-12-31 23:59:59.999999', '1684-07-28 00:12:25.259009'],
    ],
    ['timestamp with time zone', { kind: 'timestampTz', unit: 'millis' }, [1_700_000_000_123_000], ['2023-11-14 22:13:20.123+00']],
    ['date', { kind: 'date' }, [2147483647, -2147483648, -719_528], ['infinity', '-infinity', '0001-01-01 BC']],
    ['time without time zone', { kind: 'time', unit: 'micros' }, [86_400_000_000], ['24:00:00']],
    ['time(0) without time zone', { kind: 'time', unit: 'millis' }, [45_296_000_000], ['12:34:56']],
    ['numeric(20,5)', { kind: 'decimal', precision: 20, scale: 5 }, ['123456789012345.12345', '-0.00001', '0.00000']],
    ['numeric', { kind: 'numeric' }, ['NaN', '1e-20', '12345678901234567890.5'], ['NaN', '0.00000000000000000001', '12345678901234567890.5']],
    ['character varying(5)[]', { kind: 'array', element: string }, [['a', null, 'NULL', '']], ['{a,NULL,"NULL",""}']],
    ['inet[]', { kind: 'array', element: string }, [['10.0.0.1']], ['{10.0.0.1}']],
    ['numeric[]', { kind: 'array', element: { kind: 'numeric' } }, [['1.50', 'NaN']], ['{1.50,NaN}']],
    ['date[]', { kind: 'array', element: { kind: 'date' } }, [[0, 2147483647]], ['{1970-01-01,infinity}']],
    ['bigint[]', { kind: 'array', element: { kind: 'int64' } }, [[1, 9_223_372_036_854_775_807n]], ['{1,9223372036854775807}']],
    ['jsonb[]', { kind: 'array', element: { kind: 'jsonb' } }, [['{"a": 1}', 'null']], ['{"{\\"a\\": 1}","null"}']],
    ['bytea[]', { kind: 'array', element: { kind: 'bytes' } }, [[Buffer.from([0, 255])]], ['{"\\\\x00ff"}']],
  ];

  test.each(cases.map(([declared, type, values, printed]) => ({ declared, type, values, printed: printed ?? values })))(
    '$declared',
    async ({ declared, type, values, printed }) => {
      const changes = new Changes(nativeTable(type, declared));
      const name = changes.table.name;
      await sink.setup([changes.table]);
      // Inserts go straight into the table where its types allow it, updates through the staging table.
      await sink.writeBatch(values.map((value, id) => changes.insert({ id, value })));
      expect((await rowsOf(name, 'id, value')).map(({ value }) => value)).toEqual(printed);
      await sink.writeBatch(values.map((value, id) => changes.update({ id, value })));
      expect((await rowsOf(name, 'id, value')).map(({ value }) => value)).toEqual(printed);
      expect(await typeOf(name, 'value')).toBe(declared === 'mood' ? 'text' : declared);
    },
  );
});

describe('what PostgreSQL cannot hold is refused whole', () => {
  type Case = readonly [what: string, type: DataType, declared: string, value: Value, code: ErrorCode];
  const cases: readonly Case[] = [
    ['a NUL in text', { kind: 'text' }, 'text', 'a\0b', 'RECORD_REJECTED'],
    ['a NUL in jsonb', { kind: 'jsonb' }, 'jsonb', '"a\\u0000b"', 'RECORD_REJECTED'],
    ['text that is no json', { kind: 'json' }, 'json', '{', 'RECORD_REJECTED'],
    ['text that is no uuid', { kind: 'uuid' }, 'uuid', 'nothing', 'RECORD_REJECTED'],
    ['a text that is too long', { kind: 'string' }, 'character varying(3)', 'four', 'VALUE_OUT_OF_RANGE'],
    ['a date beyond the last', { kind: 'date' }, 'date', 2_147_483_646, 'VALUE_OUT_OF_RANGE'],
    ['a date before the first', { kind: 'date' }, 'date', -2_147_483_640, 'VALUE_OUT_OF_RANGE'],
    ['a timestamp before the first', { kind: 'timestamp', unit: 'micros' }, 'timestamp without time zone', -9_223_372_036_854_775_000n, 'VALUE_OUT_OF_RANGE'],
    ['an address that is none', { kind: 'string' }, 'inet', 'nothing', 'RECORD_REJECTED'],
  ];

  test.each(cases)('%s', async (...[, type, declared, value, code]: Case) => {
    const changes = new Changes(nativeTable(type, declared));
    await sink.writeBatch([changes.insert({ id: 1 })]);
    const error = await refusal(sink.writeBatch([changes.insert({ id: 2 }), changes.update({ id: 1, value }), changes.insert({ id: 3 })]));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain(String(value));
    expect((await rowsOf(changes.table.name)).map(({ id }) => id)).toEqual(['1']);
    await sink.writeBatch([changes.insert({ id: 4 })]);
    expect((await rowsOf(changes.table.name)).length).toBe(2);
  });
});

describe('a table that was there before us', () => {
  const spec = { columns: { id: 'int64', name: 'text', body: 'text' }, key: ['id'] } as const;

  async function given(definition: string): Promise<Changes> {
    const changes = new Changes(tableOf({ name: newName(), ...spec }));
    await harness.query(`CREATE TABLE ${harness.schema}.${changes.table.name} ${definition}`);
    return changes;
  }

  test('is taken as it is, with its rows and its further columns', async () => {
    const changes = await given(`(id bigint PRIMARY KEY, extra int DEFAULT 7, name varchar(50), body text)`);
    await harness.query(`INSERT INTO ${harness.schema}.${changes.table.name} (id, name) VALUES (1, 'old'), (2, 'stays')`);
    await sink.writeBatch([changes.update({ id: 1, name: 'new', body: 'b' }), changes.insert({ id: 3, name: 'c' })]);
    expect(await rowsOf(changes.table.name, 'id, extra, name, body')).toEqual([
      { id: '1', extra: '7', name: 'new', body: 'b' },
      { id: '2', extra: '7', name: 'stays', body: null },
      { id: '3', extra: '7', name: 'c', body: null },
    ]);
  });

  test('may have enumerations, addresses, identities and generated columns', async () => {
    await harness.query(`CREATE TYPE ${harness.schema}.size AS ENUM ('s', 'm')`);
    const changes = await given(
      `(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name ${harness.schema}.size, body inet, twice bigint GENERATED ALWAYS AS (id * 2) STORED)`,
    );
    await sink.writeBatch([changes.insert({ id: 5, name: 's', body: '10.0.0.1' })]);
    await sink.writeBatch([changes.update({ id: 5, name: 'm', body: UNCHANGED })]);
    expect(await rowsOf(changes.table.name, 'id, name, body, twice')).toEqual([{ id: '5', name: 'm', body: '10.0.0.1', twice: '10' }]);
  });

  test('may forbid nulls, also in a column whose value did not change', async () => {
    const changes = await given(`(id bigint PRIMARY KEY, name text NOT NULL, body text NOT NULL)`);
    await sink.writeBatch([changes.insert({ id: 1, name: 'a', body: 'large' })]);
    await sink.writeBatch([changes.update({ id: 1, name: 'b', body: UNCHANGED })]);
    expect(await rowsOf(changes.table.name, 'id, name, body')).toEqual([{ id: '1', name: 'b', body: 'large' }]);
    expect((await refusal(sink.writeBatch([changes.insert({ id: 2, name: 'b' })]))).code).toBe('RECORD_REJECTED');
  });

  test('may have foreign keys: tables are written in any order', async () => {
    const parents = await given(`(id bigint PRIMARY KEY, name text, body text)`);
    const children = await given(`(id bigint PRIMARY KEY, name text, body text, FOREIGN KEY (id) REFERENCES ${harness.schema}.${parents.table.name})`);
    await sink.writeBatch([children.insert({ id: 1 })]);
    await sink.writeBatch([parents.insert({ id: 1 })]);
    await sink.writeBatch([parents.delete({ id: 1 })]);
    expect((await rowsOf(children.table.name)).length).toBe(1);
  });

  test('frees a unique value of a deleted row for another row of the batch', async () => {
    const changes = await given(`(id bigint PRIMARY KEY, name text UNIQUE, body text)`);
    await sink.writeBatch([changes.insert({ id: 1, name: 'one' })]);
    await sink.writeBatch([changes.insert({ id: 2, name: 'one' }), changes.delete({ id: 1 })]);
    expect(await rowsOf(changes.table.name, 'id, name')).toEqual([{ id: '2', name: 'one' }]);
  });

  test('may be partitioned', async () => {
    const changes = await given(`(id bigint PRIMARY KEY, name text, body text) PARTITION BY RANGE (id)`);
    const { name } = changes.table;
    await harness.query(`CREATE TABLE ${harness.schema}.${name}_a PARTITION OF ${harness.schema}.${name} FOR VALUES FROM (0) TO (100)`);
    await harness.query(`CREATE TABLE ${harness.schema}.${name}_b PARTITION OF ${harness.schema}.${name} DEFAULT`);
    const batch = [changes.insert({ id: 1 }), changes.insert({ id: 1000 })];
    await sink.writeBatch(batch);
    await sink.writeBatch([changes.delete({ id: 1000 }), changes.update({ id: 1, name: 'x' })]);
    await sink.writeBatch(batch);
    expect(await rowsOf(name, 'id, name')).toEqual([{ id: '1', name: 'x' }]);
  });

  test('gets the key that it lacks', async () => {
    const changes = await given(`(id bigint, name text, body text)`);
    const batch = [changes.insert({ id: 1 })];
    await sink.writeBatch(batch);
    await sink.writeBatch(batch);
    expect((await rowsOf(changes.table.name)).length).toBe(1);
  });

  test('without a key on either side keeps its rows', async () => {
    const changes = new Changes(tableOf({ name: newName(), columns: { name: 'text' } }));
    await harness.query(`CREATE TABLE ${harness.schema}.${changes.table.name} (name text)`);
    await harness.query(`INSERT INTO ${harness.schema}.${changes.table.name} VALUES ('a'), ('a'), ('b')`);
    const batch = [changes.insert({ name: 'c' }), changes.delete({ name: 'a' })];
    await sink.writeBatch(batch);
    await sink.writeBatch(batch);
    expect((await rowsOf(changes.table.name, 'name')).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('that cannot hold the values is refused, and stays as it was', async () => {
    const changes = await given(`(id bigint PRIMARY KEY, name text, body integer[])`);
    const table = tableOf({ name: changes.table.name, columns: { id: 'int64', name: 'text', body: 'boolean' }, key: ['id'] });
    expect((await refusal(sink.setup([table]))).code).toBe('SCHEMA_INCOMPATIBLE');
    expect(await typeOf(changes.table.name, 'dbmazz_cdc_version')).toBeUndefined();
  });

  test('that is a view is refused', async () => {
    const { table } = new Changes(tableOf({ name: newName(), ...spec }));
    await harness.query(`CREATE VIEW ${harness.schema}.${table.name} AS SELECT 1 AS id`);
    expect((await refusal(sink.setup([table]))).code).toBe('SCHEMA_INCOMPATIBLE');
  });
});

describe('a table of the target', () => {
  test('belongs to one table of the source', async () => {
    const name = newName();
    await sink.setup([tableOf({ name, columns: { id: 'int64' }, key: ['id'] })]);
    const other = tableOf({ schema: 'sales', name, columns: { id: 'int64' }, key: ['id'] });
    expect(await refusal(sink.setup([other]))).toMatchObject({ code: 'CONFIG_INVALID', remedy: expect.stringContaining('SINK_TABLE') });
  });

  test.each(['dbmazz_deleted', 'dbmazz_tables', 'x'.repeat(64), 'ü'.repeat(32)])('is not named %s', async (name) => {
    expect((await refusal(sink.setup([tableOf({ name, columns: { id: 'int64' }, key: ['id'] })]))).code).toBe('SCHEMA_INCOMPATIBLE');
  });

  test('is not changed by being set up again', async () => {
    const table = tableOf({ name: newName(), columns: { id: 'int64', at: 'timestampTz', tags: 'array', amount: 'decimal', kind: 'enum' }, key: ['id'] });
    await sink.setup([table]);
    const state = async () => harness.query(`SELECT c.xmin::text, c.relfilenode::text FROM pg_class c WHERE oid = '${harness.schema}.${table.name}'::regclass`);
    const before = await state();
    await sink.setup([table]);
    expect(await state()).toEqual(before);
  });

  test('without a key turns into one with a key', async () => {
    const name = newName();
    const keyless = new Changes(tableOf({ name, columns: { id: 'int64' } }));
    await sink.writeBatch([keyless.insert({ id: 1 })]);
    const keyed = new Changes(tableOf({ name, columns: { id: 'int64' }, key: ['id'] }), keyless.version);
    await sink.setup([keyed.table]);
    await sink.writeBatch([keyed.delete({ id: 1 }), keyed.insert({ id: 2 })]);
    expect(await rowsOf(name, 'id')).toEqual([{ id: '2' }]);
  });
});

describe('remembered deletes', () => {
  const remembered = async (name: string) =>
    Number((await harness.query(`SELECT count(*) FROM ${harness.schema}.dbmazz_deleted WHERE table_name = '${name}'`))[0]?.['count']);

  test('are forgotten after SINK_TOMBSTONE_DAYS', async () => {
    const changes = new Changes(tableOf({ name: newName(), columns: { id: 'int64' }, key: ['id'] }));
    const { name } = changes.table;
    await sink.writeBatch([changes.delete({ id: 1 }), changes.delete({ id: 2 })]);
    await harness.query(
      `UPDATE ${harness.schema}.dbmazz_deleted SET remembered_at = now() - interval '31 days' WHERE table_name = '${name}' AND version = ${changes.version}`,
    );
    const next = harness.createSink({});
    await next.writeBatch([changes.delete({ id: 3 })]);
    await next.close();
    expect(await remembered(name)).toBe(2);
  });

  test('are for ever with SINK_TOMBSTONE_DAYS=0', async () => {
    const changes = new Changes(tableOf({ name: newName(), columns: { id: 'int64' }, key: ['id'] }));
    const patient = harness.createSink({ SINK_TOMBSTONE_DAYS: '0' });
    await patient.writeBatch([changes.delete({ id: 1 })]);
    await harness.query(`UPDATE ${harness.schema}.dbmazz_deleted SET remembered_at = 'epoch' WHERE table_name = '${changes.table.name}'`);
    await patient.writeBatch([changes.delete({ id: 2 })]);
    await patient.close();
    expect(await remembered(changes.table.name)).toBe(2);
  });
});

test('soft: truncate marks the rows', async () => {
  const soft = harness.createSink({ DELETE_MODE: 'soft' });
  const changes = new Changes(tableOf({ name: newName(), columns: { id: 'int64' }, key: ['id'] }));
  const insert = changes.insert({ id: 1 });
  await soft.writeBatch([insert]);
  await soft.writeBatch([changes.truncate(), changes.insert({ id: 2 })]);
  await soft.writeBatch([insert]);
  await soft.close();
  expect(await rowsOf(changes.table.name, 'id, dbmazz_is_deleted, dbmazz_op_type')).toEqual([
    { id: '1', dbmazz_is_deleted: 't', dbmazz_op_type: 'd' },
    { id: '2', dbmazz_is_deleted: 'f', dbmazz_op_type: 'c' },
  ]);
});
