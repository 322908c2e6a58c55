import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import avsc from 'avsc';
import { afterAll, describe, expect, test } from 'vitest';
import { dropAll, liveConfig, liveSettings, type ReadRecord, readCommitted, uniqueName } from '../test/live-topics.ts';
import { MemorySource, type SeenRecord, showRecord } from '../test/memory-source.ts';
import { readUncommitted } from '../test/read-uncommitted.ts';
import { scriptedLog, seededTransactions, type Step, TABLES } from '../test/scripted-log.ts';
import { createPublisher, publishScript } from '../test/scripted-publisher.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import { Registry } from './avro/registry.ts';
import { TransactionalProducer } from './kafka/transactional-producer.ts';
import { partitionOf } from './murmur2.ts';
import type { Publisher } from './publisher.ts';

const PREFIX = uniqueName('publisher');
const config = liveConfig();
let names = 0;

afterAll(async () => dropAll(PREFIX));

const newName = () => `${PREFIX}-${names++}`;
const topicsOf = (name: string) => [...TABLES.map((table) => `${name}.${table.qualifiedName}`), `${name}.transaction`];

/** Reads keys and values with avsc, by the schemas that the registry has. */
class Decoder {
  readonly #registry = new Registry(liveSettings('decoder'));
  readonly #types = new Map<number, avsc.Type>();

  async learn(records: readonly ReadRecord[]): Promise<void> {
    const headers = records.flatMap((record) => Object.values(record.headers).flat());
    const ids = new Set(
      [...records.flatMap(({ key, value }) => [key, value]), ...headers].filter((bytes) => bytes !== null).map((bytes) => bytes.readInt32BE(1)),
    );
    for (const id of ids)
      if (!this.#types.has(id)) this.#types.set(id, avsc.Type.forSchema((await this.#registry.schema(id)) as avsc.Schema, { registry: {} }));
  }

  decode(bytes: Buffer | null): Record<string, unknown> | null {
    if (bytes === null) return null;
    return structuredClone(this.#types.get(bytes.readInt32BE(1))?.fromBuffer(bytes.subarray(5))) as Record<string, unknown>;
  }
}

/** What consumers of committed records see of a source, by topic and partition. */
async function seenOf(name: string): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const records = await readCommitted(config, topicsOf(name));
  const decoder = new Decoder();
  await decoder.learn(records);
  const seen = records.map(({ headers, ...record }) => {
    const list = Object.entries(headers).map(([key, value]) => ({ key, value: value as Buffer }));
    return showRecord({ ...record, headers: list }, (bytes) => decoder.decode(bytes));
  });
  return byPlace(seen);
}

function byPlace(seen: readonly SeenRecord[]): ReadonlyMap<string, readonly SeenRecord[]> {
  return new Map([...Map.groupBy(seen, ({ topic, partition }) => `${topic}/${partition}`)].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * What they should see: the same log, published in one go into memory. Partitions are chosen by the key's bytes, and
 * these hold the schema's id, so they are worked out anew with the ids of the real registry.
 */
async function expectedOf(name: string, log: readonly CdcRecord[]): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const source = new MemorySource(name);
  await source.publish(await source.open(), log);
  const decoder = new Registry(liveSettings('ids'));
  const ids = new Map<string, number>();
  for (const { qualifiedName } of TABLES) {
    const response = await fetch(`${process.env['SCHEMA_REGISTRY_URL']}/subjects/${name}.${qualifiedName}-key/versions/latest`);
    if (response.ok) ids.set(`${name}.${qualifiedName}`, ((await response.json()) as { id: number }).id);
  }
  await decoder.ping();
  const kept = source.log.records.filter(({ state, topic }) => state === 'committed' && topic !== `${name}.positions`);
  return byPlace(source.seen().map((record, index) => ({ ...record, partition: realPartition(kept[index] as ReadRecord & { headers: never }, ids) })));
}

function realPartition({ topic, partition, key }: Pick<ReadRecord, 'topic' | 'partition' | 'key'>, ids: ReadonlyMap<string, number>): number {
  if (key === null || topic.split('.').length < 3) return partition;
  const real = Buffer.from(key);
  real.writeInt32BE(ids.get(topic) ?? 0, 1);
  return partitionOf(real, 0, real.length, 4);
}

/** In each partition row_version only grows, in the order of offsets, aborted records included. */
async function expectGrowingVersions(name: string): Promise<number> {
  const records = await readUncommitted(config, topicsOf(name).slice(0, -1));
  const decoder = new Decoder();
  await decoder.learn(records);
  const last = new Map<string, number>();
  for (const { topic, partition, value } of records) {
    const version = decoder.decode(value)?.['row_version'] as number | undefined;
    if (version === undefined) continue;
    const place = `${topic}/${partition}`;
    if (version <= (last.get(place) ?? 0)) throw new Error(`row_version ${version} after ${last.get(place)} in ${place}`);
    last.set(place, version);
  }
  return records.length;
}

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
    expect(await seenOf(name)).toEqual(await expectedOf(name, log));
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
    expect(await seenOf(name)).toEqual(await expectedOf(name, log));
    const all = await expectGrowingVersions(name);
    expect(all).toBeGreaterThan((await readCommitted(config, topicsOf(name).slice(0, -1))).length);
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
    expect(await seenOf(name)).toEqual(await expectedOf(name, log));
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
    expect(await seenOf(name)).toEqual(await expectedOf(name, log));
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
    expect(await first.open()).toEqual({ position: null, snapshot: null });
    await first.addTables(TABLES);
    const snapshot = { tables: { 'public.orders': { state: 'running' as const, rows: 5, expectedRows: 9, lastKey: ['5'], note: null } } };
    void first.publish({ records: log, bytes: 1, snapshot });
    await first.drain();
    await first.close();
    const second = createPublisher(name);
    expect(await second.open()).toEqual({ position: { transaction: '00000001', ordinal: 2 }, snapshot });
    await second.close();
  });

  test('begins above every row_version that the topics hold, whatever the clock says', async () => {
    const name = newName();
    const log = scriptedLog([1, 2].map((id): Step[] => Array.from({ length: 40 }, (_, index) => ({ kind: 'insert', table: 0, id: id * 100 + index }))));
    const now = Date.now;
    try {
      Date.now = () => now() + 3_600_000;
      const ahead = createPublisher(name);
      await publishScript(ahead, log.slice(0, 42));
      void ahead.publish({ records: log.slice(42, 60), bytes: 1 });
      await ahead.close();
    } finally {
      Date.now = now;
    }
    const behind = createPublisher(name);
    await publishScript(behind, log);
    await behind.close();
    await expectGrowingVersions(name);
  });
});
