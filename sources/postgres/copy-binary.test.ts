import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowPages } from '../../shared/record/row-pages.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { Value } from '../../shared/record/value.ts';
import { type ColumnSpec, RULES, version } from '../../test/contract/postgres-tables.ts';
import { numericTextAt } from './binary-values.ts';
import { isBinary, isCopiedInBinary } from './binary-cells.ts';
import { CopyBinaryReader } from './copy-binary.ts';
import { maskOf } from './masks.ts';
import { Relation } from './relation.ts';

const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const END = Buffer.of(0xff, 0xff);
const KEY: ColumnSpec = { name: 'id', type: 'int4', primaryPlace: 1 };

const int16 = (...values: readonly number[]) => Buffer.concat(values.map((value) => Buffer.of((value >> 8) & 0xff, value & 0xff)));
const int32 = (value: number) => Buffer.of(value >>> 24, value >>> 16, value >>> 8, value);
const cell = (bytes: Buffer | null) => (bytes === null ? int32(-1) : Buffer.concat([int32(bytes.length), bytes]));
const tuple = (...cells: readonly (Buffer | null)[]) => Buffer.concat([int16(cells.length), ...cells.map(cell)]);

/** A numeric as the server sends it, from its text. */
function numeric(text: string): Buffer {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)\.?(\d*)$/.exec(text) ?? [];
  const padded = whole.padStart(Math.ceil(whole.length / 4) * 4, '0') + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
  const groups = padded.match(/.{4}/g)?.map(Number) ?? [];
  let weight = Math.ceil(whole.length / 4) - 1;
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift();
    weight--;
  }
  while (groups.at(-1) === 0) groups.pop();
  return int16(groups.length, groups.length === 0 ? 0 : weight, sign === '' || groups.length === 0 ? 0 : 0x4000, fraction.length, ...groups);
}

function readerOf(type: Partial<ColumnSpec> & { readonly type: string }, rules: Parameters<typeof version>[1] = {}) {
  const { table, columns } = version([KEY, { name: 'v', ...type }], rules);
  return { table, columns, reader: new CopyBinaryReader(new Relation(table, columns), new RowWriter()) };
}

/** The value of a cell of a type. */
function valueOf(type: Partial<ColumnSpec> & { readonly type: string }, bytes: Buffer | null): Value | undefined {
  const { table, reader } = readerOf(type);
  const rows = new RowPages(table);
  for (const message of [Buffer.concat([HEADER, tuple(int32(7), bytes)]), END]) reader.read(message, 0, message.length, rows);
  const [row] = rows;
  expect([rows.length, row?.values()[0]]).toEqual([1, 7]);
  return row?.values()[1];
}

const digits = (most: number) => fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: most });
/** Without zeros before it, as the server prints it. */
const whole = (most: number) => digits(most).map((text) => text.replace(/^0+(?=\d)/, ''));

describe('a value in binary form', () => {
  test('of numeric(n, 3) is the number that it is, however large', () => {
    fc.assert(
      fc.property(fc.constantFrom('', '-'), whole(24), fc.string({ unit: fc.constantFrom(...'019'), minLength: 3, maxLength: 3 }), (sign, before, behind) => {
        const text = `${sign}${before}.${behind}`;
        const expected = /[1-9]/.test(text) ? text : text.slice(sign.length);
        expect(valueOf({ type: 'numeric', typeModifier: ((30 << 16) | 3) + 4 }, numeric(text))).toBe(expected);
      }),
    );
  });

  test('of numeric is printed as the server does', () => {
    fc.assert(
      fc.property(fc.constantFrom('', '-'), whole(30), digits(20), (sign, before, behind) => {
        const text = `${sign}${before}.${behind}`;
        expect(numericTextAt(numeric(text), 0)).toBe(/[1-9]/.test(text) ? text : text.slice(sign.length));
      }),
    );
    expect([0xc000, 0xd000, 0xf000].map((sign) => valueOf({ type: 'numeric' }, int16(0, 0, sign, 0)))).toEqual(['NaN', 'Infinity', '-Infinity']);
  });

  test('of a timestamp is in microseconds since 1970, with its infinities; beyond them it is refused', () => {
    const at = (high: number, low: number) => valueOf({ type: 'timestamptz' }, Buffer.concat([int32(high), int32(low)]));
    expect([at(0, 1), at(-1, -1), at(0x7fffffff, -1), at(-0x80000000, 0)]).toEqual([
      946_684_800_000_001,
      946_684_799_999_999,
      9223372036854775807n,
      -9223372036854775808n,
    ]);
    expect(() => at(0x7fffffff, -2)).toThrow(expect.objectContaining({ code: 'VALUE_OUT_OF_RANGE', message: expect.stringContaining('column v') }));
  });

  test('of a decimal that is none is refused, with its column', () => {
    const read = () => valueOf({ type: 'numeric', typeModifier: ((10 << 16) | 2) + 4 }, int16(0, 0, 0xc000, 0));
    expect(read).toThrow(expect.objectContaining({ code: 'VALUE_OUT_OF_RANGE', message: expect.stringContaining('column v') }));
  });

  test('that is NULL stays NULL', () => {
    expect(valueOf({ type: 'uuid' }, null)).toBeNull();
  });
});

describe('a table', () => {
  test.each(['inet[]', 'interval', 'xml', 'inet'])('with a column of type %s is not read in binary form', (name) => {
    const { table, columns } = readerOf({ type: name });
    expect([isBinary(table, columns), isCopiedInBinary(table, columns)]).toEqual([false, false]);
  });

  test('is so where a mask needs the text of what has another form', () => {
    const masked = (type: string, kind: 'hash' | 'redact') => {
      const { table, columns } = readerOf({ type }, { ...RULES, masks: new Map([['public.t.v', maskOf(kind, undefined)]]) });
      return isCopiedInBinary(table, columns);
    };
    expect([masked('int8', 'hash'), masked('bytea', 'hash'), masked('text', 'hash'), masked('int8', 'redact')]).toEqual([false, false, true, true]);
  });

  test('whose only odd column leaves nothing of itself is read so from the log, and not copied so: its type may have no binary form', () => {
    const redacted = readerOf({ type: 'odd' }, { ...RULES, unknown: 'string', masks: new Map([['public.t.v', maskOf('redact', undefined)]]) });
    const excluded = version([KEY, { name: 'v', type: 'odd' }], { ...RULES, excluded: new Set(['public.t.v']) });
    for (const { table, columns } of [redacted, excluded]) expect([isBinary(table, columns), isCopiedInBinary(table, columns)]).toEqual([true, false]);
  });
});

test.each([
  ['has no header', Buffer.concat([tuple(int32(1), null)])],
  ['has too few columns', Buffer.concat([HEADER, tuple(int32(1))])],
  ['ends within a cell', Buffer.concat([HEADER, tuple(int32(1), Buffer.alloc(16)).subarray(0, -1)])],
  ['ends within the length of a cell', Buffer.concat([HEADER, tuple(int32(1), null).subarray(0, -1)])],
  ['has no key', Buffer.concat([HEADER, tuple(null, null)])],
])('output that %s is broken', (_, message) => {
  const { table, reader } = readerOf({ type: 'uuid' });
  expect(() => reader.read(message, 0, message.length, new RowPages(table))).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
});
