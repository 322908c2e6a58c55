import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStack, type RunningStack } from './mod.ts';

/** What the sink and the tests use of a ClickHouse server, here against the engine behind our front (or a real server, by CLICKHOUSE_URL). */
const quiet = { log: { level: ClickHouseLogLevel.OFF } };
let stack: RunningStack;
let client: ClickHouseClient;

beforeAll(async () => {
  stack = await startStack({ services: ['clickhouse'] });
  const database = `stack_test_${Date.now()}`;
  const admin = createClient({ ...quiet, url: stack.urls.clickhouseUrl });
  await admin.command({ query: `CREATE DATABASE ${database}` });
  await admin.close();
  client = createClient({ ...quiet, url: stack.urls.clickhouseUrl, database, compression: { request: true, response: true } });
}, 300_000);

afterAll(async () => {
  await client.command({ query: 'DROP DATABASE {name:Identifier}', query_params: { name: await currentDatabase() } });
  await client.close();
  await stack.stop();
});

async function rows<T>(query: string, query_params?: Record<string, unknown>): Promise<T[]> {
  const result = await client.query({ query, format: 'JSONEachRow', ...(query_params !== undefined && { query_params }) });
  return result.json<T>();
}

async function count(table: string): Promise<number> {
  const [row] = await rows<{ n: string }>(`SELECT count() AS n FROM ${table}`);
  return Number(row?.n);
}

async function currentDatabase(): Promise<string> {
  const [row] = await rows<{ name: string }>('SELECT currentDatabase() AS name');
  return row?.name ?? '';
}

/** An insert of rows in any format, as they are. */
async function send(statement: {
  readonly query: string;
  readonly values: Readable;
}): Promise<{ readonly summary: { readonly written_rows: string } | undefined }> {
  const { stream, summary } = await client.exec(statement);
  await stream.resume().toArray();
  return { summary };
}

/** RowBinary of (UInt64, String) with a string shorter than 128 bytes. */
function rowBinary(id: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  const row = Buffer.alloc(9 + bytes.length);
  row.writeBigUInt64LE(BigInt(id));
  row[8] = bytes.length;
  bytes.copy(row, 9);
  return row;
}

describe('queries', () => {
  test('parameters of every kind arrive unchanged', async () => {
    const given = { text: "a\tb\n'q'\"\\ü€", list: ['a', "b'c\\", ''], none: null, big: 18446744073709551615n, map: { k: "v'" } };

    const [row] = await rows(
      'SELECT {text:String} AS text, {list:Array(String)} AS list, {none:Nullable(String)} AS none, toString({big:UInt64}) AS big, {map:Map(String, String)} AS map',
      given,
    );

    expect(row).toEqual({ ...given, big: '18446744073709551615' });
  });

  test('a parameter and a setting end with their request', async () => {
    await client.query({ query: 'SELECT {p:Int32}', query_params: { p: 1 }, clickhouse_settings: { max_block_size: '7' } });

    await expect(rows('SELECT {p:Int32}')).rejects.toMatchObject({ code: '456' });
    expect(await rows("SELECT toUInt32(getSetting('max_block_size')) AS size")).not.toEqual([{ size: 7 }]);
  });

  test('a setting of a request holds for it', async () => {
    const result = await client.query({
      query: 'SELECT 18446744073709551615 AS n',
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    });

    expect(await result.json()).toEqual([{ n: '18446744073709551615' }]);
  });

  test('a large answer streams to its end', async () => {
    const result = await client.query({ query: 'SELECT number FROM numbers(300000)', format: 'JSONCompactEachRow' });
    let seen = 0;

    for await (const chunk of result.stream()) seen += chunk.length;

    expect(seen).toBe(300_000);
  });

  test('JSON comes with its description and its statistics', async () => {
    const result = await client.query({ query: 'SELECT 1 AS x', format: 'JSON' });

    expect(await result.json()).toMatchObject({ meta: [{ name: 'x', type: 'UInt8' }], data: [{ x: 1 }], rows: 1 });
  });

  test('twenty requests at once are all answered', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => rows<{ i: number }>('SELECT {i:UInt8} AS i', { i })));

    expect(answers.map(([row]) => row?.i)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});

describe('errors', () => {
  test.each([
    ['SELECT * FROM nowhere', '60', 'UNKNOWN_TABLE'],
    ['SELEC 1', '62', 'SYNTAX_ERROR'],
    ['SELECT 1; SELECT 2', '62', 'SYNTAX_ERROR'],
    ['SELECT throwIf(1)', '395', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'],
  ])("%s is refused with the server's own code", async (query, code, type) => {
    await expect(client.command({ query })).rejects.toMatchObject({ code, type });
  });

  test('rows that do not fit are refused, and none of them is written', async () => {
    await client.command({ query: 'CREATE TABLE bad (id UInt64) ENGINE = MergeTree ORDER BY id' });

    await expect(client.insert({ table: 'bad', values: [{ id: 1 }, { id: 'x' }], format: 'JSONEachRow' })).rejects.toMatchObject({
      type: 'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
    });
    expect(await count('bad')).toBe(0);
  });

  test('an unknown database is refused', async () => {
    const elsewhere = createClient({ ...quiet, url: stack.urls.clickhouseUrl, database: 'elsewhere' });

    await expect(elsewhere.command({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '81', type: 'UNKNOWN_DATABASE' });
    await elsewhere.close();
  });

  test.each(['wrong', ''])('the password %j is refused with HTTP 403', async (password) => {
    const url = new URL(stack.urls.clickhouseUrl);
    url.password = '';
    const response = await fetch(`${url.origin}/?query=SELECT+1`, { headers: { 'X-ClickHouse-User': 'default', 'X-ClickHouse-Key': password } });

    expect(response.status).toBe(403);
    expect(response.headers.get('x-clickhouse-exception-code')).toBe('516');
    expect(await response.text()).toContain('AUTHENTICATION_FAILED');
  });
});

describe('inserts', () => {
  beforeAll(async () => {
    await client.command({ query: 'CREATE TABLE many (id UInt64, text String) ENGINE = MergeTree ORDER BY id' });
  });

  test('100,000 rows as JSON, gzipped, are written and counted', async () => {
    const values = Array.from({ length: 100_000 }, (_, id) => [id, `a\n\n;'${id}`]);

    const { summary } = await client.insert({ table: 'many', values, format: 'JSONCompactEachRow' });

    expect(summary?.written_rows).toBe('100000');
    expect(await count("many WHERE text = concat('a\\n\\n;\\'', toString(id))")).toBe(100_000);
  });

  test('100,000 rows as RowBinary, streamed, are written and counted', async () => {
    // Numbers from 10 on: a binary row may well begin with the byte of an end of line.
    const parts = Array.from({ length: 100 }, (_, part) => Buffer.concat(Array.from({ length: 1000 }, (__, i) => rowBinary(part * 1000 + i + 10, 'b\n\n;'))));

    const done = await send({ query: 'INSERT INTO many (id, text) FORMAT RowBinary', values: Readable.from(parts, { objectMode: false }) });

    expect(done.summary?.written_rows).toBe('100000');
    expect(await count("many WHERE text = 'b\\n\\n;'")).toBe(100_000);
  });

  test('rows in the Native format come back as they were', async () => {
    const { stream } = await client.exec({ query: "SELECT toUInt64(number) AS id, 'native' AS text FROM numbers(10) FORMAT Native" });

    const done = await send({ query: 'INSERT INTO many FORMAT Native', values: stream });

    expect(done.summary?.written_rows).toBe('10');
    expect(await count("many WHERE text = 'native'")).toBe(10);
  });

  test.each([
    ["INSERT INTO many VALUES (1, 'own;'), (2, 'own;')", 2],
    ["INSERT INTO many SELECT number, 'own;' FROM numbers(7)", 7],
    ['INSERT INTO many FORMAT CSV\n3,own;\n', 1],
  ])('%s tells how many rows it wrote', async (query, written) => {
    const { summary } = await client.command({ query });

    expect(summary?.written_rows).toBe(String(written));
  });

  test('an insert of no rows is none', async () => {
    const { summary } = await send({ query: 'INSERT INTO many FORMAT JSONEachRow', values: Readable.from([], { objectMode: false }) });

    expect(summary?.written_rows).toBe('0');
  });

  test('rows pass through input() on their way', async () => {
    const values = Readable.from(['{"n":1}\n{"n":2}\n'], { objectMode: false });

    await send({ query: "INSERT INTO many SELECT n + 1, 'via input' FROM input('n UInt64') FORMAT JSONEachRow", values });

    expect(await rows("SELECT toUInt32(sum(id)) AS s FROM many WHERE text = 'via input'")).toEqual([{ s: 5 }]);
  });

  test('a repeated deduplication token changes nothing', async () => {
    await client.command({ query: 'CREATE TABLE once (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100' });
    const insert = async (token: string): Promise<unknown> =>
      client.insert({ table: 'once', values: [{ id: 1 }], format: 'JSONEachRow', clickhouse_settings: { insert_deduplication_token: token } });

    await insert('a');
    await insert('a');
    await insert('b');

    expect(await count('once')).toBe(2);
  });
});

test('the highest version of a row wins, deleted rows go, a view and a new column follow', async () => {
  await client.command({
    query: 'CREATE TABLE latest (id UInt64, name Nullable(String), version UInt64, deleted UInt8) ENGINE = ReplacingMergeTree(version, deleted) ORDER BY id',
  });
  await client.command({ query: 'CREATE VIEW latest_rows AS SELECT * EXCEPT (version, deleted) FROM latest FINAL' });
  await client.insert({
    table: 'latest',
    format: 'JSONCompactEachRow',
    values: [
      [1, 'new', 20, 0],
      [2, 'gone', 10, 0],
    ],
  });
  await client.insert({
    table: 'latest',
    format: 'JSONCompactEachRow',
    values: [
      [1, 'old', 10, 0],
      [2, null, 20, 1],
    ],
  });
  await client.command({ query: 'ALTER TABLE latest ADD COLUMN IF NOT EXISTS amount Nullable(Decimal(76, 5)) AFTER name' });
  await client.insert({ table: 'latest', format: 'JSONEachRow', values: [{ id: 3, name: 'x', amount: '12345678901234567890.12345', version: 1, deleted: 0 }] });

  expect(await rows('SELECT id, name, toString(amount) AS amount FROM latest FINAL ORDER BY id SETTINGS output_format_json_quote_64bit_integers = 0')).toEqual([
    { id: 1, name: 'new', amount: null },
    { id: 3, name: 'x', amount: '12345678901234567890.12345' },
  ]);
  expect(await count('latest_rows')).toBe(2);
});
