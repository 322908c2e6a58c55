import { describe, expect, test } from 'vitest';
import { MemoryLog, MemoryRegistry } from '../test/memory-log.ts';
import { TABLES } from '../test/scripted-log.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import { RowWriter } from '../shared/record/row-writer.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { buildEnvelopeSchema } from './avro/table-schemas.ts';
import { EnvelopeEncoder, type EnvelopeFields } from './envelope-encoder.ts';
import { ABSENT } from './kafka/record-batch.ts';
import { PublishedTails } from './published-tails.ts';

const TOPIC = 'shop.public.orders';
const TABLE = TABLES[0] as TableSchema;

class Topics {
  readonly log = new MemoryLog(2);
  readonly registry = new MemoryRegistry();

  /** A record at the end of a partition. */
  async put(
    place: { partition: number; transaction: string; ordinal: number; version: number; op?: EnvelopeFields['op'] },
    state: 'committed' | 'aborted' = 'committed',
  ): Promise<void> {
    const valueSchemaId = await this.registry.register('', buildEnvelopeSchema(TABLE, TOPIC));
    const encoder = new EnvelopeEncoder({ table: TABLE, keySchemaId: 1, valueSchemaId, connector: 'c', sourceName: 'shop', version: '0' });
    const scope = { xid: null, isSnapshot: false, committedAtMicros: 0, positionPrefix: place.transaction, transactionId: null };
    const row = new RowWriter().row(TABLE, [1, 'a']);
    const fields = {
      op: place.op ?? 'c',
      before: null,
      after: row,
      ordinal: place.ordinal,
      handledAtMs: 0,
      rowVersion: place.version,
      totalOrder: 0,
      collectionOrder: 0,
    };
    this.log.append(TOPIC, place.partition, 0, ABSENT, encoder.value(scope, fields), []);
    this.log.end(state);
  }

  async tails(storedVersion: number | undefined): Promise<PublishedTails> {
    const tails = new PublishedTails();
    await tails.read({ reader: this.log, registry: this.registry }, [TOPIC], storedVersion);
    return tails;
  }
}

function change(transaction: string, ordinal: number, kind: 'insert' | 'read' = 'insert'): CdcRecord {
  return { kind, table: TABLE, before: null, after: null, position: { transaction, ordinal }, committedAtMicros: 0, version: 0 };
}

describe('records that are visible without a stored position', () => {
  test('are known up to the last one of each partition', async () => {
    const topics = new Topics();
    await topics.put({ partition: 0, transaction: 'b', ordinal: 2, version: 20 });
    await topics.put({ partition: 1, transaction: 'b', ordinal: 5, version: 21 });
    const tails = await topics.tails(10);
    const known = (partition: number) => [1, 2, 3, 5, 6].map((ordinal) => tails.has(TOPIC, partition, change('b', ordinal)));
    expect(known(0).slice(0, 4)).toEqual([true, true, false, false]);
    expect([1, 5].map((ordinal) => tails.has(TOPIC, 1, change('b', ordinal)))).toEqual([false, false]);
  });

  test('are asked for no more once a record comes that is behind all of them', async () => {
    const topics = new Topics();
    await topics.put({ partition: 0, transaction: 'b', ordinal: 2, version: 20 });
    const tails = await topics.tails(10);
    expect([tails.isActive, tails.has(TOPIC, 0, change('b', 3)), tails.isActive]).toEqual([true, false, false]);
  });

  test('do not hold back what a snapshot reads', async () => {
    const topics = new Topics();
    await topics.put({ partition: 0, transaction: 'b', ordinal: 2, version: 20 });
    expect((await topics.tails(10)).has(TOPIC, 0, change('a', 1, 'read'))).toBe(false);
  });
});

describe('nothing is left out', () => {
  test('where the stored position is newer than all that the topics hold', async () => {
    const topics = new Topics();
    await topics.put({ partition: 0, transaction: 'z', ordinal: 9, version: 10 });
    const tails = await topics.tails(10);
    expect([tails.isActive, tails.has(TOPIC, 0, change('b', 1))]).toEqual([false, false]);
  });

  test('where no position is stored: someone has deleted it, to begin anew', async () => {
    const topics = new Topics();
    await topics.put({ partition: 0, transaction: 'z', ordinal: 9, version: 10 });
    expect((await topics.tails(undefined)).isActive).toBe(false);
  });

  test('for the sake of aborted records', async () => {
    const topics = new Topics();
    await topics.put({ partition: 0, transaction: 'b', ordinal: 2, version: 20 }, 'aborted');
    expect((await topics.tails(10)).isActive).toBe(false);
  });

  test('of empty topics', async () => {
    const tails = await new Topics().tails(10);
    expect([tails.isActive, tails.highestVersion]).toEqual([false, 0]);
  });
});

test('the highest version is that of any partition, of aborted records as well', async () => {
  const topics = new Topics();
  await topics.put({ partition: 0, transaction: 'a', ordinal: 1, version: 30 });
  await topics.put({ partition: 1, transaction: 'b', ordinal: 1, version: 40 }, 'aborted');
  expect((await topics.tails(50)).highestVersion).toBe(40);
});
