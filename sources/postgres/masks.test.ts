import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { MaskKind } from '../../shared/config/column-rules.ts';
import { RowPages } from '../../shared/record/row-pages.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import { type ColumnSpec, version } from '../../test/contract/postgres-tables.ts';
import { CopyTextReader } from './copy-text.ts';
import { maskOf } from './masks.ts';
import { Relation } from './relation.ts';

const KEY: ColumnSpec = { name: 'id', type: 'int4', primaryPlace: 1 };

function relationOf(type: string, kind: MaskKind, secret?: string): Relation {
  const { table, columns } = version([KEY, { name: 'v', type, notNull: true }, { name: 'w', type: 'text' }], {
    masks: new Map([['public.t.v', maskOf(kind, secret)]]),
    unknown: 'stop',
  });
  return new Relation(table, columns);
}

/** The value of `v` as the stream gives it: `cell` as pgoutput sends it. */
function streamed(relation: Relation, cell: string | null | typeof UNCHANGED): Value | undefined {
  const text = (value: string) => Buffer.concat([Buffer.from('t'), Buffer.from(new Uint8Array([0, 0, 0, Buffer.byteLength(value)])), Buffer.from(value)]);
  const middle = cell === null ? Buffer.from('n') : cell === UNCHANGED ? Buffer.from('u') : text(String(cell));
  const bytes = Buffer.concat([Buffer.of(0, 3), text('1'), middle, text('end')]);
  const row = relation.readTuple(bytes, 0, bytes.length, new RowWriter());
  expect([row.values()[0], row.values()[2]]).toEqual([1, 'end']);
  return row.values()[1];
}

/** The same as COPY gives it. */
function copied(relation: Relation, cell: string | null): Value | undefined {
  const line = Buffer.from(`1\t${cell ?? '\\N'}\tend\n`);
  const rows = new RowPages(relation.table);
  new CopyTextReader(relation, new RowWriter()).read(line, 0, line.length, rows);
  const [row] = rows;
  expect([row?.values()[0], row?.values()[2]]).toEqual([1, 'end']);
  return row?.values()[1];
}

const SHA_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('a masked value is the same from the stream and from COPY', () => {
  test.each([
    ['text', 'redact', 'abc', '***'],
    ['int4', 'redact', '42', '***'],
    ['int4[]', 'redact', '{1,2}', '***'],
    ['text', 'hash', 'abc', SHA_OF_ABC],
    ['varchar', 'hash', 'abc', SHA_OF_ABC],
    ['int4', 'hash', '42', '73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049'],
    ['text', 'null', 'abc', null],
    ['int4', 'null', '42', null],
    ['int4[]', 'null', '{1}', null],
  ] as const)('%s:%s', (type, kind, cell, expected) => {
    const relation = relationOf(type, kind);
    expect([streamed(relation, cell), copied(relation, cell)]).toEqual([expected, expected]);
  });

  test('with a key: the hash is its HMAC', () => {
    const relation = relationOf('text', 'hash', 'pepper');
    const expected = createHmac('sha256', 'pepper').update('abc').digest('hex');
    expect([streamed(relation, 'abc'), copied(relation, 'abc')]).toEqual([expected, expected]);
  });

  test('of a value that COPY escapes: the hash is that of the value itself', () => {
    const relation = relationOf('text', 'hash');
    expect(copied(relation, 'a\\tb')).toBe(streamed(relation, 'a\tb'));
  });
});

test('NULL stays NULL, and what was not sent stays unknown', () => {
  for (const kind of ['redact', 'hash', 'null'] as const) {
    const relation = relationOf('text', kind);
    expect([streamed(relation, null), copied(relation, null), streamed(relation, UNCHANGED)]).toEqual([null, null, UNCHANGED]);
  }
});

describe('the column of a mask', () => {
  test.each([
    ['int4', 'redact', { dataType: { kind: 'text' }, nullable: false, nativeType: 'text' }],
    ['int4', 'hash', { dataType: { kind: 'text' }, nullable: false, nativeType: 'text' }],
    ['int4', 'null', { dataType: { kind: 'int32' }, nullable: true, nativeType: 'int4' }],
    ['strange_type', 'redact', { dataType: { kind: 'text' }, nullable: false, nativeType: 'text' }],
    ['strange_type', 'null', { dataType: { kind: 'text' }, nullable: true, nativeType: 'text' }],
  ] as const)('%s:%s', (type, kind, expected) => {
    expect(relationOf(type, kind).table.columns[1]).toEqual({ name: 'v', ...expected });
  });
});
