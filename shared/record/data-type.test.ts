import { expect, test } from 'vitest';
import { encodingOf, isMillis, scaleOf } from './data-type.ts';

test('times in milliseconds travel in 32 bits, timestamps in 64 whatever their unit', () => {
  expect(encodingOf({ kind: 'time', unit: 'millis' })).toBe('int');
  expect(encodingOf({ kind: 'time', unit: 'micros' })).toBe('long');
  expect(encodingOf({ kind: 'timestamp', unit: 'millis' })).toBe('long');
});

test('a 64-bit number without sign travels as a decimal without digits after the point', () => {
  expect(encodingOf({ kind: 'uint64' })).toBe('decimal');
  expect(scaleOf({ kind: 'uint64' })).toBe(0);
  expect(scaleOf({ kind: 'decimal', precision: 9, scale: 4 })).toBe(4);
});

test('only types with a unit can be in milliseconds', () => {
  expect(isMillis({ kind: 'timestamp', unit: 'millis' })).toBe(true);
  expect(isMillis({ kind: 'timestamp', unit: 'micros' })).toBe(false);
  expect(isMillis({ kind: 'date' })).toBe(false);
});
