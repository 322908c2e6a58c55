import { describe, expect, test } from 'vitest';
import { comparePositions, type SourcePosition } from '../../shared/record/position.ts';
import { valuesOf } from './replay.ts';
import { arrived, insert, isOfStream, places, remove, STREAM_ONLY, update, type OpenBench } from './source-contract-bench.ts';

/** What comes out of the stream, and in which order. */
export function describeStream(open: OpenBench): void {
  describe('the stream', () => {
    test('brings each transaction whole, in the order of the commits, and nothing of other tables', async () => {
      await using bench = await open('t', 'other');
      const run = await bench.start(['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 1), insert('other', 1), insert('t', 2));
      await bench.harness.commit(insert('other', 2));
      await bench.harness.commit(update('t', 1, 'y'), remove('t', 2));
      await arrived(run, 4);
      const wanted = run.records.filter(isOfStream).filter((record) => 'table' in record);
      expect(wanted.map((record) => `${record.kind} ${record.table.name}`)).toEqual(['insert t', 'insert t', 'update t', 'delete t']);
      const transactions = Map.groupBy(run.records.filter(isOfStream), ({ position }) => position.transaction);
      for (const records of transactions.values()) {
        expect([records[0]?.kind, records.at(-1)?.kind]).toEqual(['begin', 'commit']);
        expect(records.filter(({ kind }) => kind === 'begin' || kind === 'commit').length).toBe(2);
      }
    });

    test('gives positions that only grow', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      for (let id = 0; id < 5; id++) await bench.harness.commit(insert('t', id), update('t', id, 'y'));
      await arrived(run, 10);
      const positions = places(run.records).map(({ position }) => position);
      for (const [index, position] of positions.slice(1).entries()) expect(comparePositions(positions[index] as SourcePosition, position)).toBeLessThan(0);
      expect(run.source.currentPosition()).toEqual(run.records.at(-1)?.position);
    });

    test('has the new row of an insert and an update, and at least the key of a deleted one', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 1, 'a'), insert('t', 2, null), update('t', 1, 'b'), remove('t', 2));
      await arrived(run, 4);
      const rows = run.changes('public.t').map(({ kind, before, after }) => [kind, after && valuesOf(after), kind === 'delete' ? before?.keyValues() : null]);
      expect(rows).toEqual([
        ['insert', { id: 1, v: 'a' }, null],
        ['insert', { id: 2, v: null }, null],
        ['update', { id: 1, v: 'b' }, null],
        ['delete', null, [2]],
      ]);
    });

    test('announces a new schema before the first row that has it', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 1, 'a'));
      await bench.harness.addColumn('t', 'w');
      await bench.harness.commit(insert('t', 2, 'b'));
      await arrived(run, 2);
      const told = run.records.flatMap((record) => {
        if (record.kind === 'schemaChange') return [`schema ${record.table.columns.map((column) => column.name).join(' ')}`];
        return 'after' in record && record.after !== null ? [JSON.stringify(valuesOf(record.after))] : [];
      });
      expect(told.slice(told.indexOf('{"id":1,"v":"a"}'))).toEqual(['{"id":1,"v":"a"}', 'schema id v w', '{"id":2,"v":"b","w":null}']);
    });

    test('waits for each batch to be taken, and then goes on', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      run.hold();
      for (let id = 0; id < 20; id++) await bench.harness.commit(insert('t', id));
      await run.until(() => run.emitted.length > 0, 'a first batch');
      run.release();
      await arrived(run, 20);
      expect(run.overlaps).toBe(0);
      expect(run.changes('public.t').map(({ after }) => after?.keyValues()[0])).toEqual(Array.from({ length: 20 }, (_, id) => id));
    });

    test('says what the database still keeps, or that it cannot know', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 1));
      await arrived(run, 1);
      const { bytes } = await run.source.lag();
      expect(bytes === null || bytes >= 0).toBe(true);
    });
  });
}
