import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dropAll, liveConfig, uniqueName, withAdmin } from '../live-topics.ts';
import { scriptedLog, type Step } from '../scripted-log.ts';
import { createPublisher, publishScript } from '../scripted-publisher.ts';
import { ConnectorProcess } from './connector-process.ts';

const { POSTGRES_URL = '' } = process.env;
const NAME = uniqueName('late');
const SCHEMA = NAME.replaceAll('-', '_');
const events = `${NAME}.public.events`;
const settings = { SINK_TYPE: 'postgres', SINK_NAME: NAME, SINK_TOPICS: events, SINK_URL: POSTGRES_URL, SINK_SCHEMA: SCHEMA, FLUSH_INTERVAL_MS: '100' };
const first = new ConnectorProcess('sink', settings);
const second = new ConnectorProcess('sink', settings);
const postgres = new pg.Client({ connectionString: POSTGRES_URL });
const holder = new pg.Client({ connectionString: POSTGRES_URL });
let published = 0;

/** Events of a table without a key, which lie in one partition: what is written twice is there twice. */
async function publishEvents(more: number): Promise<void> {
  published += more;
  const publisher = createPublisher(NAME);
  await publishScript(publisher, scriptedLog(Array.from({ length: published }, (_, index): readonly Step[] => [{ kind: 'insert', table: 2, id: index + 1 }])));
  await publisher.close();
}

interface Event {
  readonly id: number;
  readonly count: number;
}

async function eventsOf(): Promise<readonly Event[]> {
  return (await postgres.query<Event>(`SELECT id, count(*)::int AS count FROM ${SCHEMA}.events GROUP BY id ORDER BY id`)).rows;
}

const eachOnce = (): readonly Event[] => Array.from({ length: published }, (_, index) => ({ id: index + 1, count: 1 }));
const partitionsOf = (status: Record<string, unknown>): number => (status['group'] as { partitions: number }).partitions;
const lagOf = (status: Record<string, unknown>): number => (status['lag'] as { records: number }).records;

async function committed(): Promise<number> {
  const [topic] = await withAdmin(liveConfig(), async (admin) => admin.fetchOffsets({ groupId: `dbmazz.${NAME}`, topics: [events] }));
  return Number(topic?.partitions.find(({ partition }) => partition === 0)?.offset);
}

/** Until so many connections wait for a lock on the table of events. */
async function untilWaiting(count: number): Promise<void> {
  const waiting = `SELECT count(DISTINCT pid)::int AS count FROM pg_locks WHERE NOT granted AND relation = '${SCHEMA}.events'::regclass`;
  while (((await postgres.query<{ count: number }>(waiting)).rows[0]?.count ?? 0) < count) await delay(50);
}

beforeAll(async () => {
  await Promise.all([postgres.connect(), holder.connect()]);
  await publishEvents(20);
  await first.start();
  await first.until((status) => partitionsOf(status) > 0 && lagOf(status) === 0, 'the end of the topic');
});
afterAll(async () => {
  await Promise.all([first.kill(), second.kill()]);
  await holder.end();
  await postgres.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
  await postgres.end();
  await dropAll(NAME);
});

test('a process that is taken for dead in the middle of a batch, and ends it when another has written it, changes nothing', { timeout: 90_000 }, async () => {
  await holder.query(`BEGIN; LOCK TABLE ${SCHEMA}.events IN ACCESS EXCLUSIVE MODE`);
  await publishEvents(20);
  await untilWaiting(1);
  process.kill(first.pid, 'SIGSTOP');
  await second.start();
  // The group gives it all partitions once it has missed the first one for ten seconds.
  await second.until((status) => partitionsOf(status) === 4, 'the partitions of the first process');
  await untilWaiting(2);
  await holder.query('COMMIT');
  await second.until((status) => lagOf(status) === 0, 'the end of the topic');
  expect(await eventsOf()).toEqual(eachOnce());

  await publishEvents(20);
  await second.until((status) => lagOf(status) === 0 && status['records'] === 40, 'the end of the topic');
  const before = await committed();
  process.kill(first.pid, 'SIGCONT');
  await first.until((status) => partitionsOf(status) > 0 && lagOf(status) === 0 && Number(status['records']) >= 40, 'its share, and the end of its late batch');
  expect(await eventsOf()).toEqual(eachOnce());
  expect(await committed()).toBe(before);
});
