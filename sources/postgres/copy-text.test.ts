import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowPages } from '../../shared/record/row-pages.ts';
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
const read = (...lines: readonly string[]): Value[][] => {
  const [reader, rows] = [newReader(), new RowPages(table)];
  for (const text of lines) readLine(reader, text, rows);
  return Array.from(rows, (row) => row.values());
};

/** A line in the midst of other bytes, as it lies in what came from the socket. */
function readLine(reader: CopyTextReader, text: string, rows = new RowPages(table)): void {
  const bytes = Buffer.from(`\\d\t${text}\\N\n`);
  reader.read(bytes, 3, bytes.length - 3, rows);
}

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
    fc.assert(fc.property(rows, (values) => void expect(read(...values.map((row) => line(...row)))).toEqual(values)));
  });

  test('tell null from the text that looks like it', () => {
    expect(read('1\t\\N\t\\N\t\\\\N\n', '2\t\t\\\\x\tNULL\n')).toEqual([
      [1, null, null, '\\N'],
      [2, '', Buffer.alloc(0), 'NULL'],
    ]);
  });

  test('give the key of the last one, in the order asked for and without escapes', () => {
    const reader = newReader();
    readLine(reader, line(1, 'a', null, 'c'));
    readLine(reader, line(2, 'tab\there', Buffer.from([9]), 'C'));
    expect(reader.lastTexts([3, 0, 1, 2])).toEqual(['C', '2', 'tab\there', '\\x09']);
  });

  test.each(['1\ta\n', '1\ta\t\\\\x\tc', ''])('that are not whole are broken (%j)', (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
  });
});
