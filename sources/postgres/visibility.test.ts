import { expect, test } from 'vitest';
import { isVisible, parseVisibility } from './visibility.ts';

test.each([
  ['10:20:12,15', 9, true],
  ['10:20:12,15', 10, true],
  ['10:20:12,15', 12, false],
  ['10:20:12,15', 15, false],
  ['10:20:12,15', 19, true],
  ['10:20:12,15', 20, false],
  ['10:20:12,15', 4_000_000_000, true],
  ['10:10:', 9, true],
  ['10:10:', 10, false],
])('to a read that sees %s, transaction %i is visible: %s', (snapshot, xid, visible) => {
  expect(isVisible(parseVisibility(snapshot), xid)).toBe(visible);
});

test.each([
  // The stream tells the low 32 bits; 4294967296 is the first number of the second round.
  ['4294967290:4294967300:4294967295', 4_294_967_289, true],
  ['4294967290:4294967300:4294967295', 4_294_967_295, false],
  ['4294967290:4294967300:4294967295', 0, true],
  ['4294967290:4294967300:4294967295', 3, true],
  ['4294967290:4294967300:4294967295', 4, false],
  ['4294967290:4294967300:4294967297', 1, false],
  ['4294967290:4294967294:', 2, false],
  ['8589934600:8589934610:', 4_294_967_290, true],
  ['8589934600:8589934610:', 20, false],
])('across the wrap-around: %s, %i: %s', (snapshot, xid, visible) => {
  expect(isVisible(parseVisibility(snapshot), xid)).toBe(visible);
});
