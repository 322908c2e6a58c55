import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decimalText, randomTables } from '../../test/random-rows.ts';
import type { DataType } from './data-type.ts';
import { RowReader } from './row-reader.ts';
import { RowWriter } from './row-writer.ts';
import { TableSchema } from './table-schema.ts';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, UNCHANGED, type Value } from './value.ts';

const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;

const CASES: readonly (readonly [type: DataType, values: readonly Value[]])[] = [
  [{ kind: 'boolean' }, [true, false]],
  [{ kind: 'int16' }, [0, -1, 63, 64, -64, -65, 32_767, -32_768]],
  [{ kind: 'int32' }, [0, 8191, 8192, 2_147_483_647, -2_147_483_648]],
  [{ kind: 'int64' }, [0, -1, 2 ** 30 - 1, 2 ** 30, -(2 ** 30), -(2 ** 30) - 1, 2 ** 31, 2 ** 32, 2 ** 52 - 1, 2 ** 52, 1 - 2 ** 52, -(2 ** 52)]],
  [{ kind: 'int64' }, [2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, 1 - 2 ** 53, -(2n ** 53n), -(2n ** 53n) - 1n, INT64_MAX, INT64_MIN, INT64_MAX - 1n]],
  [{ kind: 'uint64' }, ['0', '1', '127', '128', '255', '256', '9223372036854775808', '18446744073709551615']],
  [{ kind: 'float32' }, [0, -0, 1.5, -0.25, 3.4028234663852886e38, 1.401298464324817e-45, Number.NaN, Infinity, -Infinity]],
  [{ kind: 'float64' }, [0, -0, 0.1, 5e-324, 1.7976931348623157e308, Number.NaN, Infinity, -Infinity]],
  [{ kind: 'decimal', precision: 4, scale: 2 }, ['0.00', '0.01', '-0.01', '1.27', '1.28', '-1.28', '-1.29', '99.99', '-99.99']],
  [{ kind: 'decimal', precision: 18, scale: 0 }, ['140737488355327', '140737488355328', '-140737488355328', '-140737488355329', '999999999999999999']],
  [{ kind: 'decimal', precision: 100, scale: 0 }, ['9'.repeat(100), `-${'9'.repeat(100)}`, '1', '-1']],
  [{ kind: 'decimal', precision: 100, scale: 100 }, [`0.${'0'.repeat(99)}1`, `-0.${'9'.repeat(100)}`]],
  [{ kind: 'numeric' }, ['NaN', 'Infinity', '-Infinity', '1.50', '7'.repeat(500)]],
  [{ kind: 'string' }, ['', ' ', 'x']],
  [{ kind: 'text' }, ['', 'é', '漢字', '🎈', '\u{10FFFF}', '\0', 'x'.repeat(63), 'x'.repeat(64), 'ü'.repeat(5000)]],
  [{ kind: 'enum', values: ['new', ''] }, ['new', '']],
  [{ kind: 'bytes' }, [Buffer.alloc(0), Buffer.from([0, 255, 128]), Buffer.alloc(100_000, 7)]],
  [{ kind: 'json' }, ['{"a":[1,null]}', 'null']],
  [{ kind: 'jsonb' }, ['12345678901234567890']],
  [{ kind: 'uuid' }, ['6f1c2a3e-1234-4567-89ab-0123456789ab']],
  [{ kind: 'date' }, [0, -719_528, 2_147_483_647, -2_147_483_648]],
  [{ kind: 'time', unit: 'micros' }, [0, 1, 86_400_000_000]],
  [{ kind: 'time', unit: 'millis' }, [0, 1000, 86_400_000_000]],
  [{ kind: 'timestamp', unit: 'micros' }, [0, -1, 1_700_000_000_123_456, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY]],
  [{ kind: 'timestampTz', unit: 'micros' }, [0, -62_135_596_800_000_000n, 253_402_300_799_999_999n]],
  [{ kind: 'timestamp', unit: 'millis' }, [0, -1000, 1_700_000_000_123_000, TIMESTAMP_INFINITY * 1000n, TIMESTAMP_MINUS_INFINITY * 1000n]],
  [{ kind: 'timestampTz', unit: 'millis' }, [-62_135_596_800_000_000n, 253_402_300_799_999_000n]],
  [{ kind: 'array', element: { kind: 'int32' } }, [[], [1], [null], [1, null, -3], Array.from({ length: 1000 }, (_, index) => index)]],
  [{ kind: 'array', element: { kind: 'text' } }, [['', null, '🎈', 'x'.repeat(500)]]],
  [{ kind: 'array', element: { kind: 'decimal', precision: 10, scale: 2 } }, [['1.50', '-0.01', null]]],
  [{ kind: 'array', element: { kind: 'timestampTz', unit: 'millis' } }, [[1000, null]]],
];

function tableOf(types: readonly DataType[], key: readonly number[] = []): TableSchema {
  const columns = types.map((dataType, index) => ({ name: `c${index}`, dataType, nullable: true, nativeType: '' }));
  return new TableSchema({ database: 'd', schema: 's', name: 't', columns, key });
}

function roundTrip(table: TableSchema, values: readonly Value[], writer = new RowWriter()): readonly Value[] {
  return writer.row(table, values).values();
}

describe('a value comes back as it was written', () => {
  for (const [type, values] of CASES) {
    test(`${JSON.stringify(type)}: ${values.length} values`, () => {
      for (const value of values) {
        expect(roundTrip(tableOf([type]), [value])).toEqual([value]);
        if (type.kind !== 'array') expect(roundTrip(tableOf([type], [0]), [value])).toEqual([value]);
      }
    });
  }

  test('an absent one is null, in every type', () => {
    for (const [type] of CASES) expect(roundTrip(tableOf([type]), [null])).toEqual([null]);
  });

  test('every type has a case', () => {
    const kinds = new Set(CASES.map(([type]) => type.kind));
    expect(kinds.size).toBe(21);
  });
});

test('rows of any table come back, whatever the size of the chunks', () => {
  fc.assert(
    fc.property(randomTables(), fc.integer({ min: 1, max: 300 }), ({ table, rows }, chunkBytes) => {
      const writer = new RowWriter(chunkBytes);
      const written = rows.map((values) => writer.row(table, values));
      expect(written.map((row) => row.values())).toEqual(rows);
    }),
    { numRuns: 100 },
  );
});

test('a row that is skipped ends where it ends when read', () => {
  fc.assert(
    fc.property(randomTables(), ({ table, rows }) => {
      const writer = new RowWriter();
      for (const row of rows.map((values) => writer.row(table, values))) {
        const reader = new RowReader(row.bytes, row.start);
        reader.skipRow(table);
        expect(reader.position).toBe(row.end);
        reader.position = row.start;
        for (const { type, isKey } of table.layout) if (isKey || reader.isPresent()) reader.skip(type);
        expect(reader.position).toBe(row.end);
      }
    }),
    { numRuns: 80 },
  );
});

describe('chunks', () => {
  const table = tableOf([{ kind: 'int32' }, { kind: 'text' }], [0]);

  test('a row that does not fit into the rest of a chunk moves to the next one, whole', () => {
    const writer = new RowWriter(64);
    const rows = Array.from({ length: 20 }, (_, index) => writer.row(table, [index, 'x'.repeat(index)]));
    expect(rows.map((row) => row.values())).toEqual(rows.map((_, index) => [index, 'x'.repeat(index)]));
    expect(new Set(rows.map(({ bytes }) => bytes)).size).toBeGreaterThan(1);
  });

  test('rows that share a chunk share its memory', () => {
    const writer = new RowWriter();
    expect(writer.row(table, [1, 'a']).bytes).toBe(writer.row(table, [2, 'b']).bytes);
  });

  test('a row larger than a chunk gets one that holds it, and the next row is fine', () => {
    const writer = new RowWriter(1024);
    const large = writer.row(table, [1, 'y'.repeat(5_000_000)]);
    const next = writer.row(table, [2, 'z']);
    expect(large.values()[1]).toHaveLength(5_000_000);
    expect(next.values()).toEqual([2, 'z']);
  });

  test('a large row is not kept in memory for long by the small ones behind it, nor is one of many values written again and again', () => {
    const writer = new RowWriter(1024);
    const large = writer.row(table, [1, 'y'.repeat(5_000_000)]);
    const next = Array.from({ length: 40 }, (_, index) => writer.row(table, [index, 'z'.repeat(50)]));
    expect(next.at(-1)?.bytes).not.toBe(large.bytes);
    expect(large.bytes.length - large.byteLength).toBeLessThan(2048);
    const wide = tableOf(
      Array.from({ length: 20 }, () => ({ kind: 'text' }) as const),
      [0],
    );
    const row = writer.row(
      wide,
      Array.from({ length: 20 }, () => 'w'.repeat(2000)),
    );
    expect(row.bytes.length).toBeGreaterThan(row.byteLength + 1024);
  });

  test('a row that could not be written leaves no trace in the next one', () => {
    const writer = new RowWriter();
    expect(() => writer.row(table, [1, UNCHANGED, 'too many'])).not.toThrow();
    expect(() => writer.row(table, [null, 'x'])).toThrow(TypeError);
    expect(writer.row(table, [3, 'c']).values()).toEqual([3, 'c']);
  });
});

describe('unchanged values', () => {
  const table = tableOf([{ kind: 'int32' }, { kind: 'text' }, { kind: 'text' }], [0]);

  test('are told apart from null', () => {
    expect(roundTrip(table, [1, UNCHANGED, null])).toEqual([1, UNCHANGED, null]);
  });

  test('cannot stand in a key', () => {
    expect(() => roundTrip(table, [UNCHANGED, 'a', 'b'])).toThrow('key column c0');
  });
});

describe('digits as databases print them', () => {
  const written = (write: (writer: RowWriter, bytes: Buffer) => void, text: string): Buffer => {
    const writer = new RowWriter();
    writer.begin();
    const padded = Buffer.from(`<<${text}>>`);
    write(writer, padded);
    const { bytes, start, end } = writer.end(tableOf([]), null);
    return bytes.subarray(start, end);
  };

  test('a 64-bit integer', () => {
    for (const text of [
      '0',
      '-0',
      '7',
      '-7',
      '000000000000000001',
      '999999999999999',
      '1000000000000000',
      '-999999999999999',
      String(INT64_MAX),
      String(INT64_MIN),
    ]) {
      const bytes = written((writer, padded) => writer.longFromDigits(padded, 2, 2 + text.length), text);
      expect(BigInt(new RowReader(bytes).long()), text).toBe(BigInt(text));
    }
  });

  test('a decimal, with the digits after the point filled up', () => {
    const cases: readonly (readonly [text: string, scale: number, expected: string])[] = [
      ['0', 2, '0.00'],
      ['-0.00', 2, '0.00'],
      ['12', 0, '12'],
      ['12', 2, '12.00'],
      ['12.', 2, '12.00'],
      ['.5', 2, '0.50'],
      ['-.5', 2, '-0.50'],
      ['-12.5', 2, '-12.50'],
      ['0.001', 3, '0.001'],
      ['9999999999999.99', 2, '9999999999999.99'],
      ['-99999999999999.99', 2, '-99999999999999.99'],
      ['99999999999999999', 5, '99999999999999999.00000'],
      [`-${'8'.repeat(60)}.${'7'.repeat(40)}`, 40, `-${'8'.repeat(60)}.${'7'.repeat(40)}`],
      [`0.${'0'.repeat(39)}1`, 40, `0.${'0'.repeat(39)}1`],
    ];
    for (const [text, scale, expected] of cases) {
      const bytes = written((writer, padded) => writer.decimalFromDigits(padded, 2, 2 + text.length, scale), text);
      expect(new RowReader(bytes).decimal(scale), text).toBe(expected);
    }
  });

  test('a decimal has the same bytes on the quick way and on the general one, as few as hold its sign', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 22n), max: 10n ** 22n }), fc.integer({ min: 0, max: 10 }), (unscaled, scale) => {
        const text = decimalText(unscaled, scale);
        const quick = written((writer, padded) => writer.decimalFromDigits(padded, 2, 2 + text.length, scale), text);
        const general = written((writer) => writer.decimal(text, scale), text);
        expect(quick).toEqual(general);
        const length = quick.length - 1;
        expect(BigInt.asIntN(length * 8, unscaled)).toBe(unscaled);
        if (length > 1) expect(BigInt.asIntN(length * 8 - 8, unscaled)).not.toBe(unscaled);
      }),
    );
  });
});

test('timestamps in milliseconds are rounded down, before 1970 and far away as well', () => {
  const table = tableOf([{ kind: 'timestamp', unit: 'millis' }]);
  expect(roundTrip(table, [1_999])).toEqual([1000]);
  expect(roundTrip(table, [-1])).toEqual([-1000]);
  expect(roundTrip(table, [-62_135_596_800_000_001n])).toEqual([-62_135_596_800_001_000n]);
  expect(roundTrip(table, [-62_135_596_800_001_000n])).toEqual([-62_135_596_800_001_000n]);
});

test('the infinities are the ends of the 64 bits that travel, in milliseconds as in microseconds', () => {
  for (const unit of ['micros', 'millis'] as const) {
    const table = tableOf(
      [
        { kind: 'timestamp', unit },
        { kind: 'timestampTz', unit },
      ],
      [0, 1],
    );
    const row = new RowWriter().row(table, [TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY]);
    const reader = new RowReader(row.bytes, row.start);
    expect([reader.long(), reader.long()]).toEqual([INT64_MAX, INT64_MIN]);
  }
});
