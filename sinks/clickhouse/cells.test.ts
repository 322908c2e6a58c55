import { describe, expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { RowReader } from '../../shared/record/row-reader.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, type Value } from '../../shared/record/value.ts';
import { tableOf } from '../../test/contract/records.ts';
import { cellWriter, endOfCell } from './cells.ts';
import { RowBinaryWriter } from './row-binary.ts';
import { DOCUMENTED_RANGE, type TimeRange, timeText, WIDE_RANGE } from './time-range.ts';
import { columnTypeFor, parseColumnType } from './types.ts';

/** A value through a row's bytes to RowBinary. */
function write(type: DataType, value: Value, target = columnTypeFor(type, { isKey: false, isNullable: false }), range: TimeRange = WIDE_RANGE): Buffer {
  const table = tableOf({ name: 't', columns: { value: { type } } });
  const row = new RowWriter().row(table, [value]);
  const reader = new RowReader(row.bytes, row.start + 1);
  const out = new RowBinaryWriter();
  cellWriter(type, parseColumnType(target), { table: 'public.t', column: 'value', range })(reader, row.bytes, out);
  expect(reader.position).toBe(row.end);
  return out.view();
}

const hex = (...parameters: Parameters<typeof write>) => write(...parameters).toString('hex');
const text = (...parameters: Parameters<typeof write>) =>
  write(...parameters)
    .subarray(1)
    .toString();
const decimal = (precision: number, scale: number): DataType => ({ kind: 'decimal', precision, scale });
const stamp: DataType = { kind: 'timestampTz', unit: 'micros' };
const millis: DataType = { kind: 'timestamp', unit: 'millis' };

function int64(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes.toString('hex');
}

describe('a value in RowBinary', () => {
  test.each<[string, DataType, Value, string]>([
    ['true', { kind: 'boolean' }, true, '01'],
    ['false', { kind: 'boolean' }, false, '00'],
    ['int16', { kind: 'int16' }, -2, 'feff'],
    ['int32', { kind: 'int32' }, 258, '02010000'],
    ['int64', { kind: 'int64' }, -9_223_372_036_854_775_808n, '0000000000000080'],
    ['uint64', { kind: 'uint64' }, '18446744073709551615', 'ffffffffffffffff'],
    ['float32', { kind: 'float32' }, 1.5, '0000c03f'],
    ['float64', { kind: 'float64' }, -2, '00000000000000c0'],
    ['decimal of 4 bytes', decimal(9, 2), '-1.00', '9cffffff'],
    ['decimal of 8 bytes', decimal(18, 2), '1.00', '6400000000000000'],
    ['decimal of 16 bytes', decimal(38, 0), '-1', 'ff'.repeat(16)],
    ['decimal of 32 bytes', decimal(76, 0), '256', `0001${'00'.repeat(30)}`],
    ['text', { kind: 'text' }, 'ü', '02c3bc'],
    ['bytes', { kind: 'bytes' }, Buffer.from([0, 1]), '020001'],
    ['uuid', { kind: 'uuid' }, '00010203-0405-0607-0809-0A0B0C0D0E0F', '07060504030201000f0e0d0c0b0a0908'],
    ['date', { kind: 'date' }, -1, 'ffffffff'],
    ['timestamp', stamp, 1_700_000_000_000_001, int64(1_700_000_000_000_001n)],
    ['timestamp in milliseconds', millis, 1_700_000_000_123_000, int64(1_700_000_000_123_000n)],
    ['array', { kind: 'array', element: { kind: 'int16' } }, [1, null], '0200010001'],
    ['empty array', { kind: 'array', element: { kind: 'int16' } }, [], '00'],
  ])('%s', (_label, type, value, expected) => {
    expect(hex(type, value)).toBe(expected);
  });

  test('a narrower type fits a wider column', () => {
    expect(hex({ kind: 'int16' }, -1, 'Int64')).toBe('ff'.repeat(8));
    expect(hex({ kind: 'int16' }, 1, 'Int32')).toBe('01000000');
    expect(hex({ kind: 'float32' }, 1.5, 'Float64')).toBe('000000000000f83f');
    expect(hex(decimal(5, 2), '-1.25', 'Decimal(9, 4)')).toBe('2ccfffff');
    expect(hex(decimal(5, 2), '-1.25', 'Decimal(40, 4)')).toBe(`2ccf${'ff'.repeat(30)}`);
    expect(text({ kind: 'int64' }, 9_007_199_254_740_993n, 'String')).toBe('9007199254740993');
    expect(text(decimal(5, 2), '-0.50', 'String')).toBe('-0.50');
    expect(text({ kind: 'array', element: { kind: 'int64' } }, [1, 9_007_199_254_740_993n, null], 'String')).toBe('[1,"9007199254740993",null]');
  });

  test.each([
    [0, '00:00:00'],
    [45_296_000_000, '12:34:56'],
    [45_296_120_000, '12:34:56.12'],
    [86_400_000_000, '24:00:00'],
    [-3_020_399_000_001, '-838:59:59.000001'],
  ])('a time of %i microseconds is %s', (micros, expected) => {
    expect(timeText(micros)).toBe(expected);
    expect(text({ kind: 'time', unit: 'micros' }, micros)).toBe(expected);
  });
});

describe('dates and timestamps', () => {
  test('±infinity is the end of the range', () => {
    expect(hex({ kind: 'date' }, DATE_INFINITY)).toBe(hex({ kind: 'date' }, 2_932_896));
    expect(hex({ kind: 'date' }, DATE_MINUS_INFINITY)).toBe(hex({ kind: 'date' }, -719_528));
    for (const type of [stamp, millis]) {
      expect(new Date(Number(write(type, type === millis ? TIMESTAMP_INFINITY * 1000n : TIMESTAMP_INFINITY).readBigInt64LE() / 1000n)).toISOString()).toBe(
        '9999-12-31T23:59:59.999Z',
      );
      expect(
        new Date(Number(write(type, type === millis ? TIMESTAMP_MINUS_INFINITY * 1000n : TIMESTAMP_MINUS_INFINITY).readBigInt64LE() / 1000n)).toISOString(),
      ).toBe('0000-01-01T00:00:00.000Z');
    }
  });

  test('of an older server end in 2299', () => {
    expect(write(stamp, TIMESTAMP_INFINITY, undefined, DOCUMENTED_RANGE).readBigInt64LE()).toBe(10_413_791_999_999_999n);
    expect(write(stamp, -2_208_988_800_000_000, undefined, DOCUMENTED_RANGE).readBigInt64LE()).toBe(-2_208_988_800_000_000n);
  });

  test('the ends of the range fit', () => {
    expect(write(stamp, 253_402_300_799_999_999n).readBigInt64LE()).toBe(253_402_300_799_999_999n);
    expect(write(stamp, -62_167_219_200_000_000n).readBigInt64LE()).toBe(-62_167_219_200_000_000n);
  });

  test.each<[string, DataType, Value, TimeRange]>([
    ['a date before 1900', { kind: 'date' }, -25_568, DOCUMENTED_RANGE],
    ['a date after 2299', { kind: 'date' }, 120_530, DOCUMENTED_RANGE],
    ['a timestamp before 1900', stamp, -2_208_988_800_000_001, DOCUMENTED_RANGE],
    ['a timestamp after 2299', stamp, 10_413_792_000_000_000n, DOCUMENTED_RANGE],
    ['a timestamp after 9999', stamp, 253_402_300_800_000_000n, WIDE_RANGE],
    ['a timestamp before Christ', stamp, -62_167_219_200_000_001n, WIDE_RANGE],
    ['a uuid that is none', { kind: 'uuid' }, 'no uuid', WIDE_RANGE],
    ['a uuid that is too long', { kind: 'uuid' }, '00010203-0405-0607-0809-0a0b0c0d0e0f0', WIDE_RANGE],
    ['a negative unsigned number', { kind: 'uint64' }, '-1', WIDE_RANGE],
  ])('%s is refused', (_label, type, value, range) => {
    const error = catchError(() => write(type, value, undefined, range));
    expect(error.code).toBe('VALUE_OUT_OF_RANGE');
    expect(error.message).toContain('Column value of public.t');
    expect(error.message).not.toContain(String(value));
  });
});

function catchError(run: () => unknown): CdcError {
  try {
    run();
  } catch (error) {
    if (error instanceof CdcError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test.each<[string, string, number]>([
  ['Int64', '0100000000000000ff', 8],
  ['Nullable(Int16)', '01ff', 1],
  ['Nullable(Int16)', '000100ff', 3],
  ['String', '0361626300', 4],
  ['LowCardinality(Nullable(String))', '000161', 3],
  ['Array(Nullable(String))', '03000161010000', 7],
  ['Array(Int16)', '0201000200ff', 5],
  ['Decimal(76, 2)', '00'.repeat(40), 32],
])('a %s in %s ends at %i', (type, bytes, end) => {
  expect(endOfCell(Buffer.from(bytes, 'hex'), 0, parseColumnType(type))).toBe(end);
});
