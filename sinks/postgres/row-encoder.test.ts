import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { TableSchema } from '../../shared/record/table-schema.ts';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, type Value } from '../../shared/record/value.ts';
import { bind } from './binding.ts';
import { encodeRows, encodeTargetRows, type StagedRow } from './row-encoder.ts';
import { targetSqlOf } from './types.ts';

const HEADER = '5047434f50590aff0d0a000000000000000000';

function tableOf(...types: readonly DataType[]): TableSchema {
  const columns = types.map((dataType, index) => ({ name: `c${index}`, dataType, nullable: index > 0, nativeType: '' }));
  return new TableSchema({ database: 'd', schema: 's', name: 't', columns, key: [0] });
}

function bindingOf(table: TableSchema, leftOut: readonly string[] = []) {
  const columns = table.columns.map((column) => ({
    name: column.name,
    type: targetSqlOf(column),
    baseType: targetSqlOf(column),
    category: 'U',
    isGenerated: leftOut.includes(column.name),
    isIdentityAlways: false,
  }));
  return bind(table, { schema: 's', name: 't', columns });
}

function stagedRow(table: TableSchema, values: readonly Value[], rest: Partial<StagedRow> = {}): StagedRow {
  return { row: new RowWriter().row(table, values), op: 'c', version: 7, unchanged: null, ...rest };
}

/** The fields of each row of a COPY in hexadecimal, null for null. */
function parse(chunks: Iterable<Buffer>): (string | null)[][] {
  const bytes = Buffer.concat([...chunks]);
  expect(bytes.toString('hex', 0, 19)).toBe(HEADER);
  const rows: (string | null)[][] = [];
  let at = 19;
  for (;;) {
    const fields = bytes.readInt16BE(at);
    at += 2;
    if (fields < 0) break;
    const row = Array.from({ length: fields }, () => {
      const length = bytes.readInt32BE(at);
      at += 4 + Math.max(length, 0);
      return length < 0 ? null : bytes.toString('hex', at - length, at);
    });
    rows.push(row);
  }
  expect(at).toBe(bytes.length);
  return rows;
}

/** The one field that a value of a type becomes. */
function fieldOf(type: DataType, value: Value): string | null | undefined {
  const table = tableOf({ kind: 'int32' }, type);
  return parse(encodeRows(bindingOf(table), [stagedRow(table, [1, value])]))[0]?.[1];
}

/** As PostgreSQL itself writes them: `SELECT encode(numeric_send(12345.67), 'hex')` and the like, on PostgreSQL 15. */
describe('a value is written in the binary form of its type', () => {
  const micros = { unit: 'micros' } as const;
  const cases: readonly (readonly [type: DataType, value: Value, expected: string])[] = [
    [{ kind: 'boolean' }, true, '01'],
    [{ kind: 'int16' }, -2, 'fffe'],
    [{ kind: 'int32' }, -2, 'fffffffe'],
    [{ kind: 'int64' }, -2, 'fffffffffffffffe'],
    [{ kind: 'int64' }, 9_223_372_036_854_775_807n, '7fffffffffffffff'],
    [{ kind: 'int64' }, 4_294_967_297, '0000000100000001'],
    [{ kind: 'float32' }, 1.5, '3fc00000'],
    [{ kind: 'float64' }, -0.25, 'bfd0000000000000'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, '12345.67', '000300010000000200010929' + '1a2c'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, '-0.05', '0001ffff4000000201f4'],
    [{ kind: 'uint64' }, '18446744073709551615', '00050004000000000734' + '1a58' + '02e1' + '03bb' + '064f'],
    [{ kind: 'numeric' }, 'NaN', '4e614e'],
    [{ kind: 'text' }, 'ü', 'c3bc'],
    [{ kind: 'text' }, '', ''],
    [{ kind: 'bytes' }, Buffer.from([0, 255]), '00ff'],
    [{ kind: 'json' }, '{}', '7b7d'],
    [{ kind: 'jsonb' }, '{}', '017b7d'],
    [{ kind: 'uuid' }, '6f1c2a3e-1234-4567-89AB-0123456789ab', '6f1c2a3e1234456789ab0123456789ab'],
    [{ kind: 'date' }, 10_957, '00000000'],
    [{ kind: 'date' }, 2_147_483_647, '7fffffff'],
    [{ kind: 'date' }, -2_147_483_648, '80000000'],
    [{ kind: 'time', ...micros }, 1, '0000000000000001'],
    [{ kind: 'time', unit: 'millis' }, 5000, '0000000000001388'],
    [{ kind: 'timestamp', ...micros }, 946_684_800_000_001, '0000000000000001'],
    [{ kind: 'timestamp', unit: 'millis' }, 946_684_800_001_000, '00000000000003e8'],
    [{ kind: 'timestampTz', ...micros }, TIMESTAMP_INFINITY, '7fffffffffffffff'],
    [{ kind: 'timestampTz', ...micros }, TIMESTAMP_MINUS_INFINITY, '8000000000000000'],
    [{ kind: 'timestamp', ...micros }, -9_007_199_254_740_991, BigInt.asUintN(64, -9_007_199_254_740_991n - 946_684_800_000_000n).toString(16)],
    [{ kind: 'array', element: { kind: 'int32' } }, [7, null], '0000000100000001000000170000000200000001' + '0000000400000007' + 'ffffffff'],
    [{ kind: 'array', element: { kind: 'text' } }, [], '0000000100000000000000190000000000000001'],
  ];

  test.each(cases)('%o %s', (type, value, expected) => {
    expect(fieldOf(type, value)).toBe(expected);
  });

  test('null is null', () => {
    expect(fieldOf({ kind: 'text' }, null)).toBeNull();
  });
});

describe('a decimal', () => {
  /** Reads numeric's binary form back (numeric_send in numeric.c). */
  function decimalText(field: string): string {
    const bytes = Buffer.from(field, 'hex');
    const [weight, sign, scale] = [bytes.readInt16BE(2), bytes.readUInt16BE(4), bytes.readInt16BE(6)];
    const groups = Array.from({ length: bytes.readInt16BE(0) }, (_, index) => bytes.readInt16BE(8 + index * 2));
    let unscaled = 0n;
    for (const group of groups) unscaled = unscaled * 10_000n + BigInt(group);
    const digitsAfter = (groups.length - weight - 1) * 4;
    const whole = digitsAfter >= scale ? unscaled / 10n ** BigInt(digitsAfter - scale) : unscaled * 10n ** BigInt(scale - digitsAfter);
    const digits = whole.toString().padStart(scale + 1, '0');
    const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
    return sign === 0x4000 ? `-${text}` : text;
  }

  test('of any size keeps every digit', () => {
    const digits = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n });
    const small = fc.bigInt({ min: -(2n ** 47n), max: 2n ** 47n });
    const property = fc.property(fc.oneof(digits, small), fc.integer({ min: 0, max: 18 }), (unscaled, scale) => {
      const absolute = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
      const text = `${unscaled < 0n ? '-' : ''}${scale === 0 ? absolute : `${absolute.slice(0, -scale)}.${absolute.slice(-scale)}`}`;
      expect(decimalText(fieldOf({ kind: 'decimal', precision: 41, scale }, text) ?? '')).toBe(text);
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('a row', () => {
  const table = tableOf({ kind: 'text' }, { kind: 'int32' }, { kind: 'text' });

  test('carries op, version, its key as bytes, and the columns that are unchanged', () => {
    const row = stagedRow(table, ['k', 1, null], { op: 'u', version: 258, unchanged: [2] });
    const unchanged = '0000000100000000000000150000000100000001' + '00000002' + '0002';
    expect(parse(encodeRows(bindingOf(table), [row]))).toEqual([['6b', '00000001', null, '75', '0000000000000102', '026b', unchanged]]);
  });

  test('for the target carries the columns of the target', () => {
    const row = stagedRow(table, ['k', null, 'v'], { op: 'r', version: 258 });
    expect(parse(encodeTargetRows(bindingOf(table), [row], 946_684_800_000_009))).toEqual([
      ['6b', null, '76', '72', '00', '0000000000000009', '0000000000000102'],
    ]);
  });

  test('leaves out columns that the target does not take', () => {
    const binding = bindingOf(table, ['c1']);
    expect(parse(encodeRows(binding, [stagedRow(table, ['k', 1, 'v'])])).map((fields) => fields.slice(0, 2))).toEqual([['6b', '76']]);
  });

  test('has its key in key order', () => {
    const columns = tableOf({ kind: 'text' }, { kind: 'int32' }).columns;
    const reversed = new TableSchema({ database: 'd', schema: 's', name: 't', columns, key: [1, 0] });
    expect(parse(encodeRows(bindingOf(reversed), [stagedRow(reversed, ['k', 1])]))[0]?.[4]).toBe('02' + '026b');
  });

  test('larger than a chunk, and rows of many chunks, come out whole', () => {
    const rows = Array.from({ length: 300 }, (_, index) => stagedRow(table, [`k${index}`, index, 'x'.repeat(index === 7 ? 2_000_000 : 5000)]));
    const chunks = [...encodeRows(bindingOf(table), rows)];
    expect(chunks.length).toBeGreaterThan(5);
    const parsed = parse(chunks);
    expect(parsed.map((fields) => fields[1])).toEqual(rows.map((_, index) => index.toString(16).padStart(8, '0')));
    expect(parsed[7]?.[2]?.length).toBe(4_000_000);
  });
});

describe('what has no form in PostgreSQL is refused with table and column', () => {
  test.each([
    [{ kind: 'uuid' }, 'nothing', 'RECORD_REJECTED'],
    [{ kind: 'uuid' }, '6f1c2a3e-1234-4567-89ab-0123456789abc', 'RECORD_REJECTED'],
    [{ kind: 'uuid' }, '6f1c2a3e-1234-4567-89ab-0123456789ab}', 'RECORD_REJECTED'],
    [{ kind: 'date' }, -2_147_483_647, 'VALUE_OUT_OF_RANGE'],
    [{ kind: 'timestamp', unit: 'micros' }, TIMESTAMP_MINUS_INFINITY + 1n, 'VALUE_OUT_OF_RANGE'],
  ] as const)('%o', (type, value, code) => {
    expect(() => fieldOf(type, value)).toThrow(expect.objectContaining({ code, context: { table: 's.t', column: 'c1' } }));
  });
});
