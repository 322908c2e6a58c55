import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  buildBatch,
  CONSUMER_BATCH,
  decodeAnswer,
  decodeByKafkajs,
  decodeByOurs,
  type DecodedRecord,
  loadOriginal,
  type WantedRecord,
} from '../../test/record-batches.ts';
import './fast-fetch.ts';
import { type FetchedRecord, PackedRecords, RecordPicker } from './fetched-record.ts';
import { KafkaBatch } from './kafkajs-internals.ts';

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)));
const header = fc.record({ key: fc.constantFrom('a', 'b', 'größe'), value: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)) });
const record = fc.record({
  timestampMs: fc.integer({ min: 0, max: 2 ** 41 }),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(header, { maxLength: 4 }),
});
const batches = fc.record({
  records: fc.array(
    record.map((wanted) => ({ ...wanted, timestampMs: 1_700_000_000_000 + (wanted.timestampMs % 2 ** 30) })),
    { minLength: 1, maxLength: 20 },
  ),
  compression: fc.constantFrom('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  producerId: fc.constantFrom(-1n, 0n, 2n ** 62n),
  firstOffset: fc.constantFrom(0, 5, 2 ** 40),
  isControl: fc.boolean(),
  isLogAppendTime: fc.boolean(),
});

function seen({ key, value, offset, timestamp, headers, isControlRecord, batchContext: { producerId, inTransaction } }: DecodedRecord | FetchedRecord) {
  return { key, value, offset, timestamp, headers: { ...headers }, isControlRecord, producerId, inTransaction };
}

test('a batch is read as kafkajs reads it', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async ({ records, ...options }) => {
      const bytes = buildBatch(records, options as Parameters<typeof buildBatch>[1]);
      const [ours, original] = [await decodeByOurs(bytes), await decodeByKafkajs(bytes)];
      expect(ours.records.map(seen)).toEqual(original.records.map(seen));
    }),
    { numRuns: 60 },
  );
});

test('records are found by their place, from an offset on, and when they were picked out of others', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean()), { maxLength: 5 }), fc.nat(30), fc.nat(7), async (sizes, from, every) => {
      let firstOffset = 0;
      const parts = sizes.map(([size, isPacked]) => {
        firstOffset += size + 2;
        return buildBatch(
          Array.from({ length: size }, () => PLAIN),
          { firstOffset, compression: isPacked ? 'lz4' : 'none' },
        );
      });
      const records = await decodeAnswer(Buffer.concat(parts));
      const all = [...records];
      expect(all.length).toBe(records.length);
      for (let place = -all.length - 1; place <= all.length; place++) expect(records.at(place)?.offset).toBe(all.at(place)?.offset);
      expect(offsetsOf(records.fromOffset(from))).toEqual(offsetsOf(all).filter((offset) => offset >= from));
      const picker = new RecordPicker(all.length);
      for (const run of records.runs) for (let place = run.from; place < run.end; place++) if (place % (every + 1) === 0) picker.add(run, place);
      const places = sizes.flatMap(([size]) => Array.from({ length: size }, (_, place) => place));
      expect(offsetsOf(picker.finish())).toEqual(offsetsOf(all.filter((_, index) => (places[index] as number) % (every + 1) === 0)));
    }),
    { numRuns: 100 },
  );
});

function offsetsOf(records: Iterable<{ readonly offset: string }>): readonly number[] {
  return Array.from(records, ({ offset }) => Number(offset));
}

const PLAIN: WantedRecord = { timestampMs: 1_700_000_000_000, key: null, value: Buffer.from('v'), headers: [] };

describe('bytes that are not a whole batch', () => {
  const bytes = buildBatch([PLAIN, PLAIN]);

  test('cut off at the end of a fetch are left for the next one', async () => {
    for (const end of [bytes.length - 1, 70, 61]) {
      expect((await decodeByOurs(bytes.subarray(0, end))).records).toEqual([]);
      await expect(decodeByKafkajs(bytes.subarray(0, end))).rejects.toMatchObject({ name: 'KafkaJSPartialMessageError' });
    }
  });

  test('damaged on the way are refused', async () => {
    for (const at of [21, 40, bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ 1;
      await expect(decodeByOurs(damaged)).rejects.toThrow('checksum');
    }
  });

  test('in the format of before 0.11 are refused', async () => {
    const old = buildBatch([PLAIN]);
    old[16] = 1;
    await expect(decodeByOurs(old)).rejects.toMatchObject({ code: 'PARSE_FAILED' });
  });

  test('compressed with a codec that we do not have are refused by its number', async () => {
    const unknown = buildBatch([PLAIN]);
    unknown[22] = (unknown[22] as number) | 5;
    await expect(decodeByOurs(withChecksum(unknown))).rejects.toMatchObject({ code: 'PARSE_FAILED', message: expect.stringContaining('number 5') });
  });
});

describe('the part of an answer that is of one partition', () => {
  const stored = [0, 2, 4].map((firstOffset) => buildBatch([PLAIN, PLAIN], { firstOffset, compression: firstOffset === 2 ? 'lz4' : 'none' }));
  const whole = Buffer.concat(stored);
  const offsetsIn = async (...answer: Parameters<typeof decodeAnswer>) => offsetsOf(await decodeAnswer(...answer));

  test('has the records of all batches, up to the one that is cut off', async () => {
    expect(await offsetsIn(whole)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await offsetsIn(whole.subarray(0, whole.length - 1))).toEqual([0, 1, 2, 3]);
    expect(await offsetsIn(whole.subarray(0, 30))).toEqual([]);
    expect(await offsetsIn(Buffer.alloc(0))).toEqual([]);
  });

  test('keeps no more memory than five times itself', async () => {
    const memoryOf = async (beside: number) => ((await decodeAnswer(whole, beside)).at(0) as FetchedRecord).bytes.buffer.byteLength;
    expect(await memoryOf(whole.length * 3)).toBeGreaterThan(whole.length * 4);
    expect(await memoryOf(whole.length * 20)).toBeLessThan(Math.max(whole.length * 5, Buffer.poolSize + 1));
  });
});

function withChecksum(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

/** One step of a partition's log. */
interface Step {
  readonly producer: number;
  readonly kind: 'data' | 'plain' | 'commit' | 'abort';
}

/** A partition's records, the aborted transactions as the broker lists them, and what a reader of committed records sees. */
async function logOf(steps: readonly Step[]) {
  const messages: PackedRecords[] = [];
  const open = new Map<number, { first: number; offsets: number[] }>();
  const aborted: { producerId: string; firstOffset: string; last: number }[] = [];
  const visible = new Set<number>();
  for (const [offset, { producer, kind }] of steps.entries()) {
    const isMark = kind === 'commit' || kind === 'abort';
    const key = isMark ? Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1]) : Buffer.from('key00');
    const batch = buildBatch([{ ...PLAIN, key }], { producerId: BigInt(producer), firstOffset: offset, isControl: isMark });
    messages.push(await decodeAnswer(kind === 'plain' ? withoutTransaction(batch) : batch));
    const transaction = open.get(producer);
    if (kind === 'plain') visible.add(offset);
    else if (kind === 'data') {
      if (transaction === undefined) open.set(producer, { first: offset, offsets: [offset] });
      else transaction.offsets.push(offset);
    } else if (transaction !== undefined) {
      open.delete(producer);
      if (kind === 'abort') aborted.push({ producerId: String(producer), firstOffset: String(transaction.first), last: offset });
      else for (const at of transaction.offsets) visible.add(at);
    }
  }
  const stable = Math.min(steps.length, ...[...open.values()].map(({ first }) => first));
  return { messages, aborted, visible, stable };
}

function withoutTransaction(bytes: Buffer): Buffer {
  bytes[22] = (bytes[22] as number) & ~0x10;
  return withChecksum(bytes);
}

const steps = (producers: number) =>
  fc.array(
    fc.record({
      producer: fc.integer({ min: 1, max: producers }),
      kind: fc.constantFrom('data' as const, 'data' as const, 'data' as const, 'commit' as const, 'abort' as const, 'plain' as const),
    }),
    { minLength: 1, maxLength: 40 },
  );

/** What a fetch from `from` up to the last stable offset is answered with. */
function fetched({ messages, aborted, stable }: Awaited<ReturnType<typeof logOf>>, from: number) {
  const within = aborted.filter(({ last, firstOffset }) => last >= from && Number(firstOffset) < stable);
  const packed = new PackedRecords(messages.slice(0, stable).flatMap(({ runs }) => runs));
  return { partition: 0, highWatermark: String(messages.length), abortedTransactions: within, messages: packed };
}

describe('a reader of committed records', () => {
  for (const producers of [1, 3]) {
    test(`sees them all and no other, of ${producers} producer${producers === 1 ? '' : 's'}, wherever the fetch begins`, async () => {
      await fc.assert(
        fc.asyncProperty(steps(producers), fc.nat(40), async (log, start) => {
          const made = await logOf(log);
          const from = start % (made.stable + 1);
          const batch = new KafkaBatch('t', String(from), fetched(made, from));
          const expected = [...made.visible].filter((offset) => offset >= from && offset < made.stable).toSorted((a, b) => a - b);
          expect(offsetsOf(batch.messages)).toEqual(expected);
        }),
        { numRuns: 120 },
      );
    });
  }

  test('a batch answers all else as kafkajs’ own does, which reads our records too: one that was loaded before may fetch with our decoder', async () => {
    const Original = loadOriginal<typeof KafkaBatch>(CONSUMER_BATCH);
    await fc.assert(
      fc.asyncProperty(steps(1), fc.nat(40), async (log, start) => {
        const made = await logOf(log);
        const from = start % (made.stable + 2);
        const packed = fetched(made, from);
        const [ours, original] = [new KafkaBatch('t', String(from), packed), new Original('t', String(from), packed)];
        expect(answers(ours)).toEqual(answers(original));
        expect(offsetsOf(ours.messages)).toEqual(offsetsOf(original.messages));
      }),
      { numRuns: 100 },
    );
  });
});

/** Everything that kafkajs' consumer asks of a batch. */
function answers(batch: object): unknown {
  const asked = batch as Record<
    | 'isEmpty'
    | 'isEmptyIncludingFiltered'
    | 'isEmptyDueToFiltering'
    | 'isEmptyControlRecord'
    | 'isEmptyDueToLogCompactedMessages'
    | 'firstOffset'
    | 'lastOffset'
    | 'offsetLag'
    | 'offsetLagLow',
    () => unknown
  >;
  const { topic, partition, highWatermark, messages } = batch as {
    topic: string;
    partition: number;
    highWatermark: string;
    messages: Iterable<FetchedRecord>;
  };
  return {
    topic,
    partition,
    highWatermark,
    offsets: offsetsOf(messages),
    isEmpty: asked.isEmpty(),
    isEmptyIncludingFiltered: asked.isEmptyIncludingFiltered(),
    isEmptyDueToFiltering: asked.isEmptyDueToFiltering(),
    isEmptyControlRecord: asked.isEmptyControlRecord(),
    isEmptyDueToLogCompactedMessages: asked.isEmptyDueToLogCompactedMessages(),
    firstOffset: asked.firstOffset(),
    lastOffset: asked.lastOffset(),
    offsetLag: asked.offsetLag(),
    offsetLagLow: asked.offsetLagLow(),
  };
}
