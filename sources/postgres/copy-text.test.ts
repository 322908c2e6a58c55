import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { Value } from '../../shared/record/value.ts';
import { version } from '../../test/contract/postgres-tables.ts';
import { CopyTextReader } from './copy-text.ts';
import { Relation } from './relation.ts';

const { table, columns } = version([
  { name: 'id', type: 'int4', primaryPlace: 0 },
  { name: 'a', type: 'text' },
  { name: 'b', type: 'bytea' },
  { name: 'c', type: 'text' },
]);

const newReader = () => new CopyTextReader(new Relation(table, columns), new RowWriter());
const read = (...pieces: readonly Buffer[]): Value[][] => {
  const reader = newReader();
  return pieces.flatMap((piece) => reader.read(piece)).map((row) => row.values());
};

/** As the manual describes the text format of COPY. */
const escape = (text: string) =>
  text.replaceAll(/[\\\b\f\n\r\t\v]/g, (char) => `\\${{ '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v' }[char] ?? ''}`);
const line = (id: number, a: string | null, b: Buffer | null, c: string | null) =>
  `${[String(id), a === null ? '\\N' : escape(a), b === null ? '\\N' : escape(`\\x${b.toString('hex')}`), c === null ? '\\N' : escape(c)].join('\t')}\n`;

const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 4 });
const text = fc.string({ unit: fc.constantFrom(...'až🐎\\\n\t\r\b\f\vNx0.', '\\N', '\\.') });
const rows = fc.array(
  fc.tuple(fc.integer({ min: -1e9, max: 1e9 }), nullable(text), nullable(fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes))), nullable(text)),
  { maxLength: 6 },
);

describe('rows of COPY', () => {
  test('come back as they were, whatever their text', () => {
    fc.assert(fc.property(rows, (values) => void expect(read(Buffer.from(values.map((row) => line(...row)).join('')))).toEqual(values)));
  });

  test('are the same wherever the output is cut', () => {
    fc.assert(
      fc.property(rows, (values) => {
        const bytes = Buffer.from(values.map((row) => line(...row)).join(''));
        for (let cut = 0; cut <= bytes.length; cut++) expect(read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(values);
        expect(read(...Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(values);
      }),
      { numRuns: 60 },
    );
  });

  test('tell null from the text that looks like it', () => {
    expect(read(Buffer.from('1\t\\N\t\\N\t\\\\N\n2\t\t\\\\x\tNULL\n'))).toEqual([
      [1, null, null, '\\N'],
      [2, '', Buffer.alloc(0), 'NULL'],
    ]);
  });

  test('of a large value are joined once, however many pieces it comes in', () => {
    const large = 'x'.repeat(20_000_000);
    const bytes = Buffer.from(line(1, large, null, 'end'));
    const pieces = Array.from({ length: Math.ceil(bytes.length / 8192) }, (_, at) => bytes.subarray(at * 8192, (at + 1) * 8192));
    expect(read(...pieces)[0]?.[1]).toHaveLength(large.length);
  });

  test('give the key of the last one, in the order asked for and without escapes', () => {
    const reader = newReader();
    reader.read(Buffer.from(line(1, 'a', null, 'c') + line(2, 'tab\there', Buffer.from([9]), 'C')));
    reader.read(Buffer.from('3\tnot yet'));
    expect(reader.lastTexts([3, 0, 1, 2])).toEqual(['C', '2', 'tab\there', '\\x09']);
  });

  test('with too few columns are broken', () => {
    expect(() => read(Buffer.from('1\ta\n'))).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
  });
});
