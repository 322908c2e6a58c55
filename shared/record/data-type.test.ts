import { expect, test } from 'vitest';
import { encodingOf, isDataType, isMillis, scaleOf } from './data-type.ts';

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

test('a type of a later version is told apart from those of this one', () => {
  for (const type of [{ kind: 'int32' }, { kind: 'array', element: { kind: 'text' } }]) expect(isDataType(type)).toBe(true);
  for (const type of [undefined, null, 'int32', {}, { kind: 'point' }, { kind: 'toString' }, { kind: 'array' }, { kind: 'array', element: { kind: 'point' } }])
    expect(isDataType(type)).toBe(false);
});
