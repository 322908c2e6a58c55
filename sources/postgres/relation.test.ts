import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCdcError } from '../../shared/errors/cdc-error.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import { type ColumnSpec, version } from '../../test/contract/postgres-tables.ts';
import { Relation } from './relation.ts';

/** A buffer is a value in binary form. */
type Cell = string | Buffer | null | typeof UNCHANGED;

const ID: ColumnSpec = { name: 'id', type: 'int4', primaryPlace: 0 };

/** TupleData as the manual describes it. */
function tuple(...cells: readonly Cell[]): Buffer {
  const parts = cells.map((cell) => {
    if (cell === null || cell === UNCHANGED) return Buffer.from(cell === null ? 'n' : 'u');
    const [kind, bytes] = typeof cell === 'string' ? ['t', Buffer.from(cell)] : ['b', cell];
    const head = Buffer.alloc(5, kind);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  });
  const count = Buffer.alloc(2);
  count.writeUInt16BE(cells.length);
  return Buffer.concat([count, ...parts]);
}

function relationOf(columns: readonly ColumnSpec[], rules = {}): Relation {
  const { table, columns: sent } = version(columns, rules);
  return new Relation(table, sent);
}

const readRow = (relation: Relation, bytes: Buffer, old: Row | null = null) => relation.readTuple(bytes, 0, bytes.length, new RowWriter(), old);
const read = (relation: Relation, ...cells: readonly Cell[]) => readRow(relation, tuple(...cells)).values();
const NUMERIC_10_2 = 655_366;

describe('a cell', () => {
  test.each<[string, Partial<ColumnSpec>, string, unknown]>([
    ['bool', {}, 't', true],
    ['bool', {}, 'f', false],
    ['int2', {}, '-32768', -32_768],
    ['int4', {}, '2147483647', 2_147_483_647],
    ['int8', {}, '-9223372036854775808', -9_223_372_036_854_775_808n],
    ['float4', {}, '0.1', Math.fround(0.1)],
    ['float8', {}, '-Infinity', -Infinity],
    ['numeric', { typeModifier: NUMERIC_10_2 }, '-0.5', '-0.50'],
    ['numeric', { typeModifier: NUMERIC_10_2 }, '99999999.99', '99999999.99'],
    ['numeric', {}, '1.500', '1.500'],
    ['text', {}, '', ''],
    ['text', {}, 'ž🐎', 'ž🐎'],
    ['bytea', {}, '\\x00ff', Buffer.from([0, 255])],
    ['date', {}, '1970-01-02', 1],
    ['time', {}, '00:00:00.000001', 1],
    ['timestamptz', {}, '1970-01-01 00:00:01+00', 1_000_000],
    ['int4[]', {}, '{1,NULL}', [1, null]],
    ['int4[]', { dimensions: 2 }, '{{1,2}}', '[[1,2]]'],
    ['bool[]', { dimensions: 2 }, '{{t}}', '[[true]]'],
    ['box[]', {}, '{(1,1),(0,0);(2,2),(1,1)}', ['(1,1),(0,0)', '(2,2),(1,1)']],
  ])('of type %s %j: %s', (type, more, text, value) => {
    expect(read(relationOf([ID, { name: 'v', type, ...more }]), '1', text)).toEqual([1, value]);
  });

  test('loses what is below a millisecond where TIME_PRECISION says so', () => {
    const relation = relationOf([ID, { name: 't', type: 'time' }, { name: 'ts', type: 'timestamp' }], { timeUnit: 'millis' });
    expect(read(relation, '1', '00:00:01.234567', '1969-12-31 23:59:59.999999')).toEqual([1, 1_234_000, -1000]);
  });

  test.each([
    ['numeric', { typeModifier: NUMERIC_10_2 }, 'NaN', 'VALUE_OUT_OF_RANGE'],
    ['numeric', { typeModifier: NUMERIC_10_2 }, '-Infinity', 'VALUE_OUT_OF_RANGE'],
    ['timestamp', {}, '294276-01-01 00:00:00', 'VALUE_OUT_OF_RANGE'],
    ['int4[]', {}, '{{1},{2}}', 'VALUE_OUT_OF_RANGE'],
    ['int4[]', {}, '1,2', 'PARSE_FAILED'],
    ['date', {}, 'yesterday', 'PARSE_FAILED'],
    ['int8', {}, '12345678901234567890x', 'PARSE_FAILED'],
  ])('of type %s %j that says %j is refused with its table and column, and not with its value', (type, more, text, code) => {
    const attempt = () => read(relationOf([ID, { name: 'v', type, ...more }]), '1', text);
    expect(attempt).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(/public\.t/) as string, context: expect.objectContaining({ column: 'v' }) as object }),
    );
    expect(attempt).not.toThrow(text.length > 8 ? text : '\0');
  });
});

describe('a tuple in binary form', () => {
  const int = (value: number) => Buffer.of(value >>> 24, value >>> 16, value >>> 8, value);

  test('has values, nulls and values that were not sent; what has no binary form comes as text beside them', () => {
    const relation = relationOf([ID, { name: 'at', type: 'date' }, { name: 'note', type: 'text' }, { name: 'big', type: 'jsonb' }]);
    expect(read(relation, int(-7), int(0), Buffer.from('ž'), Buffer.from('\u0001[1]'))).toEqual([-7, 10_957, 'ž', '[1]']);
    expect(read(relation, int(1), null, '', UNCHANGED)).toEqual([1, null, '', UNCHANGED]);
  });

  test('passes over columns that are left out, whatever they hold', () => {
    const partly = relationOf([{ name: 'a', type: 'inet' }, ID], { excluded: new Set(['public.t.a']) });
    expect([read(partly, Buffer.of(2, 32, 0, 4, 1, 2, 3, 4), int(1)), read(partly, null, int(2))]).toEqual([[1], [2]]);
  });

  test('gives its key as text that the server reads', () => {
    const keyed = relationOf([
      { name: 'note', type: 'text' },
      { name: 'at', type: 'date', primaryPlace: 0 },
    ]);
    expect(keyed.keyTexts(tuple(Buffer.from('x'), int(-1)), 0)).toEqual(['1999-12-31']);
  });

  test('has a key that was not sent from the old row', () => {
    const keyed = relationOf([
      { name: 'id', type: 'text', primaryPlace: 0 },
      { name: 'n', type: 'int4' },
    ]);
    const old = readRow(keyed, tuple(Buffer.from('key'), null));
    expect(readRow(keyed, tuple(UNCHANGED, int(2)), old).values()).toEqual(['key', 2]);
  });

  test.each([
    ['a number that is too short', 'int4', Buffer.of(0, 0, 1)],
    ['a timestamp that is too long', 'timestamptz', Buffer.alloc(9)],
    ['a numeric whose digits are missing', 'numeric', Buffer.of(0, 2, 0, 0, 0, 0, 0, 0, 0, 1)],
    ['jsonb without its form', 'jsonb', Buffer.alloc(0)],
    ['a type that is read as text', 'inet', Buffer.of(2, 32, 0, 4, 1, 2, 3, 4)],
    ['jsonb of another form', 'jsonb', Buffer.from('\u0002{}')],
  ])('with %s is broken', (_, type, bytes) => {
    expect(() => read(relationOf([ID, { name: 'v', type }]), int(1), bytes)).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
  });
});

describe('a tuple', () => {
  const relation = relationOf([ID, { name: 'note', type: 'text' }, { name: 'big', type: 'text' }]);

  test('tells null from empty, and both from what was not sent', () => {
    expect(read(relation, '1', null, '')).toEqual([1, null, '']);
    const row = readRow(relation, tuple('1', 'a', UNCHANGED));
    expect([row.values(), row.unchanged]).toEqual([[1, 'a', UNCHANGED], [2]]);
  });

  test('says where it ends, so that a second one can follow', () => {
    const [old, now] = [tuple('1', null, null), tuple('2', 'b', 'c')];
    readRow(relation, Buffer.concat([old, now]));
    expect(relation.end).toBe(old.length);
  });

  test('passes over columns that are left out', () => {
    const partly = relationOf([{ name: 'a', type: 'text' }, ID, { name: 'b', type: 'text' }, { name: 'c', type: 'text' }], {
      excluded: new Set(['public.t.a', 'public.t.b']),
    });
    expect(read(partly, 'secret', '1', 'secret', 'c')).toEqual([1, 'c']);
    expect(read(partly, null, '1', UNCHANGED, null)).toEqual([1, null]);
  });

  test('gives the text of its key columns in key order', () => {
    const composite = relationOf([
      { name: 'note', type: 'text' },
      { name: 'b', type: 'text', primaryPlace: 1 },
      { name: 'a', type: 'timestamptz', primaryPlace: 0 },
    ]);
    expect(composite.keyTexts(tuple(null, 'x', '2024-01-01 00:00:00+00'), 0)).toEqual(['2024-01-01 00:00:00+00', 'x']);
    expect(composite.keyTexts(tuple('n', UNCHANGED, 'y'), 0)).toEqual(['y', undefined]);
  });

  test('has a key that was not sent from the old row, and without one is broken', () => {
    const keyed = relationOf([
      { name: 'id', type: 'text', primaryPlace: 0 },
      { name: 'note', type: 'text' },
    ]);
    const old = readRow(keyed, tuple('key', null));
    expect(readRow(keyed, tuple(UNCHANGED, 'b'), old).values()).toEqual(['key', 'b']);
    expect(() => readRow(keyed, tuple(UNCHANGED, 'b'))).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
    expect(() => readRow(keyed, tuple(null, 'b'), old)).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
  });

  test.each([
    ['another number of columns', tuple('1', 'a')],
    ['a value longer than the message', tuple('1', 'a', 'b').subarray(0, -1)],
    ['a value of an unknown kind', Buffer.from([0, 3, 0x74, 0, 0, 0, 1, 0x31, 0x6e, 0x78])],
    ['a negative length', Buffer.from([0, 3, 0x74, 255, 255, 255, 255, 0x31, 0x6e, 0x6e])],
  ])('with %s is broken', (_, bytes) => {
    expect(() => readRow(relation, bytes)).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
  });

  test('of random bytes gives a row or an error, and no other', () => {
    const types = ['int4', 'int8', 'bool', 'text', 'bytea', 'date', 'time', 'timestamptz', 'float8', 'numeric', 'int4[]', 'text[]'];
    const wide = relationOf([ID, ...types.map((type, index) => ({ name: `c${index}`, type }))]);
    const cell = fc.oneof(
      fc.string(),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(null),
      fc.constant(UNCHANGED as Cell),
      fc.string({ unit: fc.constantFrom(...'{}",\\0123456789-: .BCinfty+[]=') }),
    );
    const nearly = fc.array(cell, { minLength: types.length, maxLength: types.length }).map((cells) => tuple('1', ...cells));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
          nearly,
        ),
        (bytes) => {
          try {
            readRow(wide, bytes).values();
          } catch (error) {
            expect(error instanceof RangeError || isCdcError(error, 'PARSE_FAILED', 'VALUE_OUT_OF_RANGE'), String(error)).toBe(true);
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});
