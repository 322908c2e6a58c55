import { describe, expect, test } from 'vitest';
import { canonical } from './canonical.ts';
import { randomHistory, randomNumbers } from './random-history.ts';
import type { ContractGround } from './sink-bench.ts';

export function describeRepeats(ground: ContractGround): void {
  describe('repeats', () => {
    test('a repeated batch changes nothing, also by another process after a death before the acknowledgement', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      const batch = [changes.insert({ id: 1, name: 'a' }), changes.insert({ id: 2, name: 'b' }), changes.delete({ id: 2 })];
      await bench.write(...batch);
      const before = await bench.live();
      await bench.write(...batch);
      await bench.restart();
      await bench.write(...batch);
      expect(await bench.live()).toEqual(before);
      expect(await bench.keys()).toEqual(['1']);
    });

    test('a batch that is repeated as part of another one changes nothing', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      const first = [changes.insert({ id: 1, name: 'a' }), changes.insert({ id: 2, name: 'b' })];
      const second = [changes.update({ id: 1, name: 'A' }), changes.insert({ id: 3, name: 'c' })];
      await bench.write(...first);
      await bench.write(...first.slice(1), ...second);
      expect((await bench.rows()).map(({ name }) => name)).toEqual(['A', 'b', 'c']);
    });

    test('older changes that come again never overwrite newer ones', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      const history = [changes.insert({ id: 1, name: 'a' }), changes.update({ id: 1, name: 'b' }), changes.update({ id: 1, name: 'c' })];
      for (const record of history) await bench.write(record);
      for (const record of history.slice(0, 2)) {
        await bench.write(record);
        expect((await bench.rows()).map(({ name }) => name)).toEqual(['c']);
      }
    });

    test('older changes do not bring back a row that was deleted since', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      const history = [changes.insert({ id: 1, name: 'a' }), changes.update({ id: 1, name: 'b' })];
      await bench.write(...history);
      await bench.write(changes.delete({ id: 1 }));
      await bench.restart();
      for (const record of history) {
        await bench.write(record);
        expect(await bench.rows()).toEqual([]);
      }
    });

    test('a delete that comes before older changes keeps the row away', async () => {
      await using bench = await ground.open();
      const insert = bench.changes.insert({ id: 1, name: 'a' });
      await bench.write(bench.changes.delete({ id: 1 }));
      await bench.write(insert);
      expect(await bench.rows()).toEqual([]);
    });
  });
}

export function describeRandomHistory(ground: ContractGround): void {
  describe('a random history, delivered with rewinds and restarts, ends as the source', () => {
    test.each([
      { label: 'with a key', key: ['id'], seed: 1 },
      { label: 'with a key, again', key: ['id'], seed: 2 },
      { label: 'without a key', key: [], seed: 3 },
      { label: 'without a key, again', key: [], seed: 4 },
    ])('$label', async ({ key, seed }) => {
      await using bench = await ground.open({ columns: { id: 'int64', name: 'text', body: 'text' }, key });
      const random = randomNumbers(seed);
      const { records, rows } = randomHistory(bench.changes, 200, random);
      for (let at = 0; at < records.length;) {
        const end = at + 1 + random(30);
        await bench.write(...records.slice(at, end));
        at = random(3) === 0 ? Math.max(0, at - random(40)) : end;
        if (random(8) === 0) await bench.restart();
      }
      const expected = rows.map((row) => bench.changes.table.columns.map(({ name, dataType }) => canonical(dataType, row[name] ?? null)).join('|'));
      const found = (await bench.rows()).map(({ id, name, body }) => [id, name, body].join('|'));
      expect(found.toSorted()).toEqual(expected.toSorted());
    });
  });
}

export function describeTruncate(ground: ContractGround): void {
  describe('truncate', () => {
    test('removes what was there, and keeps what comes after it', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1 }), changes.insert({ id: 2 }));
      await bench.write(changes.insert({ id: 3 }), changes.truncate(), changes.insert({ id: 4 }));
      expect(await bench.keys()).toEqual(['4']);
    });

    test('alone in a batch says that no row was written', async () => {
      await using bench = await ground.open();
      const truncate = bench.changes.truncate();
      expect(await bench.write(truncate)).toMatchObject({ recordsWritten: 0, lastPosition: truncate.position });
    });

    test('older rows that come again stay away, also after a restart', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      const rows = [changes.insert({ id: 1 }), changes.insert({ id: 2 })];
      const truncate = changes.truncate();
      await bench.write(...rows, truncate, changes.insert({ id: 3 }));
      await bench.write(...rows);
      await bench.restart();
      await bench.write(...rows);
      await bench.write(...rows, truncate);
      expect(await bench.keys()).toEqual(['3']);
    });

    test('a truncate of each partition leaves the rows that came after the first', async () => {
      await using bench = await ground.open();
      const { changes } = bench;
      await bench.write(changes.insert({ id: 1 }));
      const truncates = [changes.truncate(), changes.truncate()];
      const later = changes.insert({ id: 2 });
      await bench.write(...truncates.slice(0, 1), later);
      await bench.write(...truncates.slice(1));
      expect(await bench.keys()).toEqual(['2']);
    });
  });
}
