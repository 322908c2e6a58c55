import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { OwnPostgres } from '../test/contract/own-postgres.ts';
import { PostgresBench } from '../test/contract/postgres-source-bench.ts';
import { SourceProcess, sourceSettings } from '../test/contract/source-process.ts';
import { liveConfig, readCommitted } from '../test/live-topics.ts';
import { freePort } from '../stack/ports.ts';

let server: OwnPostgres;
let bench: PostgresBench;

beforeAll(async () => {
  // The server ends a stream whose other end has hung: by default after a minute.
  server = await OwnPostgres.start({ settings: { wal_sender_timeout: '2s' } });
});
afterAll(async () => server?.[Symbol.asyncDispose]());
beforeEach(async () => {
  bench = await PostgresBench.open(server.url);
  await bench.query('CREATE TABLE orders (id int PRIMARY KEY)');
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await deleteTopics(bench.name);
});

const start = (more: Readonly<Record<string, string>> = {}) => new SourceProcess(sourceSettings(bench, { TABLES: 'public.orders', ...more }));

/** Keys are in the topic in the order of their rows' changes: the count of records says whether any is missing or there twice. */
const recordCount = async () => (await readCommitted(liveConfig(), [`${bench.name}.public.orders`])).length;

async function untilPublished(count: number): Promise<void> {
  while ((await recordCount()) < count) await bench.query('SELECT pg_sleep(0.02)');
}

describe('a second process of one name', () => {
  test('waits, says for whom, and takes over when the first is killed', async () => {
    await using first = start();
    await first.said('snapshot: done');
    const port = await freePort();
    await using second = start({ HTTP_PORT: String(port) });
    await second.said('SLOT_IN_USE');
    expect(second.log).toContain(`Replication slot ${bench.slot} is in use by server process`);
    expect(second.log).toContain(`dbmazz ${bench.name}`);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
    // The first is not disturbed.
    await bench.query('INSERT INTO orders VALUES (1)');
    await untilPublished(1);
    expect([first.count('FENCED'), second.count('Trying again')]).toEqual([0, 1]);
    await bench.query('INSERT INTO orders SELECT generate_series(2, 2000)');
    first.signal('SIGKILL');
    const killedAt = performance.now();
    await bench.query('INSERT INTO orders VALUES (0)');
    await untilPublished(2001);
    process.stdout.write(
      `failover to the process that waits: ${((performance.now() - killedAt) / 1000).toFixed(1)} s until what was written meanwhile is published\n`,
    );
    await second.stop();
    expect(await recordCount()).toBe(2001);
  });

  test('takes over from one that hangs; that one, when it wakes, publishes nothing more and stops or waits in its turn', async () => {
    await using first = start();
    await first.said('snapshot: done');
    await bench.query('INSERT INTO orders SELECT generate_series(1, 100)');
    await untilPublished(100);
    await using second = start();
    await second.said('SLOT_IN_USE');
    first.signal('SIGSTOP');
    const hungAt = performance.now();
    await bench.query('INSERT INTO orders SELECT generate_series(101, 200)');
    await untilPublished(200);
    process.stdout.write(`failover from a process that hangs: ${((performance.now() - hungAt) / 1000).toFixed(1)} s, of which the server waits 2 s\n`);
    first.signal('SIGCONT');
    await Promise.race([first.ended(), first.said('Trying again')]);
    await bench.query('INSERT INTO orders SELECT generate_series(201, 300)');
    await untilPublished(300);
    expect([await recordCount(), second.count('FENCED')]).toEqual([300, 0]);
  });
});

test('a lost slot is made anew by a process that was told so, and the topics go on behind a truncate', async () => {
  {
    await using first = start();
    await first.said('snapshot: done');
    await bench.query('INSERT INTO orders SELECT generate_series(1, 10)');
    await untilPublished(10);
    await first.stop();
  }
  await bench.slotIsFree();
  await bench.query(`SELECT pg_drop_replication_slot('${bench.slot}'); DELETE FROM orders WHERE id <= 5`);
  await using second = start({ ON_SLOT_LOST: 'snapshot', TOPIC_PARTITIONS: '1' });
  await second.said('snapshot: done');
  await bench.query('INSERT INTO orders VALUES (11)');
  // Ten inserts; a truncate in each of four partitions; five rows read; one insert.
  await untilPublished(20);
  expect(await second.stop()).toMatchObject({ code: 0 });
  expect(await recordCount()).toBe(20);
});
