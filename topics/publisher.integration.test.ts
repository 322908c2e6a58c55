import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, test } from 'vitest';
import { dropAll, liveConfig, readCommitted, uniqueName } from '../test/live-topics.ts';
import { readUncommitted } from '../test/read-uncommitted.ts';
import { scriptedLog, seededTransactions, type Step, TABLES } from '../test/scripted-log.ts';
import { createPublisher, publishScript } from '../test/scripted-publisher.ts';
import { expectGrowingVersions, expectSameTopics, tableTopicsOf } from '../test/seen-topics.ts';
import { TransactionalProducer } from './kafka/transactional-producer.ts';
import type { Publisher } from './publisher.ts';

const PREFIX = uniqueName('publisher');
const config = liveConfig();
let names = 0;

afterAll(async () => dropAll(PREFIX));

const newName = () => `${PREFIX}-${names++}`;
async function closed(publisher: Publisher, run: Promise<void>): Promise<void> {
  run.catch(() => undefined);
  await publisher.close();
  await run.catch(() => undefined);
}

describe('exactly once', () => {
  test('a publisher that was closed again and again, without a drain, leaves neither a gap nor a repeat', { timeout: 180_000 }, async () => {
    const name = newName();
    const log = scriptedLog(seededTransactions(4711, 400));
    for (let life = 0; life < 20; life++) {
      let commits = 0;
      const reached = Promise.withResolvers<void>();
      const publisher = createPublisher(name, {
        onCommitted: () => {
          if (++commits > life % 4) reached.resolve();
        },
      });
      const run = publishScript(publisher, log);
      if (life % 5 !== 4) await Promise.race([reached.promise, run]);
      await closed(publisher, run);
    }
    const last = createPublisher(name);
    await publishScript(last, log);
    await last.close();
    await expectSameTopics(name, log);
    await expectGrowingVersions(name);
  });

  test('a process that was killed with -9 again and again leaves neither a gap nor a repeat', { timeout: 240_000 }, async () => {
    const name = newName();
    const [seed, count] = [99, 1500];
    for (const commits of [1, 3, 0, 7, 2]) await killAfter(commits, [name, String(seed), String(count)]);
    const log = scriptedLog(seededTransactions(seed, count));
    const last = createPublisher(name);
    await publishScript(last, log);
    await last.close();
    await expectSameTopics(name, log);
    const all = await expectGrowingVersions(name);
    expect(all).toBeGreaterThan((await readCommitted(config, tableTopicsOf(name))).length);
  });
});

/** Starts a process that publishes, and kills it after so many commits. */
async function killAfter(commits: number, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'test', 'publish-child.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  let seen = 0;
  if (commits === 0) setImmediate(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) if (line === 'committed' && ++seen >= commits) child.kill('SIGKILL');
  await gone;
}

describe('two sources of one name', () => {
  const one: readonly Step[] = [{ kind: 'insert', table: 0, id: 1 }];

  test('cannot both publish: the first is FENCED when it next publishes, and leaves nothing behind', async () => {
    const name = newName();
    const log = scriptedLog([one, one, one]);
    const first = createPublisher(name);
    await publishScript(first, log.slice(0, 3));
    const second = createPublisher(name);
    expect(await second.open()).toMatchObject({ position: { transaction: '00000001', ordinal: 2 } });
    await second.addTables(TABLES);
    void first.publish({ records: log.slice(3, 6), bytes: 1 });
    await expect(first.drain()).rejects.toMatchObject({ code: 'FENCED', action: 'stop' });
    await expect(first.failed).resolves.toMatchObject({ code: 'FENCED' });
    await expect(first.publish({ records: [], bytes: 0 })).rejects.toMatchObject({ code: 'FENCED' });
    void second.publish({ records: log.slice(3), bytes: 1 });
    await second.drain();
    await Promise.all([first.close(), second.close()]);
    await expectSameTopics(name, log);
  });

  /** Holds a transaction open until it is told to go on. */
  class SlowProducer extends TransactionalProducer {
    static gate: Promise<void> | undefined;

    override async commit(): Promise<void> {
      await this.flush();
      await SlowProducer.gate;
      await super.commit();
    }
  }

  test('are told apart from one whose transaction was open too long: that one begins anew', { timeout: 60_000 }, async () => {
    const name = newName();
    const log = scriptedLog([one, one]);
    const slow = createPublisher(name, { createProducer: (options) => new SlowProducer({ ...options, transactionTimeoutMs: 500 }) });
    await slow.open();
    await slow.addTables(TABLES);
    const gate = Promise.withResolvers<void>();
    SlowProducer.gate = gate.promise;
    void slow.publish({ records: log.slice(0, 3), bytes: 1 });
    await untilAborted(`${name}.positions`);
    gate.resolve();
    await expect(slow.drain()).rejects.toMatchObject({ code: 'TIMEOUT', action: 'retry' });
    await slow.close();
    const next = createPublisher(name);
    await publishScript(next, log);
    await next.close();
    await expectSameTopics(name, log);
  });

  /** Waits until the broker has ended the open transaction: then it says what comes after it. */
  async function untilAborted(topic: string): Promise<void> {
    let count = 0;
    while (count < 2) count = (await readUncommitted(config, [topic])).filter(({ isMark }) => isMark).length;
  }
});

describe('a source that starts', () => {
  test('for the first time has no position; afterwards it has the one that was committed last', async () => {
    const name = newName();
    const log = scriptedLog([[{ kind: 'insert', table: 0, id: 1 }]]);
    const first = createPublisher(name);
    expect(await first.open()).toEqual({ position: null, snapshot: null, stopped: {} });
    await first.addTables(TABLES);
    const rest = [{ of: 'key', after: ['5'], end: null }];
    const snapshot = { tables: { 'public.orders': { state: 'running' as const, rows: 5, expectedRows: 9, rest, startsOver: false, note: null } } };
    void first.publish({ records: log, bytes: 1, snapshot });
    await first.drain();
    await first.close();
    const second = createPublisher(name);
    expect(await second.open()).toEqual({ position: { transaction: '00000001', ordinal: 2 }, snapshot, stopped: {} });
    await second.close();
  });

  test('goes on where the snapshot of ten thousand tables stands', async () => {
    const name = newName();
    const first = createPublisher(name);
    await first.open();
    await first.addTables(TABLES);
    const done = { state: 'done' as const, rows: 1_000_000, expectedRows: 1_000_000, rest: [], startsOver: false, note: null };
    const tables = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`some_schema.a_table_with_a_name_${n}`, done]));
    void first.publish({ records: [], bytes: 0, snapshot: { tables } });
    await first.drain();
    await first.close();
    const second = createPublisher(name);
    expect(await second.open()).toEqual({ position: null, snapshot: { tables }, stopped: {} });
    await second.close();
  });

  /** Sends each record at once, and from the second commit on never commits: what it leaves behind has no position. */
  class AbandoningProducer extends TransactionalProducer {
    #commits = 0;

    override get needsFlush(): boolean {
      return true;
    }

    override async commit(): Promise<void> {
      if (++this.#commits > 1) await new Promise(() => undefined);
      await super.commit();
    }
  }

  test('begins above every row_version that the topics hold, also those of aborted records, whatever the clock says', async () => {
    const name = newName();
    const log = scriptedLog([Array.from({ length: 80 }, (_, index): Step => ({ kind: 'insert', table: 0, id: index }))]);
    const now = Date.now;
    try {
      Date.now = () => now() + 3_600_000;
      const ahead = createPublisher(name, { createProducer: (options) => new AbandoningProducer(options) });
      await ahead.open();
      await ahead.addTables(TABLES);
      void ahead.publish({ records: log.slice(0, 40), bytes: 1 });
      while ((await readUncommitted(config, [`${name}.public.orders`])).length < 39) await new Promise(setImmediate);
      void ahead.close();
    } finally {
      Date.now = now;
    }
    const behind = createPublisher(name);
    await publishScript(behind, log);
    await behind.close();
    await expectSameTopics(name, log);
    await expectGrowingVersions(name);
  });
});
