import { randomBytes } from 'node:crypto';
import { createClient } from '@clickhouse/client';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readVerifySettings } from './settings.ts';
import { verify, type VerifyReport } from './verify.ts';

const POSTGRES_URL = process.env['POSTGRES_URL'] ?? '';
const CLICKHOUSE_URL = process.env['CLICKHOUSE_URL'] ?? '';
const NAME = `verify_${randomBytes(4).toString('hex')}`;

const COLUMNS = `id integer, part text, flag boolean, big bigint, amount numeric(12,2), free numeric, ratio double precision, small real, code char(4), host inet,
  raw bytea, body text, doc jsonb, ref uuid, day date, clock time, at timestamp, moment timestamptz, tags text[], prices numeric(8,2)[], grid integer[][]`;
const VALUES = `
  (1, 'ä', true, 9223372036854775807, 12.50, 1.10, 1e20, 0.1, 'ab', '10.0.0.1', '\\x00ff', E'line\\n\\ttab', '{"b": 1, "a": [1, 2]}', '6f1b0a52-1111-4222-8333-444455556666',
   '2024-02-29', '12:34:56.5', '1969-12-31 23:59:59.999999', '2024-02-29 12:00:00.25+02', '{a,"b,c",NULL}', '{1.50,2.00}', '{{1,2},{3,4}}'),
  (2, 'z', false, -1, -0.10, 'NaN', '-Infinity', 'NaN', 'abcd', '10.0.0.0/8', '', '', 'null', '00000000-0000-0000-0000-000000000000',
   'infinity', '24:00:00', '-infinity', 'infinity', '{}', '{}', '{}'),
  (10, 'z', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`;

/** The same rows as the ClickHouse sink keeps them. */
const CLICKHOUSE_COLUMNS = `id Int32, part String, flag Nullable(Bool), big Nullable(Int64), amount Nullable(Decimal(12, 2)), free Nullable(String), ratio Nullable(Float64),
  small Nullable(Float32), code Nullable(String), host Nullable(String), raw Nullable(String), body Nullable(String), doc Nullable(String), ref Nullable(UUID), day Nullable(Date32),
  clock Nullable(String), at Nullable(DateTime64(6, 'UTC')), moment Nullable(DateTime64(6, 'UTC')), tags Array(Nullable(String)), prices Array(Nullable(Decimal(8, 2))), grid Nullable(String)`;
const CLICKHOUSE_VALUES = `
  (1, 'ä', true, 9223372036854775807, 12.5, '1.10', 1e20, 0.1, 'ab  ', '10.0.0.1', unhex('00ff'), 'line\\n\\ttab', '{"a": [1, 2], "b": 1}', '6f1b0a52-1111-4222-8333-444455556666',
   '2024-02-29', '12:34:56.5', fromUnixTimestamp64Micro(-1, 'UTC'), '2024-02-29 10:00:00.250000', ['a', 'b,c', NULL], [1.5, 2], '[[1,2],[3,4]]', 'c', 0, now64(6), 1),
  (2, 'z', false, -1, -0.1, 'NaN', -inf, nan, 'abcd', '10.0.0.0/8', '', '', 'null', '00000000-0000-0000-0000-000000000000',
   fromDaysSinceYearZero32(3652424), '24:00:00', fromUnixTimestamp64Micro(-62167219200000000, 'UTC'), fromUnixTimestamp64Micro(253402300799999999, 'UTC'), [], [], '[]', 'c', 0, now64(6), 2),
  (10, 'z', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, [], [], NULL, 'c', 0, now64(6), 3),
  (11, 'z', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, [], [], NULL, 'd', 1, now64(6), 4)`;

const META = 'dbmazz_op_type text, dbmazz_is_deleted boolean NOT NULL DEFAULT false, dbmazz_synced_at timestamptz, dbmazz_cdc_version bigint';
const CLICKHOUSE_META = 'dbmazz_op_type LowCardinality(String), dbmazz_is_deleted UInt8, dbmazz_synced_at DateTime64(6), dbmazz_cdc_version UInt64';

const postgres = new pg.Client({ connectionString: POSTGRES_URL });
const clickhouse = createClient({ url: CLICKHOUSE_URL });

beforeAll(async () => {
  await postgres.connect();
  await postgres.query(`CREATE SCHEMA ${NAME}; CREATE SCHEMA ${NAME}_copy;
    CREATE TABLE ${NAME}.things (${COLUMNS}, PRIMARY KEY (part, id));
    CREATE TABLE ${NAME}_copy.things (${COLUMNS}, ${META}, PRIMARY KEY (part, id));
    INSERT INTO ${NAME}.things VALUES ${VALUES}; INSERT INTO ${NAME}_copy.things VALUES ${VALUES};
    INSERT INTO ${NAME}_copy.things (id, part, dbmazz_is_deleted) VALUES (11, 'z', true);
    CREATE TABLE ${NAME}.loose (a integer, b text); CREATE TABLE ${NAME}_copy.loose (a integer, b text, ${META});
    INSERT INTO ${NAME}.loose VALUES (1, 'x'), (1, 'x'), (NULL, 'y'), (2, NULL); INSERT INTO ${NAME}_copy.loose SELECT * FROM ${NAME}.loose`);
  await clickhouse.command({ query: `CREATE DATABASE ${NAME}` });
  await clickhouse.command({
    query: `CREATE TABLE ${NAME}.things (${CLICKHOUSE_COLUMNS}, ${CLICKHOUSE_META}) ENGINE = ReplacingMergeTree(dbmazz_cdc_version, dbmazz_is_deleted) ORDER BY (part, id)`,
  });
  await clickhouse.command({ query: `INSERT INTO ${NAME}.things VALUES ${CLICKHOUSE_VALUES}` });
});

afterAll(async () => {
  await postgres.query(`DROP SCHEMA IF EXISTS ${NAME}, ${NAME}_copy CASCADE`);
  await postgres.end();
  await clickhouse.command({ query: `DROP DATABASE IF EXISTS ${NAME}` });
  await clickhouse.close();
});

async function verifyWith(type: 'postgres' | 'clickhouse', tables: string, settings: Readonly<Record<string, string>> = {}): Promise<VerifyReport> {
  const sink = type === 'postgres' ? { SINK_URL: POSTGRES_URL, SINK_SCHEMA: `${NAME}_copy` } : { SINK_URL: CLICKHOUSE_URL, SINK_DATABASE: NAME };
  const { source, openTarget } = readVerifySettings({
    SOURCE_TYPE: 'postgres',
    SOURCE_URL: POSTGRES_URL,
    TABLES: tables,
    SINK_TYPE: type,
    ...sink,
    ...settings,
  });
  const target = await openTarget();
  try {
    return await verify({ source, target });
  } finally {
    await target.close();
  }
}

test.each(['postgres', 'clickhouse'] as const)('equal tables have no difference in %s, whatever the types', async (type) => {
  const { tables, ...totals } = await verifyWith(type, `${NAME}.things`);
  expect(tables[0]?.examples).toEqual([]);
  expect(totals).toEqual({ target: type, rows: 3, differences: 0 });
  expect(tables[0]?.checksum).toBe(tables[0]?.targetChecksum);
});

test('tables without a key are compared as bags of rows', async () => {
  expect(await verifyWith('postgres', `${NAME}.loose`)).toMatchObject({ rows: 4, differences: 0 });
  await postgres.query(`DELETE FROM ${NAME}_copy.loose WHERE ctid = (SELECT min(ctid) FROM ${NAME}_copy.loose)`);
  expect((await verifyWith('postgres', `${NAME}.loose`)).tables[0]?.examples).toEqual([{ kind: 'missing', key: 'a=1, b=x', columns: [] }]);
});

test('a table without a key is the same in any order of arrays', async () => {
  const rows = `(1, '{2}', 'a', '{{2}}'), (1, '{10}', 'b', '{{10}}'), (1, '{}', 'c', '{}'), (1, NULL, 'd', NULL), (1, '{2}', 'e', '{{2}}'), (2, '{NULL}', 'f', NULL)`;
  await postgres.query(`CREATE TABLE ${NAME}.bags (a integer, b integer[], c text, d integer[][]); INSERT INTO ${NAME}.bags VALUES ${rows}`);
  const columns = 'a Nullable(Int32), b Array(Nullable(Int32)), c Nullable(String), d Nullable(String)';
  await clickhouse.command({ query: `CREATE TABLE ${NAME}.bags (${columns}, ${CLICKHOUSE_META}) ENGINE = Memory` });
  const values = [`[2], 'a', '[[2]]'`, `[10], 'b', '[[10]]'`, `[], 'c', '[]'`, `[], 'd', NULL`, `[2], 'e', '[[2]]'`].map(
    (rest) => `(1, ${rest}, 'c', 0, now64(6), 1)`,
  );
  await clickhouse.command({ query: `INSERT INTO ${NAME}.bags VALUES ${values.join(', ')}, (2, [NULL], 'f', NULL, 'c', 0, now64(6), 1)` });
  expect((await verifyWith('clickhouse', `${NAME}.bags`)).tables[0]).toMatchObject({ rows: 6, targetRows: 6, differences: 0, examples: [] });
  await clickhouse.command({ query: `INSERT INTO ${NAME}.bags VALUES (1, [3], 'b', '[[10]]', 'c', 0, now64(6), 1)` });
  expect((await verifyWith('clickhouse', `${NAME}.bags`)).tables[0]?.examples).toEqual([{ kind: 'extra', key: 'a=1, b=["3"], c=b, d=[[10]]', columns: [] }]);
});

test('rows of a table that inherits are not those of its parent, and rows of partitions are', async () => {
  await postgres.query(`CREATE TABLE ${NAME}.parent (id integer PRIMARY KEY); CREATE TABLE ${NAME}.child (PRIMARY KEY (id)) INHERITS (${NAME}.parent);
    INSERT INTO ${NAME}.parent VALUES (1); INSERT INTO ${NAME}.child VALUES (2);
    CREATE TABLE ${NAME}_copy.parent (id integer PRIMARY KEY, ${META}); INSERT INTO ${NAME}_copy.parent VALUES (1);
    CREATE TABLE ${NAME}.parted (id integer PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE ${NAME}.parted3 PARTITION OF ${NAME}.parted FOR VALUES IN (3);
    INSERT INTO ${NAME}.parted VALUES (3); CREATE TABLE ${NAME}_copy.parted (id integer PRIMARY KEY, ${META}); INSERT INTO ${NAME}_copy.parted VALUES (3)`);
  for (const table of ['parent', 'parted']) expect(await verifyWith('postgres', `${NAME}.${table}`)).toMatchObject({ rows: 1, differences: 0 });
});

test('a difference is named by key and column in both targets', async () => {
  await postgres.query(`UPDATE ${NAME}.things SET amount = 12.51, tags = '{a}' WHERE id = 1; INSERT INTO ${NAME}.things (id, part) VALUES (3, '~')`);
  for (const type of ['postgres', 'clickhouse'] as const) {
    const { tables, differences } = await verifyWith(type, `${NAME}.things`);
    expect(differences).toBe(2);
    expect(tables[0]?.examples).toEqual([
      { kind: 'missing', key: 'part=~, id=3', columns: [] },
      { kind: 'different', key: 'part=ä, id=1', columns: ['amount', 'tags'] },
    ]);
  }
});

test('a table or column that the target does not have is said so', async () => {
  const { tables, differences } = await verifyWith('clickhouse', `${NAME}.loose`);
  expect(differences).toBe(4);
  expect(tables[0]?.problem).toBe('the target has no such table');
  await postgres.query(`ALTER TABLE ${NAME}.loose ADD COLUMN c integer`);
  expect((await verifyWith('postgres', `${NAME}.loose`)).tables[0]?.problem).toBe('the target lacks column c');
});

test('only what the source publishes is compared: not what is filtered, left out or masked', async () => {
  await postgres.query(`CREATE TABLE ${NAME}.people (id integer PRIMARY KEY, mail text, secret text, v text);
    CREATE TABLE ${NAME}_copy.people (id integer PRIMARY KEY, mail text, v text, ${META});
    INSERT INTO ${NAME}.people VALUES (1, 'a@x', 's', 'v'), (2, 'b@x', 's', 'v'), (3, 'c@x', 's', 'v'); INSERT INTO ${NAME}_copy.people VALUES (1, '***', 'v'), (2, '***', 'v')`);
  const settings = {
    EXCLUDE_COLUMNS: `${NAME}.people.secret`,
    MASK_COLUMNS: `${NAME}.people.mail`,
    ROW_FILTER: `${NAME}.people: people.id < 3 -- the first ones`,
  };
  expect(await verifyWith('postgres', `${NAME}.people`, settings)).toMatchObject({ rows: 2, differences: 0 });
  await postgres.query(`UPDATE ${NAME}.people SET v = 'w' WHERE id > 1`);
  expect((await verifyWith('postgres', `${NAME}.people`, settings)).tables[0]?.examples).toEqual([{ kind: 'different', key: 'id=2', columns: ['v'] }]);
});

test('a pattern that fits no table is an error', async () => {
  await expect(verifyWith('postgres', `${NAME}.nothing`)).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' });
});
