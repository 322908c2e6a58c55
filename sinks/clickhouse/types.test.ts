import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { accepts, asNullable, canWiden, columnTypeFor, parseColumnType, widthOf } from './types.ts';

const decimal = (precision: number, scale: number): DataType => ({ kind: 'decimal', precision, scale });
const micros = (kind: 'time' | 'timestamp' | 'timestampTz'): DataType => ({ kind, unit: 'micros' });

describe('a column of the source becomes', () => {
  test.each<[DataType, string]>([
    [{ kind: 'boolean' }, 'Bool'],
    [{ kind: 'int16' }, 'Int16'],
    [{ kind: 'int32' }, 'Int32'],
    [{ kind: 'int64' }, 'Int64'],
    [{ kind: 'uint64' }, 'UInt64'],
    [{ kind: 'float32' }, 'Float32'],
    [{ kind: 'float64' }, 'Float64'],
    [decimal(12, 2), 'Decimal(12, 2)'],
    [decimal(76, 76), 'Decimal(76, 76)'],
    [decimal(77, 2), 'String'],
    [{ kind: 'numeric' }, 'String'],
    [{ kind: 'string' }, 'String'],
    [{ kind: 'text' }, 'String'],
    [{ kind: 'bytes' }, 'String'],
    [{ kind: 'json' }, 'String'],
    [{ kind: 'jsonb' }, 'String'],
    [{ kind: 'uuid' }, 'UUID'],
    [{ kind: 'date' }, 'Date32'],
    [micros('time'), 'String'],
    [micros('timestamp'), "DateTime64(6, 'UTC')"],
    [micros('timestampTz'), "DateTime64(6, 'UTC')"],
  ])('%o: %s', (type, expected) => {
    expect(columnTypeFor(type, { isKey: false, isNullable: false })).toBe(expected);
    expect(columnTypeFor(type, { isKey: false, isNullable: true })).toBe(`Nullable(${expected})`);
    expect(columnTypeFor(type, { isKey: true, isNullable: true })).toBe(expected);
  });

  test('an enum: text of few different values', () => {
    const type: DataType = { kind: 'enum', values: ['a'] };
    expect(columnTypeFor(type, { isKey: false, isNullable: true })).toBe('LowCardinality(Nullable(String))');
    expect(columnTypeFor(type, { isKey: true, isNullable: false })).toBe('LowCardinality(String)');
  });

  test('an array: elements that may be null, itself never; as a key its text', () => {
    const type: DataType = { kind: 'array', element: decimal(5, 1) };
    expect(columnTypeFor(type, { isKey: false, isNullable: true })).toBe('Array(Nullable(Decimal(5, 1)))');
    expect(columnTypeFor(type, { isKey: true, isNullable: false })).toBe('String');
  });
});

test.each([
  ['String', false, 'String', []],
  ['Nullable(Int64)', true, 'Int64', []],
  ['LowCardinality(Nullable(String))', true, 'String', []],
  ["Nullable(DateTime64(6, 'Europe/Berlin'))", true, 'DateTime64', ['6', "'Europe/Berlin'"]],
  ['Array(Nullable(Decimal(12, 2)))', false, 'Array', ['Nullable(Decimal(12, 2))']],
])('%s is taken apart', (text, isNullable, name, args) => {
  expect(parseColumnType(text)).toEqual({ text, isNullable, name, args });
});

describe('an existing column takes a value', () => {
  test.each<[string, DataType, boolean]>([
    ['Int64', { kind: 'int32' }, true],
    ['Int32', { kind: 'int64' }, false],
    ['Nullable(Int16)', { kind: 'int16' }, true],
    ['UInt64', { kind: 'int32' }, false],
    ['Float64', { kind: 'float32' }, true],
    ['Float32', { kind: 'float64' }, false],
    ['Decimal(20, 4)', decimal(12, 2), true],
    ['Decimal(12, 4)', decimal(12, 2), false],
    ['Decimal(12, 1)', decimal(5, 2), false],
    ['String', { kind: 'int64' }, true],
    ['String', { kind: 'boolean' }, false],
    ['String', micros('timestamp'), false],
    ['LowCardinality(String)', { kind: 'text' }, true],
    ['FixedString(3)', { kind: 'text' }, false],
    ["DateTime64(6, 'Europe/Berlin')", micros('timestampTz'), true],
    ['DateTime64(3)', micros('timestampTz'), false],
    ['DateTime', micros('timestamp'), false],
    ['Array(String)', { kind: 'array', element: { kind: 'text' } }, true],
    ['Array(Int16)', { kind: 'array', element: { kind: 'int32' } }, false],
    ['String', { kind: 'array', element: { kind: 'int32' } }, false],
    ['JSON', { kind: 'jsonb' }, false],
  ])('%s of %o: %s', (target, source, expected) => {
    expect(accepts(parseColumnType(target), source)).toBe(expected);
  });
});

describe('a column can be changed without loss', () => {
  test.each([
    ['Int16', 'Int32', true],
    ['Int64', 'Int32', false],
    ['Int32', 'Nullable(Int32)', true],
    ['Int64', 'String', true],
    ['Bool', 'String', false],
    ['String', 'Int64', false],
    ['Float32', 'Float64', true],
    ['Decimal(12, 2)', 'Decimal(20, 4)', true],
    ['Decimal(12, 2)', 'Decimal(12, 4)', false],
    ['Array(Nullable(Int16))', 'Array(Nullable(Int64))', true],
    ["DateTime64(6, 'UTC')", 'Date32', false],
  ])('from %s to %s: %s', (from, to, expected) => {
    expect(canWiden(parseColumnType(from), parseColumnType(to))).toBe(expected);
  });
});

test.each([
  ['Int64', 'Nullable(Int64)'],
  ['Nullable(Int64)', 'Nullable(Int64)'],
  ['LowCardinality(String)', 'LowCardinality(Nullable(String))'],
  ['Array(Int64)', 'Array(Int64)'],
])('%s that may be null is %s', (text, expected) => {
  expect(asNullable(parseColumnType(text))).toBe(expected);
});

test.each([
  ['Decimal(9, 2)', 4],
  ['Decimal(10, 2)', 8],
  ['Decimal(19, 2)', 16],
  ['Decimal(39, 2)', 32],
  ['UUID', 16],
  ['Bool', 1],
  ['String', 0],
])('%s has %i bytes', (text, bytes) => {
  expect(widthOf(parseColumnType(text))).toBe(bytes);
});
