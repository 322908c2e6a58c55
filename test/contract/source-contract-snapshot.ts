import { describe, expect, test } from 'vitest';
import { Replay } from './replay.ts';
import { arrived, insert, remove, snapshotDone, update, type OpenBench } from './source-contract-bench.ts';
import type { SourceRun } from './source-run.ts';

/** How rows that were there before come in. */
export function describeSnapshot(open: OpenBench): void {
  describe('the snapshot', () => {
    const rowsOf = (...runs: readonly SourceRun[]) => new Replay(runs.flatMap(({ records }) => records)).rows('public.t');
    const numbers = (count: number) => Array.from({ length: count }, (_, id) => id);

    test('reads what is there, with its progress in the same batch, and never again', async () => {
      await using bench = await open('t', 'empty');
      await bench.harness.commit(...numbers(7).map((id) => insert('t', id)));
      const first = await bench.start(['t', 'empty'], { SNAPSHOT_CHUNK_SIZE: '3' });
      await snapshotDone(first);
      expect(first.reads('public.t').map(({ after }) => after?.keyValues()[0])).toEqual(numbers(7));
      expect(first.snapshot?.tables['public.t']).toMatchObject({ state: 'done', rows: 7 });
      const second = await bench.restart(first, ['t', 'empty'], {});
      await bench.harness.commit(insert('t', 100));
      await arrived(second, 1);
      expect(second.records.filter(({ kind }) => kind === 'read')).toEqual([]);
    });

    test('that was interrupted goes on after the rows that were stored', async () => {
      await using bench = await open('t');
      await bench.harness.commit(...numbers(30).map((id) => insert('t', id)));
      const first = await bench.start(['t'], { SNAPSHOT_CHUNK_SIZE: '4' });
      await first.until(() => first.reads('public.t').length >= 8, 'two chunks');
      const second = await bench.restart(first, ['t'], { SNAPSHOT_CHUNK_SIZE: '4' });
      await snapshotDone(second);
      expect([...first.reads('public.t'), ...second.reads('public.t')].map(({ after }) => after?.keyValues()[0])).toEqual(numbers(30));
    });

    test('and the changes that come meanwhile give the rows of the table together', async () => {
      await using bench = await open('t');
      await bench.harness.commit(...numbers(40).map((id) => insert('t', id, 'old')));
      const run = await bench.start(['t'], { SNAPSHOT_CHUNK_SIZE: '3' });
      for (const id of numbers(40)) {
        if (id % 4 === 0) await bench.harness.commit(remove('t', id));
        else if (id % 4 === 1) await bench.harness.commit(update('t', 40 - id, 'new'), insert('t', 100 + id, 'new'));
      }
      await snapshotDone(run);
      await bench.harness.commit(insert('t', 1000));
      await run.until(() => run.changes('public.t').some(({ after }) => after?.keyValues()[0] === 1000), 'the last change');
      const removed = new Set(numbers(40).filter((id) => id % 4 === 0));
      const renewed = new Set(
        numbers(40)
          .filter((id) => id % 4 === 1)
          .map((id) => 40 - id),
      );
      const kept = numbers(40)
        .filter((id) => !removed.has(id))
        .map((id) => ({ id, v: renewed.has(id) ? 'new' : 'old' }));
      const added = numbers(40)
        .filter((id) => id % 4 === 1)
        .map((id) => ({ id: 100 + id, v: 'new' }));
      expect(rowsOf(run)).toEqual([...kept, ...added, { id: 1000, v: 'x' }]);
    });
  });
}
