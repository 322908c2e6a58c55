import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sink } from '../../shared/connector/sink.ts';
import { isCdcError } from '../../shared/errors/cdc-error.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import { openHarness, type PostgresHarness } from '../../test/contract/postgres-harness.ts';
import { Changes, tableOf, type Values } from '../../test/contract/records.ts';

/** A step of a history: what happens to which row, and by which kind of record. */
type Step = { readonly kind: 'write' | 'toast' | 'delete' | 'truncate'; readonly id: number; readonly name: string };

const stepArb: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('write') },
    { weight: 3, arbitrary: fc.constant('toast') },
    { weight: 4, arbitrary: fc.constant('delete') },
    { weight: 1, arbitrary: fc.constant('truncate') },
  ) as fc.Arbitrary<Step['kind']>,
  id: fc.integer({ min: 1, max: 4 }),
  name: fc.constantFrom('a', 'b', 'c'),
});

/** Where batches are cut, how far back each delivery reaches, and which of two processes gets it. */
const deliveryArb = fc.array(
  fc.record({ size: fc.integer({ min: 1, max: 6 }), back: fc.integer({ min: 0, max: 8 }), process: fc.integer({ min: 0, max: 1 }) }),
  { minLength: 60, maxLength: 60 },
);
const historyArb = fc.array(stepArb, { minLength: 1, maxLength: 24 });

describe('any history, delivered with any repeats, by two processes at once, leaves the rows of the source', () => {
  let harness: PostgresHarness;
  let count = 0;

  beforeAll(async () => {
    harness = await openHarness();
  });
  afterAll(async () => harness.close());

  test.each(['hard', 'soft'] as const)('with a key, deletes %s', async (mode) => {
    await withSinks(mode, async (sinks) => {
      const property = fc.asyncProperty(historyArb, deliveryArb, async (steps, deliveries) => {
        const changes = new Changes(tableOf({ name: `keyed_${++count}`, columns: { id: 'int64', name: 'text', body: 'text' }, key: ['id'] }));
        const { records, rows } = keyedHistory(changes, steps);
        await deliver(sinks, records, deliveries);
        expect(await live(changes, mode)).toEqual(rows);
      });
      await fc.assert(property, { numRuns: 25, endOnFailure: true });
    });
  });

  test.each(['hard', 'soft'] as const)('without a key, deletes %s', async (mode) => {
    await withSinks(mode, async (sinks) => {
      const property = fc.asyncProperty(historyArb, deliveryArb, async (steps, deliveries) => {
        const changes = new Changes(tableOf({ name: `keyless_${++count}`, columns: { id: 'int64', name: 'text', body: 'text' } }));
        const { records, rows } = keylessHistory(changes, steps);
        await deliver(sinks, records, deliveries);
        expect(await live(changes, mode)).toEqual(rows);
      });
      await fc.assert(property, { numRuns: 25, endOnFailure: true });
    });
  });

  async function withSinks(mode: 'hard' | 'soft', run: (sinks: readonly Sink[]) => Promise<void>): Promise<void> {
    const sinks = [harness.createSink({ DELETE_MODE: mode }), harness.createSink({ DELETE_MODE: mode })];
    await run(sinks);
    for (const sink of sinks) await sink.close();
  }

  async function live(changes: Changes, mode: 'hard' | 'soft'): Promise<readonly string[]> {
    const rows = await harness.liveRows(changes.table, changes.table.name);
    return rows
      .filter(({ isDeleted }) => mode === 'hard' || !isDeleted)
      .map(({ values }) => JSON.stringify(Object.values(values)))
      .sort();
  }
});

/** Deliveries go forward by their size, each after reaching back: as after a death before the offsets were committed. */
async function deliver(
  sinks: readonly Sink[],
  records: readonly CdcRecord[],
  deliveries: readonly { size: number; back: number; process: number }[],
): Promise<void> {
  let done = 0;
  for (const { size, back, process } of deliveries) {
    if (done === records.length) break;
    const end = Math.min(done + size, records.length);
    // Records of long ago, alone and at the same time: a process that does not know yet that it has lost its partition.
    await Promise.all([
      write(sinks[process], records.slice(Math.max(0, done - back), end)),
      write(sinks[1 - process], records.slice(Math.max(0, done - 2 * back), Math.max(1, done - back))),
    ]);
    done = end;
  }
}

/** As the runner does it: what may be tried again is tried again. */
async function write(sink: Sink | undefined, batch: readonly CdcRecord[]): Promise<void> {
  for (;;) {
    try {
      await sink?.writeBatch(batch);
      return;
    } catch (error) {
      if (!isCdcError(error) || error.action !== 'retry') throw error;
    }
  }
}

interface History {
  readonly records: readonly CdcRecord[];
  /** The rows that the source has at the end. */
  readonly rows: readonly string[];
}

function keyedHistory(changes: Changes, steps: readonly Step[]): History {
  const rows = new Map<number, Values>();
  const records = steps.map(({ kind, id, name }) => {
    const old = rows.get(id);
    if (kind === 'truncate') {
      rows.clear();
      return changes.truncate();
    }
    if (kind === 'delete') {
      rows.delete(id);
      return changes.delete({ id });
    }
    const isToast = kind === 'toast' && old !== undefined;
    rows.set(id, { id, name, body: isToast ? (old['body'] ?? null) : `${name}${id}` });
    if (isToast) return changes.update({ id, name, body: UNCHANGED });
    return old === undefined ? changes.insert(rows.get(id) ?? {}) : changes.update(rows.get(id) ?? {});
  });
  return { records, rows: [...rows.values()].map(toText).sort() };
}

/** Deletes and updates only rows that are there, as a source does; equal rows are common. */
function keylessHistory(changes: Changes, steps: readonly Step[]): History {
  let rows: Values[] = [];
  const records = steps.map(({ kind, id, name }) => {
    const next: Values = { id: id % 2, name, body: name === 'a' ? null : 'x' };
    const old = rows[id];
    if (kind === 'truncate') {
      rows = [];
      return changes.truncate();
    }
    if (old === undefined || kind === 'write') {
      rows.push(next);
      return changes.insert(next);
    }
    rows = rows.filter((row) => row !== old);
    if (kind === 'delete') return changes.delete(old);
    rows.push({ ...next, body: old['body'] ?? null });
    return changes.update({ ...next, body: UNCHANGED }, old);
  });
  return { records, rows: rows.map(toText).sort() };
}

function toText({ id, name, body }: Values): string {
  return JSON.stringify([String(id), name, body]);
}
