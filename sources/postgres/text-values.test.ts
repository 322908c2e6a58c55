import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from '../../shared/record/value.ts';
import { arrayTextToJson, type ArrayText, parseArrayText, parseFloating, temporalText, timestampOf, valueFromText } from './text-values.ts';

const whole = (text: string): [Buffer, number, number] => {
  // Text stands in the middle of a message: nothing around it may be read.
  const bytes = Buffer.from(`0000-${text}:99.9`);
  return [bytes, 5, 5 + Buffer.byteLength(text)];
};
const date = (text: string) => temporalText.date(...whole(text));
const time = (text: string) => temporalText.time(...whole(text));
const timestamp = (text: string) => timestampOf(...whole(text));

describe('dates', () => {
  test.each([
    ['1970-01-01', 0],
    ['1969-12-31', -1],
    ['2000-02-29', 11_016],
    ['0001-01-01', -719_162],
    ['0001-12-31 BC', -719_163],
    ['0044-03-15 BC', -735_160],
    ['4713-01-01 BC', -2_440_550],
    ['12024-06-01', 3_672_300],
    ['5874897-12-31', 2_145_042_905],
    ['infinity', DATE_INFINITY],
    ['-infinity', DATE_MINUS_INFINITY],
  ])('%s', (text, days) => {
    expect(date(text)).toBe(days);
  });

  test('of four-digit years are what the platform says', () => {
    const days = fc.integer({ min: -719_162, max: 2_932_896 });
    fc.assert(fc.property(days, (day) => void expect(date(new Date(day * 86_400_000).toISOString().slice(0, 10))).toBe(day)));
  });
});

test.each([
  ['00:00:00', 0],
  ['24:00:00', 86_400_000_000],
  ['23:59:59.999999', 86_399_999_999],
  ['12:34:56.7', 45_296_700_000],
  ['01:02:03.000004', 3_723_000_004],
])('the time %s', (text, micros) => {
  expect(time(text)).toBe(micros);
});

describe('timestamps', () => {
  test.each([
    ['1970-01-01 00:00:00', 0],
    ['1970-01-01 00:00:00+00', 0],
    ['1969-12-31 23:59:59.999999', -1],
    ['2024-02-29 12:00:00.123456+00', 1_709_208_000_123_456],
    ['2024-02-29 12:00:00.1+05:30', 1_709_188_200_100_000],
    ['1880-01-01 00:00:00-00:12:28', -2_840_140_052_000_000],
    ['1880-01-01 00:00:00+00:12:28', -2_840_141_548_000_000],
    ['0044-03-15 12:00:00.5 BC', -63_517_780_799_500_000n],
    ['0044-03-15 12:00:00.5+00 BC', -63_517_780_799_500_000n],
    ['12024-06-01 01:02:03.000004', 317_286_723_723_000_004n],
    ['294246-12-31 23:59:59.999999', 9_223_371_244_799_999_999n],
    ['infinity', TIMESTAMP_INFINITY],
    ['-infinity', TIMESTAMP_MINUS_INFINITY],
  ])('%s', (text, micros) => {
    expect(timestamp(text)).toBe(micros);
  });

  test('of four-digit years are what the platform says, whatever was read before', () => {
    const millis = fc.integer({ min: Date.UTC(1000, 0), max: Date.UTC(9999, 11, 31) });
    fc.assert(
      fc.property(millis, (at) => void expect(BigInt(timestamp(new Date(at).toISOString().replace('T', ' ').slice(0, 23)))).toBe(BigInt(at) * 1000n)),
      { numRuns: 2000 },
    );
  });

  test('beyond 64 bits of microseconds are refused instead of wrapped around', () => {
    expect(() => timestamp('294276-12-31 23:59:59.999999')).toThrow(expect.objectContaining({ code: 'VALUE_OUT_OF_RANGE' }));
    expect(() => valueFromText({ kind: 'timestamp', unit: 'micros' }, '294250-01-01 00:00:00')).toThrow(
      expect.objectContaining({ code: 'VALUE_OUT_OF_RANGE' }),
    );
  });
});

describe('floating-point numbers', () => {
  test.each([
    '0',
    '-0',
    '0.1',
    '-12.5',
    '123456789012345',
    '1e-7',
    '1.7976931348623157e+308',
    '5e-324',
    'NaN',
    'Infinity',
    '-Infinity',
    '0.30000000000000004',
    '0.000000000000001',
  ])('%s', (text) => {
    expect(parseFloating(...whole(text))).toBe(Number(text));
  });

  test('of any size are the nearest number', () => {
    fc.assert(
      fc.property(fc.double(), (value) => void expect(parseFloating(...whole(String(value)))).toBe(Number(String(value)))),
      { numRuns: 5000 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.nat({ max: 999_999 }),
        (a, b) => void expect(parseFloating(...whole(`${a}.${b}`))).toBe(Number(`${a}.${b}`)),
      ),
    );
  });
});

describe('arrays', () => {
  test.each<[string, ArrayText]>([
    ['{}', []],
    ['{1,2}', ['1', '2']],
    ['{NULL,"NULL",null}', [null, 'NULL', 'null']],
    ['{"",a b}', ['', 'a b']],
    ['{"a,b","{c}","d\\"e","f\\\\g"}', ['a,b', '{c}', 'd"e', 'f\\g']],
    ['[2:3]={7,8}', ['7', '8']],
    [
      '[0:1][-1:0]={{1,2},{3,NULL}}',
      [
        ['1', '2'],
        ['3', null],
      ],
    ],
    ['{{{"x"}}}', [[['x']]]],
    ['{"[1,3)",empty}', ['[1,3)', 'empty']],
  ])('%s', (text, elements) => {
    expect(parseArrayText(text)).toEqual(elements);
  });

  test('of boxes are divided by semicolons', () => {
    expect(parseArrayText('{(1,1),(0,0);(3,3),(2,2)}', ';')).toEqual(['(1,1),(0,0)', '(3,3),(2,2)']);
  });

  test('of any text come back as they were', () => {
    const quote = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
    fc.assert(
      fc.property(fc.array(fc.option(fc.string({ unit: 'grapheme' }))), (items) => {
        expect(parseArrayText(`{${items.map((item) => (item === null ? 'NULL' : quote(item))).join(',')}}`)).toEqual(items);
      }),
    );
  });

  test.each(['', '{', '{1', '{"a', '{1}x', '1,2', '{1,2}}', '{1;2', '['])('what is no array is refused: %j', (text) => {
    expect(() => parseArrayText(text)).toThrow(RangeError);
  });

  test.each<[DataType['kind'], ArrayText, string]>([
    [
      'int32',
      [
        ['1', null],
        ['-2', '3'],
      ],
      '[[1,null],[-2,3]]',
    ],
    ['boolean', [['t', 'f']], '[[true,false]]'],
    ['int64', [['9223372036854775807']], '[["9223372036854775807"]]'],
    ['text', [['a"b']], '[["a\\"b"]]'],
  ])('of several dimensions as JSON: %s', (kind, elements, json) => {
    expect(arrayTextToJson(elements, { kind } as DataType)).toBe(json);
  });
});

describe('a value by itself', () => {
  test.each<[DataType, string, unknown]>([
    [{ kind: 'boolean' }, 't', true],
    [{ kind: 'boolean' }, 'f', false],
    [{ kind: 'int64' }, '9007199254740991', 9_007_199_254_740_991],
    [{ kind: 'int64' }, '-9007199254740993', -9_007_199_254_740_993n],
    [{ kind: 'decimal', precision: 10, scale: 2 }, '-0.50', '-0.50'],
    [{ kind: 'numeric' }, 'NaN', 'NaN'],
    [{ kind: 'bytes' }, '\\x00ff', Buffer.from([0, 255])],
    [{ kind: 'date' }, '-infinity', DATE_MINUS_INFINITY],
    [{ kind: 'enum', values: ['a'] }, 'a', 'a'],
  ])('%j %s', (type, text, value) => {
    expect(valueFromText(type, text)).toEqual(value);
  });

  test.each(['NaN', 'Infinity', '-Infinity'])('%s has no place in a decimal of fixed precision', (text) => {
    expect(() => valueFromText({ kind: 'decimal', precision: 5, scale: 1 }, text)).toThrow(expect.objectContaining({ code: 'VALUE_OUT_OF_RANGE' }));
  });
});
