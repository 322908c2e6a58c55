import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Change, TransactionAssembler, type WholeTransaction } from './transaction-assembler.ts';

const change = (id: string, order: number): Change => ({ op: 'c', before: null, after: { order }, transaction: { id, total_order: BigInt(order) } });

test('transactions come whole and in the order of their commits, however partitions interleave', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.infiniteStream(fc.nat()), (counts, choices) => {
      const seen: WholeTransaction[] = [];
      const assembler = new TransactionAssembler((transaction) => seen.push(transaction));
      const marks = counts.map((count, index) => () => assembler.addMark({ status: 'END', id: `t${index}`, ts_ms: BigInt(index), event_count: BigInt(count) }));
      const changes = counts.flatMap((count, index) => Array.from({ length: count }, (_, at) => () => assembler.addChange('x', change(`t${index}`, at + 1))));
      const lanes = [marks, changes.filter((_, at) => at % 2 === 0), changes.filter((_, at) => at % 2 === 1)];
      for (let open = lanes.filter((lane) => lane.length > 0); open.length > 0; open = open.filter((lane) => lane.length > 0)) {
        open[(choices.next().value as number) % open.length]?.shift()?.();
      }
      expect(seen.map(({ id, changes: found }) => [id, found.map(({ after }) => after)])).toEqual(
        counts.map((count, index) => [`t${index}`, Array.from({ length: count }, (_, at) => ({ order: at + 1 }))]),
      );
    }),
  );
});

test('a truncate that stands in several partitions is one change; what a snapshot has read is none', () => {
  const seen: WholeTransaction[] = [];
  const assembler = new TransactionAssembler((transaction) => seen.push(transaction));
  assembler.addChange('x', { op: 'r', before: null, after: {}, transaction: null });
  assembler.addMark({ status: 'END', id: 'a', ts_ms: 0n, event_count: 2n });
  for (const order of [1, 1, 1]) assembler.addChange('x', { ...change('a', order), op: 't', after: null });
  expect(seen).toEqual([]);
  assembler.addChange('x', change('a', 2));
  expect(seen.map(({ changes }) => changes.map(({ op }) => op))).toEqual([['t', 'c']]);
});
