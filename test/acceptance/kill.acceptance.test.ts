import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConnectorProcess } from './connector-process.ts';
import { clickhouseRows, postgresRows, SHOP_TABLES } from './same-rows.ts';
import { createShop, runLoad } from './shop-load.ts';
import { sourceCaughtUp } from './source-caught-up.ts';
import { type Audit, auditTopics, groupsAtEnd } from './topic-audit.ts';

const CHANGES = 100_000;
/** After how many changes of the load somebody is killed, and who. */
const KILLS = [
  { at: 15_000, who: 'source' },
  { at: 30_000, who: 'postgres' },
  { at: 40_000, who: 'source' },
  { at: 50_000, who: 'clickhouse' },
  { at: 70_000, who: 'source' },
  { at: 80_000, who: 'postgres' },
  { at: 90_000, who: 'clickhouse' },
] as const;

const name = `kill${process.pid}`;
const { POSTGRES_URL = '', CLICKHOUSE_URL = '', KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const databaseUrl = (database: string) => Object.assign(new URL(POSTGRES_URL), { pathname: `/${database}` }).href;
const shopUrl = databaseUrl(name);
const copyUrl = databaseUrl(`${name}_copy`);

const processes = {
  source: new ConnectorProcess('source', { SOURCE_TYPE: 'postgres', SOURCE_NAME: name, SOURCE_URL: shopUrl, TABLES: 'public.*', SNAPSHOT_CHUNK_SIZE: '500' }),
  postgres: new ConnectorProcess('sink', {
    SINK_TYPE: 'postgres',
    SINK_NAME: `${name}-pg`,
    SINK_TOPICS: `${name}.*`,
    SINK_URL: copyUrl,
    FLUSH_INTERVAL_MS: '300',
  }),
  clickhouse: new ConnectorProcess('sink', {
    SINK_TYPE: 'clickhouse',
    SINK_NAME: `${name}-ch`,
    SINK_TOPICS: `${name}.*`,
    SINK_URL: CLICKHOUSE_URL,
    SINK_DATABASE: name,
    FLUSH_INTERVAL_MS: '300',
  }),
};

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: POSTGRES_URL });
  await client.connect();
  await client.query(statement);
  await client.end();
}

describe('source and sinks killed with -9 while 100,000 changes are made', () => {
  let audit: Audit;
  let load: { transactions: number; records: number };

  beforeAll(async () => {
    await administer(`CREATE DATABASE ${name}`);
    await administer(`CREATE DATABASE ${name}_copy`);
    await createShop(shopUrl);
    await Promise.all(Object.values(processes).map((process) => process.start()));
    // The first kill must hit a source that has set up its slot, or there is nothing to resume.
    await processes.source.until(({ position }) => position !== null, 'the first position');
    const waiting = [...KILLS];
    load = await runLoad(shopUrl, CHANGES, async (records) => {
      if (records < (waiting[0]?.at ?? Infinity)) return;
      const kill = waiting.shift();
      if (kill === undefined) return;
      await processes[kill.who].kill();
      await processes[kill.who].start();
    });
    if (waiting.length > 0) throw new Error('the load ended before everybody was killed');
    await caughtUp();
    audit = await auditTopics(KAFKA_BROKERS, SCHEMA_REGISTRY_URL, name);
  }, 400_000);

  afterAll(async () => {
    await Promise.all(Object.values(processes).map((process) => process.kill()));
    const drop = new pg.Client({ connectionString: POSTGRES_URL });
    await drop.connect();
    await drop.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active`, [name]);
    await drop.query(`DROP DATABASE IF EXISTS ${name}_copy WITH (FORCE)`);
    await drop.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await drop.end();
  }, 60_000);

  test('the topics hold every change once: no gap, no repeat', () => {
    expect(audit.faults).toEqual([]);
    expect({ transactions: audit.transactions, records: audit.counted }).toEqual(load);
    expect(audit.records).toBe(load.records + audit.snapshotReads);
  });

  test.each(SHOP_TABLES)('the PostgreSQL target has the rows of $name', async (table) => {
    expect(await postgresRows(copyUrl, table)).toEqual(await postgresRows(shopUrl, table));
  });

  test.each(SHOP_TABLES)('the ClickHouse target has the rows of $name', async (table) => {
    expect(await clickhouseRows(CLICKHOUSE_URL, name, table)).toEqual(await postgresRows(shopUrl, table));
  });

  test('each process ends with 0 when asked to stop', async () => {
    expect(await Promise.all(Object.values(processes).map((process) => process.stop()))).toEqual([0, 0, 0]);
  });
});

/** The source has published all of the log that there is, and the sinks have written all of the topics. */
async function caughtUp(): Promise<void> {
  await sourceCaughtUp(processes.source, shopUrl);
  await groupsAtEnd(KAFKA_BROKERS, name, [`dbmazz.${name}-pg`, `dbmazz.${name}-ch`]);
}
