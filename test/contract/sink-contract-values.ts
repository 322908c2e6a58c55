import { describe, expect, test } from 'vitest';
import { UNCHANGED } from '../../shared/record/value.ts';
import { canonical } from './canonical.ts';
import type { ContractGround, LiveValues } from './sink-bench.ts';
import { KEY_CASES, VALUE_CASES } from './value-cases.ts';

export function describeValues(ground: ContractGround): void {
  describe('values', () => {
    test.each(VALUE_CASES)('$label come back as they were sent', async ({ type, values }) => {
      await using bench = await ground.open({ columns: { id: 'int64', value: { type } } });
      const all = [...values, null];
      await bench.write(...all.map((value, id) => bench.changes.insert({ id, value })));
      const expected = all.map((value, id) => ({
        id: String(id),
        value: value === null && type.kind === 'array' ? ground.nullArray : canonical(type, value),
      }));
      expect(await bench.rows()).toEqual(expected);
    });

    test.each(KEY_CASES)('$label serve as keys', async ({ type, values }) => {
      await using bench = await ground.open({ columns: { value: { type }, note: 'text' }, key: ['value'] });
      const { changes } = bench;
      await bench.write(...values.map((value) => changes.insert({ value, note: 'a' })));
      await bench.write(...values.map((value) => changes.update({ value, note: UNCHANGED })));
      const [first = null] = values;
      await bench.write(changes.delete({ value: first }));
      const expected = values.slice(1).map((value) => ({ value: canonical(type, value), note: 'a' }));
      expect((await bench.rows()).toSorted(byValue)).toEqual(expected.toSorted(byValue));
    });

    test('columns without null hold their values', async () => {
      const columns = Object.fromEntries(VALUE_CASES.map(({ type }, index) => [`c${index}`, { type, nullable: false }]));
      await using bench = await ground.open({ columns: { id: 'int64', ...columns } });
      const row = Object.fromEntries(VALUE_CASES.map(({ values }, index) => [`c${index}`, values[0] ?? null]));
      await bench.write(bench.changes.insert({ id: 1, ...row }));
      const expected = Object.fromEntries(VALUE_CASES.map(({ type, values }, index) => [`c${index}`, canonical(type, values[0] ?? null)]));
      expect(await bench.rows()).toEqual([{ id: '1', ...expected }]);
      await bench.write(bench.changes.delete({ id: 1 }));
      expect(await bench.rows()).toEqual([]);
    });
  });
}

function byValue(a: LiveValues, b: LiveValues): number {
  return String(a['value']) < String(b['value']) ? -1 : 1;
}
