import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../test/memory-source.ts';
import { logFrom, randomTransactions, scriptedLog, type Step, TABLES } from '../test/scripted-log.ts';
import type { CdcRecord, RowRecord } from '../shared/record/record.ts';
import { RowWriter } from '../shared/record/row-writer.ts';
import { TableSchema } from '../shared/record/table-schema.ts';

const RUNS = 40;
/** All records in one process, in one go. */
async function published(log: readonly CdcRecord[], environment: Readonly<Record<string, string>> = {}): Promise<MemorySource> {
  const shop = new MemorySource();
  await shop.publish(await shop.open(environment), log);
  return shop;
}

describe('a transaction', () => {
  const steps: readonly Step[] = [
    { kind: 'insert', table: 0, id: 1 },
    { kind: 'update', table: 0, id: 1, newId: 2 },
    { kind: 'insert', table: 1, id: 7 },
    { kind: 'delete', table: 0, id: 2 },
    { kind: 'insert', table: 2, id: 5 },
  ];

  test('is told by BEGIN and by END with its counts: a changed key counts twice, a tombstone not', async () => {
    const shop = await published(scriptedLog([steps]));
    expect(shop.values('shop.transaction')).toEqual([
      { status: 'BEGIN', id: '700:00000001', ts_ms: 1_700_000_000_000, event_count: null, data_collections: null },
      {
        status: 'END',
        id: '700:00000001',
        ts_ms: 1_700_000_000_000,
        event_count: 6,
        data_collections: [
          { data_collection: 'public.orders', event_count: 4 },
          { data_collection: 'public.lines', event_count: 1 },
          { data_collection: 'public.events', event_count: 1 },
        ],
      },
    ]);
  });

  test('numbers its records, in all and by table', async () => {
    const shop = await published(scriptedLog([steps]));
    const numbers = ['orders', 'lines', 'events'].map((table) => shop.values(`shop.public.${table}`).map(({ op, transaction }) => [op, transaction]));
    const id = '700:00000001';
    expect(numbers).toEqual([
      [
        ['c', { id, total_order: 1, data_collection_order: 1 }],
        ['d', { id, total_order: 2, data_collection_order: 2 }],
        ['c', { id, total_order: 3, data_collection_order: 3 }],
        ['d', { id, total_order: 5, data_collection_order: 4 }],
      ],
      [['c', { id, total_order: 4, data_collection_order: 1 }]],
      [['c', { id, total_order: 6, data_collection_order: 1 }]],
    ]);
  });

  test('that changes a table with a new schema in its midst goes on counting that table', async () => {
    const log = scriptedLog([[steps[0] as Step, steps[0] as Step]]);
    const [orders] = TABLES as [TableSchema];
    const changed = new TableSchema({
      database: orders.database,
      schema: orders.schema,
      name: orders.name,
      key: orders.key,
      columns: [...orders.columns, { name: 'more', dataType: { kind: 'text' }, nullable: true, nativeType: 'text' }],
    });
    const wider: CdcRecord = { ...(log[2] as RowRecord), table: changed, after: new RowWriter().row(changed, [1, 'a', 'b']) };
    const shop = new MemorySource();
    await shop.publish(await shop.open(), [
      ...log.slice(0, 2),
      { kind: 'schemaChange', table: changed, position: { transaction: '00000001', ordinal: 1 } },
      wider,
      ...log.slice(3),
    ]);
    expect(shop.values('shop.transaction').at(-1)).toMatchObject({ event_count: 2, data_collections: [{ data_collection: 'public.orders', event_count: 2 }] });
    expect(shop.values('shop.public.orders').map(({ transaction }) => transaction)).toMatchObject([{ data_collection_order: 1 }, { data_collection_order: 2 }]);
  });

  test('without changes is not told of', async () => {
    expect((await published(scriptedLog([[], []]))).seen()).toEqual([]);
  });

  test('is not told of where the settings say so, and its records belong to none', async () => {
    const shop = await published(scriptedLog([steps]), { PUBLISH_TRANSACTIONS: 'false' });
    expect(shop.values('shop.transaction')).toEqual([]);
    expect(shop.values('shop.public.orders').map(({ transaction }) => transaction)).toEqual([null, null, null, null]);
  });
});

describe('messages', () => {
  test('a delete is followed by a tombstone, a changed key by a new row, with headers that tie them together', async () => {
    const shop = await published(scriptedLog([[{ kind: 'update', table: 0, id: 1, newId: 2 }]]));
    const messages = shop.seen().filter(({ topic }) => topic === 'shop.public.orders');
    expect(messages).toMatchObject([
      { key: { id: 1 }, op: 'd', after: null, headers: [['__debezium.newkey', { id: 2 }]] },
      { key: { id: 1 }, isTombstone: true, headers: [] },
      { key: { id: 2 }, op: 'c', before: null, headers: [['__debezium.oldkey', { id: 1 }]] },
    ]);
  });

  test('tombstones can be left out, and a table without a key has none', async () => {
    const log = scriptedLog([
      [
        { kind: 'delete', table: 0, id: 1 },
        { kind: 'delete', table: 2, id: 1 },
      ],
    ]);
    const tombstones = async (environment = {}) =>
      (await published(log, environment)).log.records.filter(({ value, state }) => value === null && state === 'committed').map(({ topic }) => topic);
    expect(await tombstones()).toEqual(['shop.public.orders']);
    expect(await tombstones({ TOMBSTONES: 'false' })).toEqual([]);
  });

  test('a truncate stands once in each partition, with one version, and counts as one', async () => {
    const shop = await published(scriptedLog([[{ kind: 'truncate', table: 0, id: 0 }]]));
    const truncates = shop.log.records.filter(({ topic, state }) => topic === 'shop.public.orders' && state === 'committed');
    expect(truncates.map(({ partition, key }) => [partition, key])).toEqual([0, 1, 2, 3].map((partition) => [partition, null]));
    expect(new Set(truncates.map(({ value }) => shop.registry.decode(value)?.['row_version'])).size).toBe(1);
    expect(shop.values('shop.transaction').at(-1)).toMatchObject({ event_count: 1 });
  });

  test('a truncate is left out where the settings say so', async () => {
    expect((await published(scriptedLog([[{ kind: 'truncate', table: 0, id: 0 }]]), { PUBLISH_TRUNCATE: 'false' })).seen()).toEqual([]);
  });

  test('the records of one key are in one partition, those without a key in the first', async () => {
    const steps = Array.from({ length: 60 }, (_, index): Step => ({ kind: 'insert', table: index % 2 === 0 ? 0 : 2, id: index % 20 }));
    const { log } = await published(scriptedLog([steps]));
    const places = new Map<string, Set<number>>();
    for (const { topic, partition, key } of log.records.filter((record) => record.topic.split('.').length > 2)) {
      const place = `${topic} ${key?.toString('hex') ?? ''}`;
      places.set(place, (places.get(place) ?? new Set()).add(partition));
    }
    expect([...places.values()].every(({ size }) => size === 1)).toBe(true);
    expect([...(places.get('shop.public.events ') ?? [])]).toEqual([0]);
  });
});

describe('after a restart', () => {
  test('anywhere, any number of times, the topics are as without one: nothing missing, nothing twice, all counts right', async () => {
    await fc.assert(
      fc.asyncProperty(
        randomTransactions(),
        fc.array(fc.record({ records: fc.nat(8), end: fc.constantFrom('committed' as const, 'committed' as const, 'aborted' as const) }), { maxLength: 8 }),
        async (transactions, lives) => {
          const log = scriptedLog(transactions);
          const shop = new MemorySource();
          for (const { records, end } of lives) {
            const writer = await shop.open();
            await shop.publish(writer, logFrom(log, writer.position).slice(0, records), end);
          }
          const last = await shop.open();
          await shop.publish(last, logFrom(log, last.position));
          expect(shop.seen()).toEqual((await published(log)).seen());
        },
      ),
      { numRuns: RUNS },
    );
  });

  test('of a batch that was cut into many commits the topics are as of one commit', async () => {
    await fc.assert(
      fc.asyncProperty(randomTransactions(), fc.integer({ min: 1, max: 5 }), async (transactions, size) => {
        const log = scriptedLog(transactions);
        const shop = new MemorySource();
        const writer = await shop.open();
        for (let start = 0; start < log.length; start += size) await shop.publish(writer, log.slice(start, start + size));
        expect(shop.seen()).toEqual((await published(log)).seen());
      }),
      { numRuns: RUNS },
    );
  });

  test('records that a transaction left behind without its position are not written twice', async () => {
    const log = scriptedLog([[0, 1, 2, 3, 4, 5].map((id): Step => ({ kind: 'insert', table: 0, id }))]);
    const shop = new MemorySource();
    const first = await shop.open();
    await shop.publish(first, log.slice(0, 3));
    // The broker ends the next transaction too early: its records are visible, its position is not (KAFKA-17754).
    await first.write({ records: log.slice(3, 5), bytes: 0 });
    shop.log.end('committed');
    await first.write({ records: log.slice(5, 6), bytes: 0 });
    const second = await shop.open();
    await shop.publish(second, logFrom(log, second.position));
    const ids = shop.values('shop.public.orders').map(({ after }) => (after as { id: number }).id);
    expect(ids.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  });
});
