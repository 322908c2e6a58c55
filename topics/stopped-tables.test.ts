import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../test/memory-source.ts';
import { logFrom, randomTransactions, scriptedLog, type Step, TABLES } from '../test/scripted-log.ts';
import type { StoppedTable } from '../shared/connector/stopped-table.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import { RowWriter } from '../shared/record/row-writer.ts';
import { TableSchema } from '../shared/record/table-schema.ts';

const [ORDERS] = TABLES as [TableSchema];
const REFUSED = 'shop.public.orders-value';

/** From its nth record on, the orders have a column more. */
function withNewColumn(log: readonly CdcRecord[], from: number): readonly CdcRecord[] {
  const table = new TableSchema({ ...definitionOf(ORDERS), columns: [...ORDERS.columns, { ...text, name: 'more' }] });
  const writer = new RowWriter();
  let seen = 0;
  return log.flatMap((record): CdcRecord[] => {
    if (!('table' in record) || record.table !== ORDERS || ++seen < from) return [record];
    const changed = 'after' in record ? { ...record, table, before: wider(record.before), after: wider(record.after) } : { ...record, table };
    const { transaction, ordinal } = record.position;
    return seen === from ? [{ kind: 'schemaChange', table, position: { transaction, ordinal: ordinal - 1 } }, changed] : [changed];
  });

  function wider<R extends { values(): readonly unknown[] } | null>(row: R) {
    return row === null ? null : writer.row(table, [...(row.values() as never[]), 'x']);
  }
}

const text = { dataType: { kind: 'text' }, nullable: true, nativeType: 'text' } as const;
const definitionOf = ({ database, schema, name, columns, key }: TableSchema) => ({ database, schema, name, columns, key });
const insert = (table: number, id: number): Step => ({ kind: 'insert', table, id });
const idsOf = (shop: MemorySource, table: string) => shop.values(`shop.public.${table}`).map(({ after }) => (after as { id: number } | null)?.id);

describe('a schema that the registry refuses', () => {
  const steps = [insert(0, 1), insert(1, 5), insert(0, 2), insert(0, 3), insert(1, 6)];

  test('stops its table there and nothing else: what came before is published, and the numbering of the transaction has no gap', async () => {
    const shop = new MemorySource();
    const writer = await shop.open();
    shop.registry.refusing.add(REFUSED);
    await shop.publish(writer, withNewColumn(scriptedLog([steps, [insert(0, 4), insert(2, 9)]]), 2));
    expect([idsOf(shop, 'orders'), idsOf(shop, 'lines'), idsOf(shop, 'events')]).toEqual([[1], [5, 6], [9]]);
    expect(shop.values('shop.public.lines').map(({ transaction }) => (transaction as { total_order: number }).total_order)).toEqual([2, 3]);
    expect(shop.values('shop.transaction').filter(({ status }) => status === 'END')).toMatchObject([
      {
        event_count: 3,
        data_collections: [
          { data_collection: 'public.orders', event_count: 1 },
          { data_collection: 'public.lines', event_count: 2 },
        ],
      },
      { event_count: 1 },
    ]);
    expect(writer.stopped).toMatchObject({
      'public.orders': { code: 'SCHEMA_INCOMPATIBLE', position: { transaction: '00000001', ordinal: 3 } },
    });
    expect(writer.passedOver).toEqual({ 'public.orders': 3 });
  });

  test('is registered as a new version where the settings say so', async () => {
    const shop = new MemorySource();
    const writer = await shop.open({ ON_INCOMPATIBLE_SCHEMA: 'new-version' });
    shop.registry.refusing.add(REFUSED);
    await shop.publish(writer, withNewColumn(scriptedLog([steps]), 2));
    expect(shop.values('shop.public.orders').map(({ after }) => after)).toMatchObject([{ id: 1 }, { id: 2, more: 'x' }, { id: 3, more: 'x' }]);
    expect([writer.stopped, shop.values('shop.schema-changes')]).toMatchObject([{}, [{ table: 'orders' }]]);
  });

  test('that the catalogue has at a start stops no table before a record of it comes', async () => {
    const shop = new MemorySource();
    shop.registry.refusing.add(REFUSED);
    const writer = await shop.open();
    await shop.publish(writer, scriptedLog([[insert(1, 5)]]));
    expect([writer.stopped, idsOf(shop, 'lines')]).toEqual([{}, [5]]);
    await shop.publish(writer, scriptedLog([[insert(1, 5)], [insert(0, 1)]]).slice(3));
    expect(writer.stopped).toMatchObject({ 'public.orders': { code: 'SCHEMA_INCOMPATIBLE' } });
  });

  test('after a restart anywhere, any number of times, the topics are as without one', async () => {
    await fc.assert(
      fc.asyncProperty(
        randomTransactions(),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.record({ records: fc.nat(8), end: fc.constantFrom('committed' as const, 'aborted' as const) }), { maxLength: 6 }),
        async (transactions, from, lives) => {
          const log = withNewColumn(scriptedLog(transactions), from);
          const [shop, once] = [new MemorySource(), new MemorySource()];
          for (const { registry } of [shop, once]) registry.acceptOnly(REFUSED, 1);
          for (const { records, end } of lives) {
            const writer = await shop.open();
            await shop.publish(writer, logFrom(log, writer.position).slice(0, records), end);
          }
          const last = await shop.open();
          await shop.publish(last, logFrom(log, last.position));
          await once.publish(await once.open(), log);
          const seen = (source: MemorySource) => source.seen().filter(({ topic }) => topic !== 'shop.schema-changes');
          expect(seen(shop)).toEqual(seen(once));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a table that the source stops', () => {
  const stop: StoppedTable = {
    code: 'VALUE_OUT_OF_RANGE',
    message: 'NaN.',
    remedy: 'Exclude it.',
    position: { transaction: '00000001', ordinal: 2 },
    stoppedAtMs: 5,
    settings: 's',
  };

  test('is stored with the position, and stays stopped after a restart, until the source begins it anew', async () => {
    const shop = new MemorySource();
    const log = scriptedLog([[insert(0, 1), insert(1, 5)], [insert(0, 2)], [insert(0, 3)]]);
    const first = await shop.open();
    await first.write({ records: log.slice(0, 2), bytes: 0, stopped: { 'public.orders': stop } });
    first.writePosition(0);
    shop.log.end('committed');
    const second = await shop.open();
    expect(second.stopped).toEqual({ 'public.orders': stop });
    await shop.publish(second, logFrom(log, second.position).slice(0, 7));
    expect([idsOf(shop, 'orders'), second.passedOver]).toEqual([[1], { 'public.orders': 1 }]);
    await second.write({ records: log.slice(7), bytes: 0, stopped: { 'public.orders': null } });
    second.writePosition(0);
    shop.log.end('committed');
    expect([idsOf(shop, 'orders'), second.stopped, (await shop.open()).stopped]).toEqual([[1, 3], {}, {}]);
  });
});

describe('a record that is larger than the topic takes', () => {
  const large = (log: readonly CdcRecord[], id: number, bytes: number): readonly CdcRecord[] =>
    log.map((record) =>
      record.kind === 'insert' && record.after?.values()[0] === id
        ? { ...record, after: new RowWriter(bytes).row(record.table, [id, 'x'.repeat(bytes)]) }
        : record,
    );
  const log = scriptedLog([[insert(0, 1), insert(0, 2), insert(1, 5), insert(0, 3)]]);

  test('stops its table, by name of topic and setting, before the broker sees it', async () => {
    const shop = new MemorySource();
    const writer = await shop.open();
    const bytes = 20 * 1024 * 1024;
    await writer.write({ records: large(log, 2, bytes), bytes });
    writer.writePosition(0);
    shop.log.end('committed');
    expect([idsOf(shop, 'orders'), idsOf(shop, 'lines')]).toEqual([[1], [5]]);
    expect(writer.stopped['public.orders']).toMatchObject({
      code: 'VALUE_OUT_OF_RANGE',
      message: expect.stringContaining(`topic shop.public.orders takes ${bytes}, by max.message.bytes of shop.public.orders.`) as string,
      remedy: expect.stringContaining('Raise max.message.bytes of shop.public.orders') as string,
      position: { transaction: '00000001', ordinal: 2 },
    });
    expect(shop.values('shop.transaction').at(-1)).toMatchObject({ event_count: 2 });
  });

  test('passes where a compression makes it small enough', async () => {
    const shop = new MemorySource();
    const bytes = 20 * 1024 * 1024;
    const writer = await shop.open({ KAFKA_COMPRESSION: 'zstd' });
    await writer.write({ records: large(log, 2, bytes), bytes });
    expect(writer.stopped).toEqual({});
  });
});
