import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { CONNECT_TITLE, provideConnect } from '../../stack/connect/download.ts';
import { avroConverters, type Settings } from '../../stack/connect/settings.ts';
import { ConnectWorker } from '../../stack/connect/worker.ts';
import { rowsOf, run, shopOfRun, TABLES } from './shop.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '', POSTGRES_URL = '' } = process.env;
const { databaseUrl, source } = shopOfRun();
const WITHIN_MS = 90_000;
const POLL_MS = 200;
const NAME = `${new URL(databaseUrl).pathname.slice(1)}_jdbc`;
/** A reader that does not know of `unchanged` takes a value that was not sent for null. */
const COPIED = Object.keys(TABLES).filter((table) => table !== 'documents');

/** As Debezium's manual has it for upserts and deletes by the key of the record. */
function sinkSettings(target: URL): Settings {
  return {
    name: NAME,
    'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
    'tasks.max': '1',
    topics: COPIED.map((table) => `${source}.public.${table}`).join(','),
    'connection.url': `jdbc:postgresql://${target.host}${target.pathname}`,
    'connection.username': target.username,
    'connection.password': target.password,
    'collection.name.format': '${source.table}',
    'primary.key.mode': 'record_key',
    'insert.mode': 'upsert',
    'delete.enabled': 'true',
    'truncate.enabled': 'true',
    'schema.evolution': 'basic',
    'consumer.override.isolation.level': 'read_committed',
    ...avroConverters(SCHEMA_REGISTRY_URL),
  };
}

test("the Debezium JDBC sink on Kafka Connect makes the source's tables of our topics", async () => {
  const installed = await provideConnect((line) => process.stderr.write(`${line}\n`));
  const target = Object.assign(new URL(POSTGRES_URL), { pathname: `/${NAME}` });
  await run(POSTGRES_URL, [`CREATE DATABASE ${NAME}`]);
  const job = {
    title: CONNECT_TITLE,
    kafkaBrokers: KAFKA_BROKERS,
    jvmFlags: ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
    connector: sinkSettings(target),
  };
  try {
    await using worker = await ConnectWorker.start(job, installed);
    await worker.untilReady();
    const expected = await tablesOf(databaseUrl);
    await untilEqual(worker, target.href, expected);
    expect(await tablesOf(target.href)).toEqual(expected);
  } finally {
    await run(POSTGRES_URL, [`DROP DATABASE ${NAME} WITH (FORCE)`]);
  }
});

/** The worker commits offsets of records, never those of the marks behind them: that it has come to the end shows in the tables alone. */
async function untilEqual(worker: ConnectWorker, url: string, expected: Tables): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  while (performance.now() < deadline && !isDeepStrictEqual(await tablesOf(url).catch(() => undefined), expected)) {
    worker.askStatus();
    worker.throwIfEnded();
    await delay(POLL_MS);
  }
}

type Tables = Readonly<Record<string, readonly string[]>>;

/** Every row as a text. */
async function tablesOf(url: string): Promise<Tables> {
  const entries = COPIED.map(async (table) => {
    const rows = await rowsOf(url, TABLES[table]?.query ?? '');
    return [table, rows.map((row) => JSON.stringify(row)).toSorted()] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
