import { describe, expect, test } from 'vitest';
import { RowBinaryWriter } from './row-binary.ts';

function bytesOf(write: (out: RowBinaryWriter) => void): string {
  const out = new RowBinaryWriter(1);
  write(out);
  return out.view().toString('hex');
}

describe('integers are little-endian', () => {
  test.each([0, 1, -1, 255, 4_294_967_295, 4_294_967_296, -4_294_967_297, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])('%i in 64 bits', (value) => {
    const expected = Buffer.alloc(8);
    expected.writeBigInt64LE(BigInt(value));
    expect(bytesOf((out) => out.int64(value))).toBe(expected.toString('hex'));
    expect(bytesOf((out) => out.int64(BigInt(value)))).toBe(expected.toString('hex'));
  });

  test('the largest and the smallest of 64 bits', () => {
    expect(bytesOf((out) => out.int64(9_223_372_036_854_775_807n))).toBe('ffffffffffffff7f');
    expect(bytesOf((out) => out.int64(-9_223_372_036_854_775_808n))).toBe('0000000000000080');
  });

  test('of 128 and 256 bits', () => {
    expect(bytesOf((out) => out.bigInteger(-2n, 16))).toBe(`fe${'ff'.repeat(15)}`);
    expect(bytesOf((out) => out.bigInteger(1n << 200n, 32))).toBe(`${'00'.repeat(25)}01${'00'.repeat(6)}`);
    expect(bytesOf((out) => out.bigInteger(-2n, 4))).toBe('feffffff');
  });
});

describe('big-endian bytes', () => {
  const turn = (hex: string, width: number, isSigned = true) => {
    const source = Buffer.from(hex, 'hex');
    const out = new RowBinaryWriter(1);
    return out.bigEndian(source, 0, source.length, { width, isSigned }) ? out.view().toString('hex') : 'refused';
  };

  test.each([
    ['01', 4, '01000000'],
    ['ff', 4, 'ffffffff'],
    ['80', 4, '80ffffff'],
    ['0080', 4, '80000000'],
    ['7fffffff', 4, 'ffffff7f'],
    ['0000000001', 4, '01000000'],
    ['ffffffff80000000', 4, '00000080'],
    ['0080000000', 4, 'refused'],
    ['ff7fffffff', 4, 'refused'],
    ['0100000000', 4, 'refused'],
  ])('%s in %i bytes: %s', (hex, width, expected) => {
    expect(turn(hex, width)).toBe(expected);
  });

  test('unsigned: the top bit counts, a sign is refused', () => {
    expect(turn('00ffffffffffffffff', 8, false)).toBe('ffffffffffffffff');
    expect(turn('ff', 8, false)).toBe('refused');
    expect(turn('01ffffffffffffffff', 8, false)).toBe('refused');
  });
});

test.each([
  [0, '00'],
  [127, '7f'],
  [128, '8001'],
  [300, 'ac02'],
  [16_384, '808001'],
])('length %i is %s', (length, expected) => {
  expect(bytesOf((out) => out.length(length))).toBe(expected);
});

test('text is its length in bytes and UTF-8', () => {
  expect(bytesOf((out) => out.string('ü'))).toBe('02c3bc');
  expect(bytesOf((out) => out.string(''))).toBe('00');
});

test('the buffer grows and keeps what was written', () => {
  const out = new RowBinaryWriter(1);
  const text = 'x'.repeat(100_000);
  out.uint8(7);
  out.string(text);
  out.slice(Buffer.from(text), 0, 50_000);
  out.zeros(3);
  const bytes = out.view();
  expect(bytes[0]).toBe(7);
  expect(bytes.length).toBe(1 + 3 + 100_000 + 3 + 50_000 + 3);
  expect(bytes.subarray(4, 100_004).toString()).toBe(text);
});
