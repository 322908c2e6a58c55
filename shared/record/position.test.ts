import fc from 'fast-check';
import { expect, test } from 'vitest';
import { comparePositions, formatPosition, parsePosition, type SourcePosition } from './position.ts';

const positions = fc.record({ transaction: fc.string({ minLength: 1 }), ordinal: fc.nat() });

test('a position comes back from its text', () => {
  fc.assert(
    fc.property(positions, (position) => {
      expect(parsePosition(formatPosition(position))).toEqual(position);
    }),
  );
});

test('texts that are no position are told apart', () => {
  for (const text of ['', '#', '#1', 'a', 'a#', 'a#-1', 'a#1.5', 'a#x', 'a#NaN', 'a#9007199254740993']) expect(parsePosition(text), text).toBeUndefined();
});

test('the last # divides, so a transaction may have one', () => {
  expect(parsePosition('a#b#3')).toEqual({ transaction: 'a#b', ordinal: 3 });
});

test('positions are ordered by transaction, as plain text, and then by ordinal', () => {
  const ordered: readonly SourcePosition[] = [
    { transaction: '00000000/0000000A', ordinal: 9 },
    { transaction: '00000000/0000000A', ordinal: 10 },
    { transaction: '00000000/000000FF', ordinal: 0 },
    { transaction: '00000001/00000000', ordinal: 0 },
  ];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) expect(Math.sign(comparePositions(a, b))).toBe(Math.sign(i - j));
  }
});
