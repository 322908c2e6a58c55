import avsc from 'avsc';
import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { type ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import { buildEnvelopeSchema, buildKeySchema, fieldNames, parseTableSchema } from './table-schemas.ts';

const TOPIC = 'shop.public.orders';

function column(name: string, dataType: DataType = { kind: 'text' }, nullable = true): ColumnDef {
  return { name, dataType, nullable, nativeType: dataType.kind };
}

function tableOf(columns: readonly ColumnDef[], key: readonly number[] = [0]): TableSchema {
  return new TableSchema({ database: 'shop', schema: 'public', name: 'orders', columns, key });
}

const ID = column('id', { kind: 'int64' }, false);

describe('field names', () => {
  const cases: readonly (readonly [columns: readonly string[], fields: readonly string[]])[] = [
    [
      ['id', 'Name', '_x1'],
      ['id', 'Name', '_x1'],
    ],
    [
      ['größe', 'a b', '2nd', '', '-'],
      ['gr__e', 'a_b', '_2nd', '_', '__'],
    ],
    [
      ['a-b', 'a_b', 'a b', 'a_b_'],
      ['a_b', 'a_b_', 'a_b__', 'a_b___'],
    ],
  ];
  for (const [columns, fields] of cases) {
    test(`${JSON.stringify(columns)} become ${JSON.stringify(fields)}`, () => {
      expect(
        fieldNames(
          tableOf(
            columns.map((name) => column(name)),
            [],
          ),
        ),
      ).toEqual(fields);
    });
  }

  test('are the same in the key and in the row', () => {
    const table = tableOf([column('a-b'), column('a_b')], [1]);
    expect(buildKeySchema(table, TOPIC).fields.map(({ name }) => name)).toEqual(['a_b_']);
  });
});

/** Whether avsc can read what was written with one schema by means of another (Avro specification, "Schema Resolution"). */
function canRead(reader: TableSchema, writer: TableSchema): boolean {
  const types = [reader, writer].map((table) => avsc.Type.forSchema(buildEnvelopeSchema(table, TOPIC) as unknown as avsc.Schema, { registry: {} }));
  try {
    types[0]?.createResolver(types[1] as avsc.Type);
    return true;
  } catch {
    return false;
  }
}

describe('compatibility', () => {
  const before = tableOf([ID, column('name')]);
  const cases: readonly (readonly [change: string, after: TableSchema, backward: boolean, forward: boolean])[] = [
    ['a column is added', tableOf([ID, column('name'), column('note')]), true, true],
    ['a column is dropped', tableOf([ID]), true, true],
    ['a column that must not be null is added', tableOf([ID, column('name'), column('note', { kind: 'text' }, false)]), true, true],
    ['a column is renamed', tableOf([ID, column('title')]), true, true],
    ['columns change places', tableOf([column('name'), ID], [1]), true, true],
    ['a column may be null from now on', tableOf([ID, column('name', { kind: 'text' }, false)]), true, true],
    ['a table loses its key', tableOf([ID, column('name')], []), true, false],
    ['an integer becomes a text', tableOf([column('id', { kind: 'text' }, false), column('name')]), false, false],
  ];
  for (const [change, after, backward, forward] of cases) {
    test(`${change}: ${backward ? 'new readers read old records' : 'refused'}${forward ? ', old readers new ones' : ''}`, () => {
      expect([canRead(after, before), canRead(before, after)]).toEqual([backward, forward]);
    });
  }
});

describe('reading a schema back', () => {
  test('what was written by something else is refused, with what to do', () => {
    const foreign = [
      null,
      'string',
      {},
      { type: 'record', name: 'x', fields: [] },
      { type: 'record', name: 'Envelope', fields: [{ name: 'before', type: ['null', { type: 'record', name: 'Value', fields: [] }] }] },
    ];
    for (const schema of foreign) {
      expect(() => parseTableSchema(schema, TOPIC)).toThrow(
        expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE', remedy: expect.stringContaining('SINK_TOPICS') }),
      );
    }
  });

  test('a key that is no column is refused', () => {
    const text = JSON.stringify(buildEnvelopeSchema(tableOf([ID]), TOPIC)).replace('"dbmazz.key":["id"]', '"dbmazz.key":["other"]');
    expect(() => parseTableSchema(JSON.parse(text), TOPIC)).toThrow(expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE' }));
  });

  test('a type of a later version is refused by the name of its column', () => {
    const text = JSON.stringify(buildEnvelopeSchema(tableOf([ID, column('place')]), TOPIC)).replace('{"kind":"text"}', '{"kind":"point"}');
    expect(() => parseTableSchema(JSON.parse(text), TOPIC)).toThrow(
      'Column place in the records of shop.public.orders has a type that this version does not know.',
    );
  });

  test('a column goes by its own name, not by that of its field', () => {
    const table = tableOf([column('größe'), column('gr__e')], [1, 0]);
    const parsed = parseTableSchema(JSON.parse(JSON.stringify(buildEnvelopeSchema(table, TOPIC))), TOPIC);
    expect(parsed.columns.map(({ name }) => name)).toEqual(['größe', 'gr__e']);
    expect(parsed.key).toEqual([1, 0]);
  });
});
