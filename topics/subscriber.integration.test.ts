import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { dropAll, liveConfig, readCommitted, uniqueName } from '../test/live-topics.ts';
import { scriptedLog, seededTransactions, type Step, TABLES } from '../test/scripted-log.ts';
import { createPublisher, publishScript } from '../test/scripted-publisher.ts';
import { TestMember } from '../test/test-member.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import { RowWriter } from '../shared/record/row-writer.ts';
import { TableSchema } from '../shared/record/table-schema.ts';
import { LogOverview } from './kafka/log-overview.ts';
import { ABSENT, rangeOf } from './kafka/record-batch.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import { TransactionalProducer } from './kafka/transactional-producer.ts';

const PREFIX = uniqueName('subscriber');
const config = liveConfig();
const members: TestMember[] = [];
let names = 0;

const newName = () => `${PREFIX}-${names++}`;

function join(groupId: string, patterns: readonly string[], onDelivery?: ConstructorParameters<typeof TestMember>[0]['onDelivery']): TestMember {
  const member = new TestMember({ groupId, patterns, ...(onDelivery === undefined ? {} : { onDelivery }) });
  members.push(member);
  return member;
}

afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.close()));
});
afterAll(async () => dropAll(PREFIX));

async function publish(name: string, log: readonly CdcRecord[], environment: Readonly<Record<string, string>> = {}): Promise<void> {
  const publisher = createPublisher(name, { environment });
  await publishScript(publisher, log);
  await publisher.close();
}

const topicsOf = (name: string) => TABLES.map((table) => `${name}.${table.qualifiedName}`);

/** Records with a value, of all table topics. */
async function valuesOf(name: string): Promise<number> {
  return (await readCommitted(config, topicsOf(name))).filter(({ value }) => value !== null).length;
}

async function lagOf(groupId: string, topics: readonly string[]): Promise<number> {
  const overview = new LogOverview(config);
  await overview.connect();
  const lags = await overview.lagOf(groupId, topics);
  await overview.close();
  return lags.reduce((sum, { lag }) => sum + lag, 0);
}

/** Writes bytes as they are to the partitions of a new topic. */
async function putForeign(topic: string, values: readonly Buffer[], settings: Readonly<Record<string, string>> = {}): Promise<void> {
  const admin = new TopicAdmin(config);
  await admin.connect();
  await admin.createMissing([{ topic, partitions: 1, replication: undefined, config: settings }]);
  await admin.close();
  const producer = new TransactionalProducer({ config, transactionalId: topic, transactionTimeoutMs: 30_000, compression: 'none' });
  await producer.init();
  await producer.addTopics([topic]);
  for (const value of values) producer.append(topic, 0, Date.now(), ABSENT, rangeOf(value), []);
  await producer.commit();
  await producer.close();
}

describe('the topics of a prefix', () => {
  const log = scriptedLog(seededTransactions(7, 60));

  test('are read whole and in order; control topics and tombstones are left out', async () => {
    const name = newName();
    await publish(name, log);
    const expected = await valuesOf(name);
    const member = join(name, [`${name}.*`]);
    await member.until(() => member.all.length >= expected);
    expect([...member.records.keys()].toSorted()).toEqual(topicsOf(name).toSorted());
    expect(member.all).toHaveLength(expected);
    const versions = new Map<string, number>();
    for (const [topic, records] of member.records) {
      for (const { record, partition } of records) {
        expect(record.version).toBeGreaterThan(versions.get(`${topic}/${partition}`) ?? 0);
        versions.set(`${topic}/${partition}`, record.version);
        expect(`${name}.${record.table.qualifiedName}`).toBe(topic);
      }
    }
  });

  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd']) {
    test(`may be compressed with ${compression}`, async () => {
      const name = newName();
      await publish(name, log, { KAFKA_COMPRESSION: compression });
      const expected = await valuesOf(name);
      const member = join(name, [`${name}.*`]);
      await member.until(() => member.all.length >= expected);
      expect(member.all).toHaveLength(expected);
    });
  }

  test('leave no lag once all is committed: offsets go past the marks of transactions, tombstones and aborted records', async () => {
    const name = newName();
    await publish(name, [
      ...log,
      ...scriptedLog([[{ kind: 'delete', table: 0, id: 1 }]]).map((record) => ({ ...record, position: { ...record.position, transaction: '99999999' } })),
    ]);
    const abandoned = createPublisher(name, {
      createProducer: (options) =>
        new (class extends TransactionalProducer {
          override get needsFlush() {
            return true;
          }
        })(options),
    });
    await abandoned.open();
    await abandoned.addTables(TABLES);
    void abandoned.publish({
      records: log.map((record) => ({ ...record, position: { ...record.position, transaction: `A${record.position.transaction}` } })),
      bytes: 1,
    });
    await abandoned.close();
    const fencing = createPublisher(name);
    await fencing.open();
    await fencing.close();
    const member = join(name, [`${name}.*`]);
    const expected = await valuesOf(name);
    await member.until(() => member.all.length >= expected);
    const isAtEnd = async () => {
      await member.commit();
      return (await lagOf(name, topicsOf(name))) === 0;
    };
    while (!(await isAtEnd())) await member.until(() => true);
    expect(member.all).toHaveLength(expected);
  });

  test('are gone on with where the group has committed', async () => {
    const name = newName();
    await publish(name, log);
    const expected = await valuesOf(name);
    const first = join(name, [`${name}.*`]);
    await first.until(() => first.all.length >= expected);
    await first.commit();
    await first.close();
    const later = scriptedLog([[{ kind: 'insert', table: 1, id: 1 }]]).map((record) => ({
      ...record,
      position: { ...record.position, transaction: '99999999' },
    }));
    await publish(name, [...log, ...later]);
    const second = join(name, [`${name}.*`]);
    await second.until(() => second.all.length > 0);
    expect(second.all.map(({ record }) => [record.kind, record.position.transaction])).toEqual([['insert', '99999999']]);
  });

  test('are joined by new ones without a restart, and nothing is lost of the others meanwhile', async () => {
    const name = newName();
    await publish(name, log);
    const expected = await valuesOf(name);
    const member = join(name, [`${name}.*`]);
    await member.until(() => member.all.length >= expected);
    const table = new TableSchema({ ...(TABLES[0] as TableSchema), name: 'later' });
    const publisher = createPublisher(name);
    await publisher.open();
    await publisher.addTables([...TABLES, table]);
    const at = (ordinal: number) => ({ transaction: '99999999', ordinal });
    const insert = (of: TableSchema, ordinal: number): CdcRecord => ({
      kind: 'insert',
      table: of,
      before: null,
      after: new RowWriter().row(of, [1, 'a']),
      position: at(ordinal),
      committedAtMicros: 1,
      version: 0,
    });
    const records: readonly CdcRecord[] = [
      { kind: 'begin', xid: '1', committedAtMicros: 1, position: at(0) },
      insert(table, 1),
      insert(TABLES[0] as TableSchema, 2),
      { kind: 'commit', xid: '1', committedAtMicros: 1, position: at(3) },
    ];
    void publisher.publish({ records, bytes: 1 });
    await publisher.drain();
    await publisher.close();
    const news = () => new Set(member.all.filter(({ record }) => record.position.transaction === '99999999').map(({ record }) => record.table.name));
    await member.until(() => news().size === 2);
    expect(member.joins.length).toBeGreaterThan(1);
  });

  test('may appear long after the sink', async () => {
    const name = newName();
    const member = join(name, [`${name}.*`]);
    await publish(name, log);
    await member.until(() => member.all.length > 0);
    expect(member.refused.size).toBe(0);
  });
});

describe('a topic that cannot be read', () => {
  const foreign: readonly (readonly [what: string, values: readonly Buffer[], code: string])[] = [
    ['text', [Buffer.from('{"a":1}')], 'PARSE_FAILED'],
    ['bytes too short for a schema', [Buffer.from([0, 0, 1])], 'PARSE_FAILED'],
    ['a schema that the registry does not know', [Buffer.from([0, 0x3b, 0x9a, 0xc9, 0xff, 1])], 'SCHEMA_INCOMPATIBLE'],
  ];
  for (const [what, values, code] of foreign) {
    test(`holds ${what}: it is refused, once, and the others go on`, async () => {
      const name = newName();
      await publish(name, scriptedLog([[{ kind: 'insert', table: 0, id: 1 }]]));
      await putForeign(`${name}.public.foreign`, values);
      const member = join(name, [`${name}.*`]);
      await member.until(() => member.refused.size > 0 && member.all.length > 0);
      expect(member.refusals).toBe(1);
      expect([...member.refused]).toEqual([[`${name}.public.foreign`, expect.objectContaining({ code })]]);
      expect(member.count(`${name}.public.orders`)).toBe(1);
    });
  }

  test('has the layout of a control topic that was asked for by its name', async () => {
    const name = newName();
    await publish(name, scriptedLog([[{ kind: 'insert', table: 0, id: 1 }]]));
    const member = join(name, [`${name}.transaction`, `${name}.public.orders`]);
    await member.until(() => member.refused.size > 0 && member.all.length > 0);
    expect(member.refused.get(`${name}.transaction`)).toMatchObject({ code: 'SCHEMA_INCOMPATIBLE', remedy: expect.stringContaining('SINK_TOPICS') });
  });
});

describe('a topic that is held', () => {
  const one: readonly Step[] = [{ kind: 'insert', table: 0, id: 1 }];

  test('stays held while new topics join, and comes when it is released', async () => {
    const name = newName();
    const [orders, lines, events] = topicsOf(name) as [string, string, string];
    await publish(name, scriptedLog([one, [{ kind: 'insert', table: 1, id: 1 }]]));
    const member = join(name, [orders, lines, `${name}.public.ev*`, `${name}.later.*`]);
    await member.until(() => member.count(orders) === 1 && member.count(lines) === 1);
    member.subscriber.hold(orders);
    const table = new TableSchema({ ...(TABLES[0] as TableSchema), schema: 'later' });
    const publisher = createPublisher(name);
    await publisher.open();
    await publisher.addTables([...TABLES, table]);
    // Nothing was committed, so all of it comes again when the member joins with the new topic; but for what is held.
    await member.until(() => member.subscriber.topics.includes(`${name}.later.orders`) && member.count(lines) === 2);
    const later = scriptedLog([[{ kind: 'insert', table: 2, id: 1 }]]).map((record) => ({
      ...record,
      position: { ...record.position, transaction: '99999999' },
    }));
    void publisher.publish({ records: later, bytes: 1 });
    await publisher.drain();
    await publisher.close();
    await member.until(() => member.count(events) > 0);
    expect(member.count(orders)).toBe(1);
    member.subscriber.release(orders);
    await member.until(() => member.count(orders) === 2);
  });

  test('may be held and released before and after the membership, too', async () => {
    const name = newName();
    const member = join(name, [`${name}.*`]);
    expect(() => member.subscriber.hold(`${name}.public.orders`)).not.toThrow();
    expect(() => member.subscriber.release(`${name}.public.orders`)).not.toThrow();
    await publish(name, scriptedLog([one]));
    await member.until(() => member.all.length > 0);
    await member.close();
    expect(() => member.subscriber.hold(`${name}.public.orders`)).not.toThrow();
  });
});

describe('two members of a group', () => {
  test('share the partitions, and of what one leaves behind nothing is lost', async () => {
    const name = newName();
    const log = scriptedLog(seededTransactions(23, 250));
    const written = new Set<string>();
    const write = async (
      member: TestMember,
      { topic, partition, origins, nextOffset }: Parameters<NonNullable<ConstructorParameters<typeof TestMember>[0]['onDelivery']>>[1],
    ) => {
      for (const { offset } of origins) written.add(`${topic}/${partition}/${offset}`);
      await member.subscriber.commit([{ topic, partition, offset: nextOffset }]).catch((error: unknown) => {
        if ((error as { context?: { isRebalance?: boolean } }).context?.isRebalance !== true) throw error;
      });
    };
    const publishing = publish(name, log);
    const first = join(name, [`${name}.*`], write);
    await first.until(() => first.all.length > 100);
    const second = join(name, [`${name}.*`], write);
    await second.until(() => second.joins.length > 0);
    await first.until(() => first.joins.length > 1);
    await publishing;
    // Gone without a word, with what it was given and has not committed.
    await first.close();
    const expected = await valuesOf(name);
    await second.until(() => written.size >= expected);
    expect(written.size).toBe(expected);
  });
});
