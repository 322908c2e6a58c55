import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { ConnectorProcess } from '../acceptance/connector-process.ts';
import { endOfLog, isSnapshotDone } from '../acceptance/source-progress.ts';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { TopicAdmin } from '../../topics/kafka/topic-admin.ts';
import { liveConfig } from '../live-topics.ts';

const server = (): string => process.env['POSTGRES_URL'] ?? '';

/** Before the sources start: what their snapshots read. */
const BEFORE = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, state text, total numeric(12,2), placed timestamp);
  ALTER TABLE orders REPLICA IDENTITY FULL;
  CREATE TABLE everything (
    id int, name varchar(40), a_bool boolean, a_small smallint, an_int int, a_big bigint, a_real real, a_double double precision,
    a_decimal numeric(20,4), a_number numeric, a_text text, a_uuid uuid, a_json jsonb, some_bytes bytea, a_date date, a_time time,
    a_timestamp timestamp, an_instant timestamptz, some_texts text[], a_mood mood, an_address inet, PRIMARY KEY (id, name));
  CREATE TABLE documents (id int PRIMARY KEY, version int NOT NULL, body text NOT NULL);
  ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE sessions (id uuid PRIMARY KEY, seen timestamptz);
  INSERT INTO orders SELECT i, i % 7, 'new', i * 1.25, timestamp '2026-11-01' + i * interval '1 minute 1.5 seconds' FROM generate_series(1, 200) i;
  INSERT INTO everything VALUES (1, 'größe', true, -32768, 2147483647, 9007199254740991, 1.5, 0.1, -1234567890.1234, 12345678901234567890.123456789,
    E'two\\nlines €', '0b9f1c1e-4b2d-4a0e-9a57-1f0c3a2b4d5e', '{"a": [1, null]}', '\\x00ff10', '2026-02-28', '23:59:59.123456',
    '2026-11-24 01:02:03.000004', '1969-12-31 23:59:59.5+00', ARRAY['x', NULL, 'y,"z'], 'happy', '10.0.0.1/8');
  INSERT INTO everything (id, name) VALUES (2, 'nothing but nulls');
  INSERT INTO documents SELECT i, 0, repeat(md5(i::text), 500) FROM generate_series(1, 5) i;
  INSERT INTO sessions SELECT gen_random_uuid(), now() FROM generate_series(1, 20);`;

/** While they stream: a statement a transaction. A key that changes is two changes. */
const CHANGES = [
  `INSERT INTO orders SELECT i, i % 7, 'new', i, timestamp '2026-11-02' FROM generate_series(201, 300) i`,
  `UPDATE orders SET state = 'paid', total = total + 0.01 WHERE id % 3 = 0`,
  `UPDATE orders SET customer = customer + 1 WHERE id % 10 = 0`,
  `UPDATE orders SET state = NULL, total = NULL WHERE id = 7`,
  `UPDATE orders SET id = id + 1000 WHERE id BETWEEN 20 AND 29`,
  `DELETE FROM orders WHERE id % 11 = 0`,
  `INSERT INTO orders VALUES (11, 3, 'again', 0, NULL)`,
  `UPDATE documents SET version = version + 1`,
  `UPDATE documents SET body = 'short' WHERE id = 2`,
  `DELETE FROM documents WHERE id = 3`,
  `UPDATE everything SET a_text = NULL, a_decimal = 0.0001, some_texts = '{}' WHERE id = 1`,
  `INSERT INTO everything (id, name, a_date, a_timestamp, a_json) VALUES (3, '', '0001-01-01', '2000-02-29 12:00', 'null')`,
  `UPDATE everything SET name = 'another key', a_double = -1e300 WHERE id = 2`,
  `TRUNCATE sessions`,
  `INSERT INTO sessions SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, timestamptz '2026-11-24 00:00:00Z' + i * interval '1 second' FROM generate_series(1, 5) i`,
  `BEGIN; UPDATE orders SET total = 1; ROLLBACK`,
];
const CHANGES_KEY = /SET (id|name) =/;
const IS_ROLLED_BACK = /ROLLBACK/;

/** The tables: their keys, and a query that gives each value a text, or what JSON has for it, that any reader can give too. */
export const TABLES: Readonly<Record<string, { readonly key: readonly string[]; readonly query: string }>> = {
  orders: { key: ['id'], query: `SELECT id::int, customer, state, total::text, to_char(placed, 'YYYY-MM-DD HH24:MI:SS.US') AS placed FROM orders` },
  documents: { key: ['id'], query: 'SELECT * FROM documents' },
  sessions: { key: ['id'], query: `SELECT id::text, to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS seen FROM sessions` },
  everything: {
    key: ['id', 'name'],
    query: `SELECT id, name, a_bool, a_small, an_int, a_big::float8, a_real, a_double, a_decimal::text, a_number::text, a_text, a_uuid::text,
      a_json::text, encode(some_bytes, 'hex') AS some_bytes, a_date::text, to_char(a_time, 'HH24:MI:SS.US') AS a_time,
      to_char(a_timestamp, 'YYYY-MM-DD HH24:MI:SS.US') AS a_timestamp,
      to_char(an_instant AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS an_instant, some_texts, a_mood::text, an_address::text FROM everything`,
  },
};

const DROP_SLOTS = 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active';

/** Topics that the real source has written from a real database, for others to read. */
export interface Shop {
  readonly databaseUrl: string;
  /** SOURCE_NAME: all tables, in microseconds. */
  readonly source: string;
  /** SOURCE_NAME: orders alone, in milliseconds. */
  readonly millisSource: string;
  /** How many changes each transaction has that was committed while the sources streamed. */
  readonly transactions: readonly number[];
}

/** The one that `shop-setup.ts` has opened. */
export function shopOfRun(): Shop {
  return JSON.parse(process.env['THIRD_PARTY_SHOP'] ?? '') as Shop;
}

export async function openShop(): Promise<Shop & { drop(): Promise<void> }> {
  const name = `third_${randomBytes(4).toString('hex')}`;
  const databaseUrl = Object.assign(new URL(server()), { pathname: `/${name}` }).href;
  const shop = { databaseUrl, source: `${name}-a`, millisSource: `${name}-b` };
  try {
    await run(server(), [`CREATE DATABASE ${name}`]);
    return { ...shop, transactions: await fill(shop), drop: () => drop(name) };
  } catch (error) {
    await drop(name);
    throw error;
  }
}

async function fill(shop: Omit<Shop, 'transactions'>): Promise<readonly number[]> {
  const { databaseUrl } = shop;
  await run(databaseUrl, [BEFORE]);
  // Who truncates at each `t` needs a topic of one partition (topics/README.md).
  await withTopicAdmin((admin) => admin.createMissing([{ topic: `${shop.source}.public.sessions`, partitions: 1, replication: undefined, config: {} }]));
  const settings = { SOURCE_TYPE: 'postgres', SOURCE_URL: databaseUrl, SNAPSHOT_CHUNK_SIZE: '50' };
  await using all = new ConnectorProcess('source', { ...settings, SOURCE_NAME: shop.source, TABLES: 'public.*' });
  await using orders = new ConnectorProcess('source', { ...settings, SOURCE_NAME: shop.millisSource, TABLES: 'public.orders', TIME_PRECISION: 'millis' });
  const sources = [all, orders];
  await Promise.all(sources.map((source) => source.start()));
  await Promise.all(sources.map((source) => source.until(({ snapshot }) => isSnapshotDone(snapshot), 'the end of the snapshot')));
  const transactions = await change(databaseUrl);
  const end = await endOfLog(databaseUrl);
  await Promise.all(sources.map((source) => source.until(({ position }) => String(position) >= end, 'the end of the log')));
  await Promise.all(sources.map((source) => source.stop()));
  // Nobody reads on: the server need not keep its log for them through all the other tests.
  await run(databaseUrl, [DROP_SLOTS]);
  return transactions;
}

async function change(url: string): Promise<readonly number[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const counts: number[] = [];
  for (const statement of CHANGES) {
    // TRUNCATE counts no rows, and is one change.
    const { rowCount } = await client.query(statement);
    if (!IS_ROLLED_BACK.test(statement)) counts.push((rowCount ?? 1) * (CHANGES_KEY.test(statement) ? 2 : 1));
  }
  await client.end();
  return counts;
}

/** Statements one after the other, over one connection. */
export async function run(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

export async function rowsOf<R extends pg.QueryResultRow>(url: string, query: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(query)).rows;
  } finally {
    await client.end();
  }
}

async function drop(name: string): Promise<void> {
  for (const source of ['a', 'b']) await deleteTopics(`${name}-${source}`);
  await run(server(), [
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}' AND NOT active`,
    `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`,
  ]);
}

async function withTopicAdmin(use: (admin: TopicAdmin) => Promise<void>): Promise<void> {
  const admin = new TopicAdmin(liveConfig());
  await admin.connect();
  try {
    await use(admin);
  } finally {
    await admin.close();
  }
}
