import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, PostgresBench } from '../test/contract/postgres-source-bench.ts';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { SourceProcess } from '../test/contract/source-process.ts';
import { TcpDoor } from '../test/contract/tcp-door.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '', POSTGRES_URL = '' } = process.env;
const PASSWORD = 'hush-hush';

let bench: PostgresBench;
let role: string;

beforeAll(async () => {
  bench = await PostgresBench.open();
  role = bench.name;
  await bench.query(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
  await bench.query('CREATE TABLE orders (id int PRIMARY KEY, v text); CREATE TYPE pair AS (a int, b int); CREATE TABLE pairs (id int PRIMARY KEY, p pair)');
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await administer(POSTGRES_URL, `DROP ROLE ${role}`);
  await deleteTopics(bench.name);
});

const roleUrl = (password = PASSWORD) => Object.assign(new URL(bench.url), { username: role, password }).href;

/** Settings that are right, of a source of its own. */
const settings = (name = bench.name) => ({
  SOURCE_TYPE: 'postgres',
  SOURCE_NAME: name,
  SOURCE_URL: bench.url,
  TABLES: 'public.orders',
  KAFKA_BROKERS,
  SCHEMA_REGISTRY_URL,
  LOG_FORMAT: 'json',
  SOURCE_SLOT_NAME: bench.slot,
});

describe('a source that cannot start says why, and what would be right', () => {
  type Changes = Readonly<Record<string, string | undefined>>;

  async function endOf(changes: Changes): Promise<{ readonly code: number | string | null; readonly log: string }> {
    const environment = Object.entries({ ...settings(), ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined);
    await using run = new SourceProcess(Object.fromEntries(environment));
    return { code: await run.ended(), log: run.log };
  }

  test.each<[string, () => Changes, number, readonly string[]]>([
    ['a source of an unknown type', () => ({ SOURCE_TYPE: 'mongodb' }), 2, ['SOURCE_TYPE is "mongodb": expected one of: postgres, postgresql']],
    [
      'several faults at once',
      () => ({
        SOURCE_TYPE: '',
        TABLES: undefined,
        SOURCE_URL: `mysql://me:${PASSWORD}@here`,
        SNAPSHOT_CHUNK_SIZE: 'many',
        SOURCE_TABEL: 'x',
        TOMBSTONES: 'maybe',
      }),
      2,
      [
        '5 settings are not right',
        'SOURCE_TYPE is missing',
        'TABLES is missing',
        'SNAPSHOT_CHUNK_SIZE is "many": expected a whole number',
        'TOMBSTONES is "maybe": expected true or false',
        'SOURCE_TABEL is not a setting of ours',
      ],
    ],
    [
      'settings of PostgreSQL that are malformed',
      () => ({ TABLES: 'orders', SOURCE_URL: `mysql://me:${PASSWORD}@here`, SOURCE_SLOT_NAME: 'My-Slot' }),
      2,
      ['3 settings are not right', 'TABLES is "orders": expected schema.table', 'SOURCE_URL expected postgres://', 'SOURCE_SLOT_NAME is "My-Slot"'],
    ],
    ['a mistyped setting', () => ({ SOURCE_NAMES: 'x' }), 2, ['SOURCE_NAMES is not a setting of ours; did you mean SOURCE_NAME?']],
    ['endpoints that others can reach, without a token', () => ({ HTTP_HOST: '0.0.0.0', HTTP_PORT: '9999' }), 2, ['HTTP_HOST is 0.0.0.0', 'HTTP_TOKEN']],
    ['a wrong password', () => ({ SOURCE_URL: roleUrl(`${PASSWORD}!`) }), 3, ['AUTH_FAILED', 'SOURCE_URL', 'Check user and password in SOURCE_URL.']],
    ['a database that is not there', () => ({ SOURCE_URL: bench.url.replace(bench.name, 'nowhere') }), 3, ['AUTH_FAILED', 'Check the database in SOURCE_URL.']],
    ['a table that is not there', () => ({ TABLES: 'public.nothing' }), 3, ['TABLE_NOT_FOUND: TABLES has public.nothing', 'remedy: Check schema and name']],
    [
      'a type that cannot be carried',
      () => ({ TABLES: 'public.pairs' }),
      3,
      ['TYPE_UNSUPPORTED: Column p of public.pairs has the type pair', 'EXCLUDE_COLUMNS=public.pairs.p'],
    ],
    [
      'a role without any right',
      () => ({ SOURCE_URL: roleUrl() }),
      3,
      ['SETUP_GRANT_MISSING: 3 prerequisites are missing', 'REPLICATION;', 'GRANT SELECT ON "public"."orders" TO', 'CREATE PUBLICATION'],
    ],
  ])('%s', async (_, changes, expected, sentences) => {
    const { code, log } = await endOf(changes());
    expect({ code, log }).toEqual({ code: expected, log: expect.any(String) as string });
    for (const sentence of sentences) expect(log).toContain(sentence);
    expect(log).not.toContain(PASSWORD);
    expect(log).not.toMatch(/\n\s+at /);
  });

  test('a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, log } = await endOf({ HTTP_PORT: String(port) });
    server.close();
    expect([code, log]).toEqual([2, expect.stringContaining(`HTTP_PORT is ${port}`)]);
  });
});

describe('a server that is not there yet', () => {
  test.each([
    ['broker', async () => TcpDoor.to(KAFKA_BROKERS), (door: TcpDoor) => ({ KAFKA_BROKERS: door.address }), 'KAFKA_UNAVAILABLE'],
    [
      'registry',
      async () => TcpDoor.to(new URL(SCHEMA_REGISTRY_URL).host),
      (door: TcpDoor) => ({ SCHEMA_REGISTRY_URL: SCHEMA_REGISTRY_URL.replace(new URL(SCHEMA_REGISTRY_URL).host, door.address) }),
      'REGISTRY_UNAVAILABLE',
    ],
    [
      'database',
      async () => TcpDoor.to(new URL(POSTGRES_URL).host),
      (door: TcpDoor) => ({ SOURCE_URL: Object.assign(new URL(bench.url), { host: door.address }).href }),
      'CONNECTION_LOST',
    ],
  ])('the %s: it is waited for, said once, and then all goes on', async (_, newDoor, change, code) => {
    await using door = await newDoor();
    await using run = new SourceProcess({ ...settings(), ...change(door) });
    await run.said(`"code":"${code}"`);
    await door.open();
    await run.said('all is well again');
    expect(run.count('Trying again')).toBe(1);
    expect(await run.stop()).toMatchObject({ code: 0 });
  });

  test('a stop while it waits ends it with 0', async () => {
    await using door = await TcpDoor.to(KAFKA_BROKERS);
    await using run = new SourceProcess({ ...settings(), KAFKA_BROKERS: door.address });
    await run.said('KAFKA_UNAVAILABLE');
    const { code, ms } = await run.stop();
    expect({ code, inTime: ms < 10_000 }).toEqual({ code: 0, inTime: true });
  });
});
