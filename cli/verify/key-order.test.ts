import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareIntegers, compareUtf8, rowComparer } from './key-order.ts';

test('texts are ordered as their UTF-8 bytes', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'z', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}') });
  fc.assert(fc.property(text, text, (a, b) => Math.sign(compareUtf8(a, b)) === Buffer.compare(Buffer.from(a), Buffer.from(b))));
});

test('integers of any size are ordered by value', () => {
  const integer = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }), fc.bigInt({ min: -20n, max: 20n }));
  fc.assert(fc.property(integer, integer, (a, b) => compareIntegers(String(a), String(b)) === (a < b ? -1 : Number(a > b))));
});

test('infinities lie beyond all integers', () => {
  const sorted = ['-infinity', '-9223372036854775807', '0', '9223372036854775807', 'infinity'];
  expect(sorted.toReversed().toSorted(compareIntegers)).toEqual(sorted);
});

test('rows are ordered column by column, null last', () => {
  const compare = rowComparer([
    { place: 1, kind: 'integer' },
    { place: 0, kind: 'text' },
  ]);
  const sorted = [
    ['b', '2'],
    ['a', '10'],
    ['b', '10'],
    ['a', null],
  ];
  expect(sorted.toReversed().toSorted(compare)).toEqual(sorted);
});
