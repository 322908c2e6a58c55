import { describe, expect, test } from 'vitest';
import { comparePositions, type SourcePosition } from '../../shared/record/position.ts';
import { arrived, insert, NOTHING, places, remove, STREAM_ONLY, update, type OpenBench } from './source-contract-bench.ts';

/** How a source stops, and goes on. */
export function describeRestarts(open: OpenBench): void {
  describe('a restart', () => {
    test('from any position gives the same records again, from the beginning of the first transaction that is not wholly there', async () => {
      await using bench = await open('t');
      let run = await bench.start(['t'], STREAM_ONLY);
      run.acknowledges = false;
      await bench.harness.commit(insert('t', 1), insert('t', 2));
      await bench.harness.commit(update('t', 1, 'y'));
      await bench.harness.commit(remove('t', 1), remove('t', 2), insert('t', 3));
      await arrived(run, 6);
      const all = places(run.records);
      for (const { position } of all) {
        run = await bench.restart(run, ['t'], STREAM_ONLY, { position, snapshot: null });
        run.acknowledges = false;
        const isWhole = (transaction: string) =>
          all.some(({ kind, position: end }) => kind === 'commit' && end.transaction === transaction && comparePositions(end, position) <= 0);
        const expected = all.filter((record) => !isWhole(record.position.transaction));
        await run.until(() => places(run.emitted).filter((record) => !isWhole(record.position.transaction)).length >= expected.length, 'the same records');
        expect(places(run.emitted).filter((record) => !isWhole(record.position.transaction))).toEqual(expected);
      }
    });

    test('after everything was acknowledged brings only what is new, and an older acknowledgement changes nothing', async () => {
      await using bench = await open('t');
      const first = await bench.start(['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 1));
      await arrived(first, 1);
      const early = first.records[0]?.position as SourcePosition;
      await bench.harness.commit(insert('t', 2));
      await arrived(first, 2);
      first.acknowledge(early);
      const second = await bench.restart(first, ['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 3));
      await arrived(second, 1);
      expect(second.changes('public.t').map(({ after }) => after?.keyValues()[0])).toEqual([3]);
    });

    test('after a part was acknowledged brings all the rest', async () => {
      await using bench = await open('t');
      const first = await bench.start(['t'], STREAM_ONLY);
      first.acknowledges = false;
      for (const id of [1, 2, 3]) await bench.harness.commit(insert('t', id));
      await arrived(first, 3);
      const position = first.records.find(({ kind }) => kind === 'commit')?.position as SourcePosition;
      first.acknowledge(position);
      const second = await bench.restart(first, ['t'], STREAM_ONLY, { position, snapshot: null });
      await arrived(second, 2);
      expect(second.changes('public.t').map(({ after }) => after?.keyValues()[0])).toEqual([2, 3]);
    });

    test('where the history is lost is refused by a code of its own', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 1));
      await arrived(run, 1);
      const checkpoint = await run.stop();
      await bench.harness.released();
      await bench.harness.loseHistory();
      const next = async () => (await bench.start(['t'], STREAM_ONLY, checkpoint)).ended;
      await expect(next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
    });
  });
  describe('a stop', () => {
    test('ends the stream without an error, may come twice, and nothing follows it', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      await bench.harness.commit(insert('t', 1));
      await arrived(run, 1);
      await Promise.all([run.source.stop(), run.source.stop()]);
      await run.ended;
      const count = run.emitted.length;
      await bench.harness.commit(insert('t', 2));
      await bench.harness.released();
      expect(run.emitted.length).toBe(count);
    });

    test('while a batch waits to be taken does not wait for it', async () => {
      await using bench = await open('t');
      const run = await bench.start(['t'], STREAM_ONLY);
      run.hold();
      await bench.harness.commit(insert('t', 1));
      await run.until(() => run.emitted.length > 0, 'a first batch');
      await run.source.stop();
      await run.ended;
    });

    test('before the start makes the start end at once', async () => {
      await using bench = await open('t');
      const source = bench.harness.createSource(['t'], STREAM_ONLY);
      await source.setup(NOTHING);
      await source.stop();
      await source.start(NOTHING, () => undefined);
    });
  });
}
