import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from '../../shared/record/value.ts';
import { binaryToArrayText, binaryToInput } from './binary-text.ts';
import { dateAt, timestampAt } from './binary-values.ts';
import { temporalText } from './text-values.ts';
import type { NativeType } from './types.ts';

const type = (name: string, category = 'b'): NativeType => ({ name, category, modifier: -1, isArray: false, dimensions: 0, enumValues: [] });
const textOf = (name: string, bytes: Buffer, category?: string) => binaryToInput(type(name, category), bytes, 0, bytes.length);

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** From 4713 BC to 294276, in days and microseconds since 2000 (manual, 8.5 "Date/Time Types"). */
const DAYS = { min: -2_451_545, max: 105_000_000 };
const MICROS = { min: -211_813_488_000_000_000n, max: 9_223_371_331_199_999_999n };

describe('the text of a binary value is read as that value', () => {
  test('of dates', () => {
    fc.assert(
      fc.property(fc.integer(DAYS), (days) => {
        const text = Buffer.from(textOf('date', int32(days)));
        expect(temporalText.date(text, 0, text.length)).toBe(dateAt(int32(days), 0));
      }),
    );
    expect([textOf('date', int32(0x7fffffff)), textOf('date', int32(-0x80000000))]).toEqual(['infinity', '-infinity']);
  });

  test('of timestamps', () => {
    fc.assert(
      fc.property(fc.bigInt({ ...MICROS, max: MICROS.max - 1_000_000_000_000_000n }), (micros) => {
        const text = Buffer.from(textOf('timestamptz', int64(micros)));
        expect(BigInt(temporalText.timestamp(text, 0, text.length))).toBe(BigInt(timestampAt(int64(micros), 0)));
      }),
    );
    expect([textOf('timestamp', int64(TIMESTAMP_INFINITY)), textOf('timestamp', int64(TIMESTAMP_MINUS_INFINITY))]).toEqual(['infinity', '-infinity']);
  });

  test.each([
    ['timestamp', int64(-1n), '1999-12-31 23:59:59.999999'],
    ['timestamp', int64(-63_113_904_000_000_001n), '0002-12-31 23:59:59.999999 BC'],
    ['time', int64(86_400_000_000n), '24:00:00.000000'],
    ['bool', Buffer.of(0), 'f'],
    ['int2', Buffer.of(0xff, 0xfe), '-2'],
    ['int4', int32(-7), '-7'],
    ['int8', int64(-9_223_372_036_854_775_808n), '-9223372036854775808'],
    ['oid', int32(-1), '4294967295'],
    ['float8', Buffer.from('7ff8000000000000', 'hex'), 'NaN'],
    ['float8', Buffer.from('3fb999999999999a', 'hex'), '0.1'],
    ['bytea', Buffer.of(0, 255), '\\x00ff'],
    ['uuid', Buffer.from('00112233445566778899aabbccddeeff', 'hex'), '00112233-4455-6677-8899-aabbccddeeff'],
    ['jsonb', Buffer.from('\u0001{}'), '{}'],
    ['text', Buffer.from('ž'), 'ž'],
  ])('of %s', (name, bytes, text) => {
    expect(textOf(name, bytes)).toBe(text);
  });

  test.each([
    ['int4', '00000002 00000001 00000017 00000002 00000001 00000001 00000000 00000004 00000007 ffffffff', '[1:2][0:0]={{"7"},{NULL}}'],
    ['text', '00000001 00000000 00000019 00000001 00000001 00000003 225c61', String.raw`[1:1]={"\"\\a"}`],
    ['text', '00000000 00000000 00000019', '{}'],
  ])('of an array of %s', (name, hex, text) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(binaryToInput({ ...type(name), isArray: true }, bytes, 0, bytes.length)).toBe(text);
  });

  test.each(['', '00000001', '00000009 00000000 00000017', '00000001 00000000 00000017 00000002 00000001 00000004 00000001', '00000000 00000000 00000017 00'])(
    'an array of the bytes %j is broken',
    (hex) => {
      const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
      expect(() => binaryToArrayText(type('int4'), bytes, 0, bytes.length)).toThrow(RangeError);
    },
  );

  test('of an enum', () => {
    expect(textOf('mood', Buffer.from('sad'), 'e')).toBe('sad');
  });
});
