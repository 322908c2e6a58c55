import { describe, expect, test } from 'vitest';
import { SINK_OPTIONS } from '../../shared/config/sink-options.ts';
import { readOptions } from '../../shared/config/options.ts';
import type { Checkpoint, Sink } from '../../shared/connector/sink.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { packRecords } from '../../shared/record/pack-records.ts';
import type { Records, RowRecord } from '../../shared/record/record.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { TABLES } from '../../test/scripted-log.ts';
import type { DeadLetter } from '../../topics/dead-letters.ts';
import { PackedRecords, type RecordRun } from '../../topics/kafka/fetched-record.ts';
import { Lane, type LaneBatch } from './lane.ts';
import { Origins } from './origins.ts';
import { TableWriter } from './table-writer.ts';

const TOPIC = 'shop.public.orders';
const [orders] = TABLES;
if (orders === undefined) throw new Error('there is no table to test with');
const writer = new RowWriter();

/** Keeps what it is given, but takes no batch with a bad id in it. */
class PickySink implements Sink {
  readonly name = 'picky';
  readonly written: number[] = [];
  readonly kept: Checkpoint[] = [];
  readonly checkpoints = { read: async () => this.kept, forget: async () => undefined };
  attempts = 0;
  readonly #bad: ReadonlySet<number>;

  constructor(...bad: readonly number[]) {
    this.#bad = new Set(bad);
  }

  capabilities(): ReturnType<Sink['capabilities']> {
    throw new Error('nobody asks');
  }

  async validateConnection() {
    return [];
  }

  async setup(): Promise<void> {
    // Nothing to make ready.
  }

  async writeBatch(records: Records, checkpoint?: Checkpoint) {
    this.attempts++;
    const ids = Array.from(records, (record) => Number((record as RowRecord).after?.values()[0]));
    if (ids.some((id) => this.#bad.has(id))) throw new CdcError('RECORD_REJECTED', 'A record is bad.');
    this.written.push(...ids);
    if (checkpoint !== undefined) this.kept.push(checkpoint);
    return { recordsWritten: records.length, bytesWritten: 0, lastPosition: records.at(-1)?.position ?? null };
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

function recordOf(id: number): RowRecord {
  const row = writer.row(orders as NonNullable<typeof orders>, [id, 'a']);
  const position = { transaction: '1', ordinal: id };
  return { kind: 'insert', table: row.table, before: null, after: row, position, committedAtMicros: 1, version: id };
}

/** A record without key and value, at offset 1000 and its id. */
function originOf(id: number): RecordRun {
  const context = { producerId: '1', inTransaction: false, isControlBatch: false, firstTimestamp: 0, maxTimestamp: 0, isLogAppendTime: false };
  return { context: { ...context, baseOffset: 1000 + id }, bytes: Buffer.from([0, 0, 1, 1, 0]), places: Int32Array.of(0, 4, 3), from: 0, end: 1 };
}

/** Its records came in two deliveries. */
function batchOf(count: number): LaneBatch {
  const offsets = new Map([[2, BigInt(1000 + count)]]);
  const ids = Array.from({ length: count }, (_, id) => id);
  const origins = new Origins();
  for (const part of [ids.slice(0, count / 4), ids.slice(count / 4)]) {
    origins.add({ partition: 2, origins: new PackedRecords(part.map(originOf)) });
  }
  return {
    generation: 1,
    records: packRecords(ids.map(recordOf)),
    origins,
    bytes: 1,
    offsets,
    checkpoint: { topic: TOPIC, topicId: 'a', offsets },
    release: () => undefined,
  };
}

function writerOf(sink: Sink, onBadRecord: 'stop' | 'dead-letter') {
  const { settings } = readOptions(SINK_OPTIONS, { SINK_NAME: 'warehouse', SINK_TOPICS: 'shop.*', ON_BAD_RECORD: onBadRecord });
  const letters: DeadLetter[] = [];
  const deadLetters = { put: async (some: readonly DeadLetter[]) => void letters.push(...some) };
  return { letters, writer: new TableWriter({ sink, settings, deadLetters, onSetAside: () => undefined }) };
}

const allBut = (count: number, ...without: readonly number[]) => Array.from({ length: count }, (_, id) => id).filter((id) => !without.includes(id));

describe('a batch that the target refuses', () => {
  test('is halved until the bad record is found, which is set aside; the others are written in order', async () => {
    const sink = new PickySink(700);
    const { writer: tables, letters } = writerOf(sink, 'dead-letter');
    expect(await tables.write(new Lane(TOPIC), batchOf(1024))).toEqual({ records: 1023, bytes: 0 });
    expect(letters.map(({ topic, partition, offset }) => [topic, partition, offset])).toEqual([[TOPIC, 2, '1700']]);
    expect(sink.written).toEqual(allBut(1024, 700));
    expect(sink.attempts).toBe(1 + 2 * 10);
  });

  test('stops at the first bad record and names its offset, when all before it is written', async () => {
    const sink = new PickySink(40, 50);
    const { writer: tables, letters } = writerOf(sink, 'stop');
    await expect(tables.write(new Lane(TOPIC), batchOf(64))).rejects.toMatchObject({
      code: 'RECORD_REJECTED',
      context: { topic: TOPIC, partition: 2, offset: '1040' },
    });
    expect(sink.written).toEqual(allBut(40));
    expect([letters, sink.kept]).toEqual([[], []]);
  });
});

describe('the checkpoint', () => {
  test('goes with the batch', async () => {
    const sink = new PickySink();
    await writerOf(sink, 'stop').writer.write(new Lane(TOPIC), batchOf(4));
    expect(sink.kept.map(({ offsets }) => [...offsets])).toEqual([[[2, 1004n]]]);
  });

  test('goes with the last part of a batch that is halved, and with none where that is set aside', async () => {
    const [early, late] = [new PickySink(1), new PickySink(7)];
    await writerOf(early, 'dead-letter').writer.write(new Lane(TOPIC), batchOf(8));
    await writerOf(late, 'dead-letter').writer.write(new Lane(TOPIC), batchOf(8));
    expect([early.kept.length, late.kept.length]).toEqual([1, 0]);
  });
});
