import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { OwnPostgres } from '../test/contract/own-postgres.ts';
import { PostgresBench } from '../test/contract/postgres-source-bench.ts';
import { SourceProcess, sourceSettings } from '../test/contract/source-process.ts';
import { freePort } from '../stack/ports.ts';

let server: OwnPostgres;
let bench: PostgresBench;

beforeAll(async () => {
  server = await OwnPostgres.start();
});
afterAll(async () => server?.[Symbol.asyncDispose]());
beforeEach(async () => {
  bench = await PostgresBench.open(server.url);
  await bench.query('CREATE TABLE orders (id int PRIMARY KEY, v text); INSERT INTO orders VALUES (1)');
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await deleteTopics(bench.name);
});

const start = (more: Readonly<Record<string, string>> = {}) => new SourceProcess(sourceSettings(bench, { TABLES: 'public.orders', ...more }));

describe('a source that is asked to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('by %s while it streams ends with 0, and leaves its slot to the next one', async (signal) => {
    await using first = start();
    await first.said('snapshot: done');
    const { code, ms } = await first.stop(signal);
    expect({ code, inTime: ms < 10_000 }).toEqual({ code: 0, inTime: true });
    expect(first.log).toContain('stopped; everything read is published');
    await bench.query('INSERT INTO orders VALUES (2)');
    await using second = start();
    await second.said('going on where the topics stand');
    expect(await second.stop()).toMatchObject({ code: 0 });
    expect(second.log).not.toContain('SLOT_IN_USE');
  });

  test('while its slot waits for a transaction of somebody else ends with 0', async () => {
    const session = await bench.session();
    await session.query('BEGIN; INSERT INTO orders VALUES (3)');
    await using run = start();
    await run.said('creating the replication slot');
    const { code, ms } = await run.stop();
    await session.query('ROLLBACK');
    session.release();
    expect({ code, inTime: ms < 10_000 }).toEqual({ code: 0, inTime: true });
    await bench.slotIsFree();
  });

  test('while an operator holds it ends with 0', async () => {
    const port = await freePort();
    await using run = start({ HTTP_PORT: String(port) });
    await run.said('snapshot: done');
    await fetch(`http://127.0.0.1:${port}/pause`, { method: 'POST' });
    expect(await (await fetch(`http://127.0.0.1:${port}/status`)).json()).toMatchObject({ state: 'paused' });
    await bench.query('INSERT INTO orders SELECT n FROM generate_series(10, 5000) n');
    expect(await run.stop()).toMatchObject({ code: 0 });
  });

  test('while its database hangs ends with 0 in time, and at once when it is asked again', async () => {
    await using run = start();
    await run.said('snapshot: done');
    server.hang();
    try {
      const { code, ms } = await run.stop();
      expect({ code, inTime: ms < 10_000 }).toEqual({ code: 0, inTime: true });
    } finally {
      server.wake();
    }
    await bench.slotIsFree();
    await using again = start();
    await again.said('going on where the topics stand');
    server.hang();
    try {
      again.signal('SIGINT');
      // Two signals within half a second count as one: a Ctrl-C under npm arrives twice.
      await delay(700);
      const { code, ms } = await again.stop('SIGINT');
      expect({ code, atOnce: ms < 1000 }).toEqual({ code: 1, atOnce: true });
    } finally {
      server.wake();
    }
  });
});

describe('a source that cannot go on', () => {
  test('says that its slot is gone, and ends with 4', async () => {
    await using first = start({ HEARTBEAT_INTERVAL_MS: '100' });
    await first.said('snapshot: done');
    await first.stop();
    await bench.slotIsFree();
    await bench.query(`SELECT pg_drop_replication_slot('${bench.slot}')`);
    await using second = start();
    expect(await second.ended()).toBe(4);
    expect(second.log).toContain(`POSITION_LOST: Replication slot ${bench.slot} is gone`);
    expect(second.log).toContain(
      `ON_SLOT_LOST=snapshot: it makes the slot anew and reads every table again, behind a truncate. Or give it up: SELECT pg_drop_replication_slot('${bench.slot}'); DROP PUBLICATION "dbmazz_${bench.name}";`,
    );
  });

  test('says that the log of its server is not logical, and ends with 3', async () => {
    await server.run({ wal_level: 'replica', max_wal_senders: '0' });
    await using run = start();
    expect(await run.ended()).toBe(3);
    expect(run.log).toContain('SETUP_WAL_LEVEL: wal_level of the source is replica; logical is needed.');
    expect(run.log).toContain('remedy: ALTER SYSTEM SET wal_level = logical;');
    await server.run({});
  });

  test('goes on by itself when its database comes back', async () => {
    await using run = start();
    await run.said('snapshot: done');
    await server.kill();
    await run.said('"code":"CONNECTION_LOST"');
    await server.run({});
    await bench.query('INSERT INTO orders VALUES (2)');
    await run.said('all is well again');
    expect(run.count('Trying again')).toBe(1);
    expect(await run.stop()).toMatchObject({ code: 0 });
  });
});
