import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type RunningStack, startStack } from '../../stack/mod.ts';
import { ConnectorProcess } from './connector-process.ts';
import { postgresRows, SHOP_TABLES } from './same-rows.ts';
import { createShop, type LoadResult, runLoad } from './shop-load.ts';
import { endOfLog, isSnapshotDone } from './source-progress.ts';
import { type Audit, auditTopics, groupsAtEnd } from './topic-audit.ts';

const CHANGES = 30_000;
/** After how many changes of the load a server dies and is started again. The load has two halves: the other one goes on meanwhile. */
const DEATHS = [
  { at: 3000, service: 'kafka' },
  { at: 12_000, service: 'registry' },
  { at: 18_000, service: 'kafka' },
] as const;

const { POSTGRES_URL = '' } = process.env;
const name = `restart_${randomBytes(4).toString('hex')}`;
const databaseUrl = (database: string) => Object.assign(new URL(POSTGRES_URL), { pathname: `/${database}` }).href;
const [shopUrl, copyUrl] = [databaseUrl(name), databaseUrl(`${name}_copy`)];

async function administer(...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: POSTGRES_URL });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

describe('broker and registry killed with -9 under load, source and sink left alone', () => {
  let stack: RunningStack;
  let source: ConnectorProcess;
  let sink: ConnectorProcess;
  let load: LoadResult;
  let audit: Audit;
  let pids: readonly number[];

  beforeAll(async () => {
    for (const variable of ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL']) vi.stubEnv(variable, '');
    stack = await startStack({ services: ['kafka', 'registry'] });
    vi.unstubAllEnvs();
    const { kafkaBrokers, registryUrl } = stack.urls;
    await administer(`CREATE DATABASE ${name}`, `CREATE DATABASE ${name}_copy`);
    await createShop(shopUrl);
    source = new ConnectorProcess('source', { ...stack.env, SOURCE_TYPE: 'postgres', SOURCE_NAME: name, SOURCE_URL: shopUrl, TABLES: 'public.*' });
    const sinkSettings = { SINK_TYPE: 'postgres', SINK_NAME: name, SINK_TOPICS: `${name}.*`, SINK_URL: copyUrl, FLUSH_INTERVAL_MS: '300' };
    sink = new ConnectorProcess('sink', { ...stack.env, ...sinkSettings });
    await Promise.all([source.start(), sink.start()]);
    pids = [source.pid, sink.pid];
    await source.until(({ position }) => position !== null, 'the first position');
    const waiting = [...DEATHS];
    let isOneDown = false;
    load = await runLoad(shopUrl, CHANGES, async (records) => {
      const [next] = waiting;
      if (isOneDown || next === undefined || records < next.at) return;
      isOneDown = true;
      waiting.shift();
      await stack.kill(next.service);
      await stack.start(next.service);
      isOneDown = false;
    });
    if (waiting.length > 0) throw new Error('the load ended before all had died');
    const end = await endOfLog(shopUrl);
    await source.until(({ position, snapshot }) => String(position) >= end && isSnapshotDone(snapshot), 'the end of the log');
    await groupsAtEnd(kafkaBrokers, name, [`dbmazz.${name}`]);
    audit = await auditTopics(kafkaBrokers, registryUrl, name);
  }, 300_000);

  afterAll(async () => {
    await Promise.all([source.kill(), sink.kill()]);
    await stack.stop();
    await administer(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}' AND NOT active`,
      `DROP DATABASE IF EXISTS ${name}_copy WITH (FORCE)`,
      `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`,
    );
  }, 60_000);

  test('the topics hold every change once: no gap, no repeat', () => {
    expect(audit.faults).toEqual([]);
    expect({ transactions: audit.transactions, records: audit.counted }).toEqual(load);
  });

  test.each(SHOP_TABLES)('the target has the rows of $name', async (table) => {
    expect(await postgresRows(copyUrl, table)).toEqual(await postgresRows(shopUrl, table));
  });

  test('source and sink are the processes that they were, and end with 0 when asked', async () => {
    expect([source.pid, sink.pid]).toEqual(pids);
    expect(await Promise.all([source.stop(), sink.stop()])).toEqual([0, 0]);
  });
});
