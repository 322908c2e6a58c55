import { describe, expect, test } from 'vitest';
import { TableSchema, type TableDefinition } from './table-schema.ts';

const DEFINITION: TableDefinition = {
  database: 'shop',
  schema: 'public',
  name: 'orders',
  columns: [
    { name: 'line', dataType: { kind: 'int32' }, nullable: false, nativeType: 'integer' },
    { name: 'total', dataType: { kind: 'decimal', precision: 12, scale: 2 }, nullable: true, nativeType: 'numeric(12,2)' },
    { name: 'id', dataType: { kind: 'int64' }, nullable: false, nativeType: 'bigint' },
  ],
  key: [2, 0],
};
const [line, total, id] = DEFINITION.columns as [TableDefinition['columns'][0], TableDefinition['columns'][0], TableDefinition['columns'][0]];

describe('a fingerprint', () => {
  test('is the same for two that say the same', () => {
    expect(new TableSchema(structuredClone(DEFINITION)).fingerprint).toBe(new TableSchema(DEFINITION).fingerprint);
  });

  const changes: readonly (readonly [what: string, change: Partial<TableDefinition>])[] = [
    ['the database', { database: 'other' }],
    ['the schema', { schema: 'other' }],
    ['the name', { name: 'other' }],
    ['the order of the key', { key: [0, 2] }],
    ['the order of the columns', { columns: [total, line, id] }],
    ['a declaration', { columns: [line, { ...total, nativeType: 'numeric' }, id] }],
    ['a scale', { columns: [line, { ...total, dataType: { kind: 'decimal', precision: 12, scale: 3 } }, id] }],
    ['whether a column may be null', { columns: [line, { ...total, nullable: false }, id] }],
  ];
  for (const [what, change] of changes) {
    test(`differs with ${what}`, () => {
      expect(new TableSchema({ ...DEFINITION, ...change }).fingerprint).not.toBe(new TableSchema(DEFINITION).fingerprint);
    });
  }
});

test('key columns come in the order of the key', () => {
  expect(new TableSchema(DEFINITION).keyColumns.map(({ name }) => name)).toEqual(['id', 'line']);
});

test('a column that is not there is a RangeError with the name of the table', () => {
  expect(() => new TableSchema(DEFINITION).column(3)).toThrow('public.orders has no column 3');
});
