import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { CELL, type CellCode, cellCodeOf, type NativeType, toDataType, type TypeHandling } from './types.ts';

const HANDLING: TypeHandling = { decimals: 'decimal', timeUnit: 'micros', unknown: 'stop' };

const native = (name: string, more: Partial<NativeType> = {}): NativeType => ({
  name,
  category: 'b',
  modifier: -1,
  isArray: false,
  dimensions: 0,
  enumValues: [],
  ...more,
});
/** As `numerictypmodin` packs it. */
const numeric = (precision: number, scale: number) => native('numeric', { modifier: ((precision << 16) | (scale & 0x7ff)) + 4 });

const SCALARS: readonly (readonly [NativeType, DataType, CellCode])[] = [
  [native('bool'), { kind: 'boolean' }, CELL.boolean],
  [native('int2'), { kind: 'int16' }, CELL.int],
  [native('int4'), { kind: 'int32' }, CELL.int],
  [native('int8'), { kind: 'int64' }, CELL.long],
  [native('oid'), { kind: 'int64' }, CELL.long],
  [native('float4'), { kind: 'float32' }, CELL.float],
  [native('float8'), { kind: 'float64' }, CELL.double],
  [numeric(10, 2), { kind: 'decimal', precision: 10, scale: 2 }, CELL.decimal],
  [numeric(1000, 1000), { kind: 'decimal', precision: 1000, scale: 1000 }, CELL.decimal],
  [numeric(5, -2), { kind: 'decimal', precision: 7, scale: 0 }, CELL.decimal],
  [numeric(3, 5), { kind: 'decimal', precision: 5, scale: 5 }, CELL.decimal],
  [native('numeric'), { kind: 'numeric' }, CELL.text],
  [native('text'), { kind: 'text' }, CELL.text],
  [native('varchar', { modifier: 44 }), { kind: 'string' }, CELL.text],
  [native('bytea'), { kind: 'bytes' }, CELL.bytes],
  [native('json'), { kind: 'json' }, CELL.text],
  [native('jsonb'), { kind: 'jsonb' }, CELL.text],
  [native('uuid'), { kind: 'uuid' }, CELL.text],
  [native('date'), { kind: 'date' }, CELL.date],
  [native('time'), { kind: 'time', unit: 'micros' }, CELL.time],
  [native('timestamp'), { kind: 'timestamp', unit: 'micros' }, CELL.timestamp],
  [native('timestamptz'), { kind: 'timestampTz', unit: 'micros' }, CELL.timestamp],
  [native('interval'), { kind: 'string' }, CELL.text],
  [native('inet'), { kind: 'string' }, CELL.text],
  [native('mood', { category: 'e', enumValues: ['sad', 'glad'] }), { kind: 'enum', values: ['sad', 'glad'] }, CELL.text],
  [native('int4range', { category: 'r' }), { kind: 'string' }, CELL.text],
  [native('int4multirange', { category: 'm' }), { kind: 'string' }, CELL.text],
];

test.each(SCALARS)('%j', (type, dataType, code) => {
  expect(toDataType(type, HANDLING)).toEqual(dataType);
  expect(cellCodeOf(dataType, type)).toBe(code);
});

describe('arrays', () => {
  test.each(SCALARS)('of %j have its type for their elements', (type, element) => {
    const list = { ...type, isArray: true, dimensions: 1 };
    expect(toDataType(list, HANDLING)).toEqual({ kind: 'array', element });
    expect(cellCodeOf({ kind: 'array', element }, list)).toBe(CELL.array);
  });

  test('of several dimensions are JSON', () => {
    const grid = native('int4', { isArray: true, dimensions: 2 });
    expect(toDataType(grid, HANDLING)).toEqual({ kind: 'json' });
    expect(cellCodeOf({ kind: 'json' }, grid)).toBe(CELL.nestedArray);
  });
});

describe('settings', () => {
  test('DECIMAL_HANDLING=string carries decimals as text', () => {
    expect(toDataType(numeric(10, 2), { ...HANDLING, decimals: 'string' })).toEqual({ kind: 'numeric' });
  });

  test.each(['time', 'timestamp', 'timestamptz'])('TIME_PRECISION=millis changes the unit of %s', (name) => {
    const type = toDataType(native(name), { ...HANDLING, timeUnit: 'millis' });
    expect(type).toMatchObject({ unit: 'millis' });
    expect(cellCodeOf(type as DataType, native(name))).toBe(name === 'time' ? CELL.timeMillis : CELL.timestampMillis);
  });

  test.each([native('pair', { category: 'c' }), native('pair', { category: 'c', isArray: true, dimensions: 1 }), native('int2vector'), native('geometry')])(
    '%j is refused, unless UNKNOWN_TYPES=string',
    (type) => {
      expect(toDataType(type, HANDLING)).toBeUndefined();
      expect(toDataType(type, { ...HANDLING, unknown: 'string' })).toEqual({ kind: 'string' });
    },
  );
});
