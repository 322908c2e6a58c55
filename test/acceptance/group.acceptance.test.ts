import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TcpDoor } from '../contract/tcp-door.ts';
import { ConnectorProcess } from './connector-process.ts';
import { postgresRows, SHOP_TABLES } from './same-rows.ts';
import { createShop, runLoad } from './shop-load.ts';
import { groupsAtEnd } from './topic-audit.ts';

const CHANGES = 60_000;
/** Four shop tables and one without a key, of four partitions each. */
const PARTITIONS = 20;
/** Each of what happens below makes the group give out its partitions anew: once, or twice where a member comes back. */
const MOST_ASSIGNMENTS = 20;

const name = `group${process.pid}`;
const { POSTGRES_URL = '', KAFKA_BROKERS = '' } = process.env;
const databaseUrl = (database: string, host = new URL(POSTGRES_URL).host) => Object.assign(new URL(POSTGRES_URL), { pathname: `/${database}`, host }).href;
const shopUrl = databaseUrl(name);
const copyUrl = databaseUrl(`${name}_copy`);
/** Without a key a row that is applied twice is there twice. */
const VISITS = 'CREATE TABLE visits (at int, who text); ALTER TABLE visits REPLICA IDENTITY FULL';

const source = new ConnectorProcess('source', { SOURCE_TYPE: 'postgres', SOURCE_NAME: name, SOURCE_URL: shopUrl, TABLES: 'public.*' });
const sinkAt = (url: string) =>
  new ConnectorProcess('sink', { SINK_TYPE: 'postgres', SINK_NAME: name, SINK_TOPICS: `${name}.*`, SINK_URL: url, FLUSH_INTERVAL_MS: '200' });

async function query<T extends object>(url: string, statement: string): Promise<readonly T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(statement)).rows;
  } finally {
    await client.end();
  }
}

interface Group {
  readonly assignments: number;
  readonly partitions: number;
}

const groupOf = (status: Record<string, unknown> | undefined): Group => (status?.['group'] ?? { assignments: 0, partitions: 0 }) as Group;

/** Waits until these processes together, each with its part, have all partitions. */
async function shareAll(members: readonly ConnectorProcess[], partitions: number): Promise<void> {
  for (;;) {
    const groups = await Promise.all(members.map(async (member) => groupOf(await member.status())));
    if (groups.every((group) => group.partitions > 0) && groups.reduce((sum, group) => sum + group.partitions, 0) === partitions) return;
    await delay(100);
  }
}

describe('1, 4 and then 2 processes of one sink while 60,000 changes are made: killed, held up, cut off, and with a new table', () => {
  let door: TcpDoor;
  let sinks: ConnectorProcess[] = [];
  let load: Promise<unknown>;
  let secondsToNewTable = 0;
  let isLoading = true;
  let exitCodes: readonly (number | null)[] = [];

  beforeAll(async () => {
    await query(POSTGRES_URL, `CREATE DATABASE ${name}`);
    await query(POSTGRES_URL, `CREATE DATABASE ${name}_copy`);
    await createShop(shopUrl);
    await query(shopUrl, VISITS);
    door = await TcpDoor.to(new URL(POSTGRES_URL).host);
    await door.open();
    sinks = [sinkAt(copyUrl), sinkAt(databaseUrl(`${name}_copy`, door.address)), sinkAt(copyUrl), sinkAt(copyUrl)];
    const [first, cutOff, killed, heldUp] = sinks as [ConnectorProcess, ConnectorProcess, ConnectorProcess, ConnectorProcess];
    await source.start();
    await source.until(({ position }) => position !== null, 'the first position');
    load = keepLoading(() => isLoading);
    await first.start();
    await shareAll([first], PARTITIONS);
    await Promise.all([cutOff.start(), killed.start(), heldUp.start()]);
    await shareAll(sinks, PARTITIONS);

    process.kill(heldUp.pid, 'SIGSTOP');
    await shareAll([first, cutOff, killed], PARTITIONS);
    process.kill(heldUp.pid, 'SIGCONT');
    await shareAll(sinks, PARTITIONS);

    await door[Symbol.asyncDispose]();
    await killed.kill();
    await killed.start();
    await shareAll(sinks, PARTITIONS);
    await door.open();

    secondsToNewTable = await addTable();
    exitCodes = await Promise.all([killed.stop(), heldUp.stop()]);
    await shareAll([first, cutOff], PARTITIONS + 4);
    isLoading = false;
    await load;
    await caughtUp();
  }, 300_000);

  afterAll(async () => {
    isLoading = false;
    await Promise.all([source, ...sinks].map((process) => process.kill()));
    await door[Symbol.asyncDispose]();
    await query(POSTGRES_URL, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}' AND NOT active`);
    await query(POSTGRES_URL, `DROP DATABASE IF EXISTS ${name}_copy WITH (FORCE)`);
    await query(POSTGRES_URL, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }, 60_000);

  test.each(SHOP_TABLES)('the target has the rows of $name', async (table) => {
    expect(await postgresRows(copyUrl, table)).toEqual(await postgresRows(shopUrl, table));
  });

  test.each(['visits', 'later'])('%s has no key, and each row is there once', async (table) => {
    const select = `SELECT at, who, count(*)::int AS count FROM ${table} GROUP BY at, who ORDER BY at, who`;
    const expected = await query(shopUrl, select);
    expect(expected.length).toBeGreaterThan(0);
    expect(await query(copyUrl, select)).toEqual(expected);
  });

  test('a new table is there within seconds', () => {
    expect(secondsToNewTable).toBeLessThan(20);
  });

  test('processes that were asked to stop ended with 0', () => {
    expect(exitCodes).toEqual([0, 0]);
  });

  test('the group came to rest each time', async () => {
    for (const sink of sinks.slice(0, 2)) expect(groupOf(await sink.status()).assignments).toBeLessThanOrEqual(MOST_ASSIGNMENTS);
  });
});

/** Rounds of the shop's load, and visits beside them, for as long as it is wanted, and up to `CHANGES` at least. */
async function keepLoading(isWanted: () => boolean): Promise<void> {
  const client = new pg.Client({ connectionString: shopUrl });
  await client.connect();
  let at = 0;
  await runLoad(shopUrl, CHANGES, async () => {
    await client.query(`INSERT INTO visits SELECT $1, 'visitor ' || i FROM generate_series(1, 5) i`, [++at]);
    await delay(20);
  });
  while (isWanted()) {
    await client.query(`INSERT INTO visits VALUES ($1, 'late')`, [++at]);
    await delay(50);
  }
  await client.end();
}

/** Seconds from a start of the source, which takes up new tables, to when the target has the rows of one. */
async function addTable(): Promise<number> {
  await source.stop();
  await query(shopUrl, 'CREATE TABLE later (at int, who text); ALTER TABLE later REPLICA IDENTITY FULL');
  await query(shopUrl, `INSERT INTO later SELECT i, 'row ' || i FROM generate_series(1, 100) i`);
  await source.start();
  const since = performance.now();
  for (;;) {
    const [found] = await query<{ count: number }>(copyUrl, 'SELECT count(*)::int AS count FROM later').catch(() => []);
    if (found?.count === 100) return (performance.now() - since) / 1000;
    await delay(100);
  }
}

/** The source has published all of the log that there is, and the sinks have written all of the topics. */
async function caughtUp(): Promise<void> {
  const [found] = await query<{ lsn: string }>(shopUrl, 'SELECT pg_current_wal_lsn()::text AS lsn');
  const [high = '', low = ''] = (found?.lsn ?? '').split('/');
  const end = `${high.padStart(8, '0')}/${low.padStart(8, '0')}`;
  await source.until(({ position }) => String(position) >= end, 'the end of the log');
  await groupsAtEnd(KAFKA_BROKERS, name, [`dbmazz.${name}`]);
}
