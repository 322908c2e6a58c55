import { describe, expect, test } from 'vitest';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { catalogTable, column, keyNames, relationMessage, RULES } from '../../test/contract/postgres-tables.ts';
import { type CatalogTable, matches, toRelationVersion, toTableVersion } from './catalog.ts';

const T = catalogTable([
  { name: 'b', type: 'text', primaryPlace: 2, notNull: true },
  { name: 'twice', type: 'int4', isGenerated: true },
  { name: 'a', type: 'int4', primaryPlace: 1, notNull: true, identityPlace: 2 },
  { name: 'code', type: 'varchar', typeModifier: 44, declaration: 'character varying(40)', notNull: true, identityPlace: 1 },
  { name: 'note', type: 'text' },
]);

const describeColumns = ({ columns }: TableSchema) => columns.map(({ name, nativeType, nullable }) => `${name} ${nativeType}${nullable ? '' : ' not null'}`);

/** The version that the log means, by a catalogue that is at another place. */
function seen(message: CatalogTable, tables: readonly CatalogTable[], types = T.columns.slice(0, 0)): TableSchema | undefined {
  return toRelationVersion(relationMessage(message), { tables, types }, RULES)?.table;
}

describe('a table as the catalogue has it', () => {
  test('keeps the order of its columns, of its key, and leaves generated columns out', () => {
    const { table, columns } = toTableVersion(T, RULES);
    expect(describeColumns(table)).toEqual(['b text not null', 'a int4 not null', 'code character varying(40) not null', 'note text']);
    expect(keyNames(table)).toEqual(['a', 'b']);
    expect(columns.map(({ name, column: place }) => [name, place])).toEqual([
      ['b', 0],
      ['a', 1],
      ['code', 2],
      ['note', 3],
    ]);
  });

  test('has the columns of its replica identity index for a key where it has one', () => {
    expect(keyNames(toTableVersion({ ...T, replicaIdentity: 'i' }, RULES).table)).toEqual(['code', 'a']);
  });

  test('lacks excluded columns, which the log sends all the same', () => {
    const { table, columns } = toTableVersion(T, { ...RULES, excluded: new Set(['public.t.code', 'public.other.note']) });
    expect(table.columns.map(({ name }) => name)).toEqual(['b', 'a', 'note']);
    expect(columns.map(({ name, column: place }) => [name, place])).toEqual([
      ['b', 0],
      ['a', 1],
      ['code', -1],
      ['note', 2],
    ]);
  });

  test('with a column that cannot be carried is refused by its name', () => {
    const pair = catalogTable([{ name: 'p', type: 'pair', category: 'c' }]);
    expect(() => toTableVersion(pair, RULES)).toThrow(
      expect.objectContaining({
        code: 'TYPE_UNSUPPORTED',
        message: expect.stringContaining('Column p of public.t') as string,
        remedy: expect.stringContaining('EXCLUDE_COLUMNS=public.t.p') as string,
      }),
    );
    expect(toTableVersion(pair, { ...RULES, excluded: new Set(['public.t.p']) }).table.columns).toEqual([]);
  });
});

describe('a Relation message', () => {
  test('fits the catalogue where columns, types, identity and key are the same', () => {
    expect(matches(relationMessage(T), T, RULES)).toBe(true);
    expect(matches(relationMessage({ ...T, replicaIdentity: 'f' }), { ...T, replicaIdentity: 'f' }, RULES)).toBe(true);
  });

  const changed: readonly (readonly [string, CatalogTable])[] = [
    ['a column more', { ...T, columns: [...T.columns, column({ name: 'more', type: 'int4' })] }],
    ['a column less', { ...T, columns: T.columns.slice(0, -1) }],
    ['another name', { ...T, columns: T.columns.with(4, column({ name: 'remark', type: 'text' })) }],
    ['another type', { ...T, columns: T.columns.with(4, column({ name: 'note', type: 'json' })) }],
    ['another length', { ...T, columns: T.columns.with(4, column({ name: 'note', type: 'text', typeModifier: 14 })) }],
    ['another order', { ...T, columns: T.columns.toReversed() }],
    ['another identity', { ...T, replicaIdentity: 'f' }],
    ['another key', { ...T, columns: T.columns.map((found) => ({ ...found, primaryPlace: found.name === 'code' ? 1 : null })) }],
  ];

  test.each(changed)('does not fit it with %s', (_, table) => {
    expect(matches(relationMessage(table), T, RULES)).toBe(false);
    expect(matches(relationMessage(T), table, RULES)).toBe(false);
  });

  test.each(changed)('of a table that has %s by now still gives its own columns', (_, now) => {
    const types = [column({ name: '', type: 'text' }), column({ name: '', type: 'int4' })];
    const table = seen(T, [now, T], types);
    expect(table?.columns.map(({ name, nativeType }) => [name, nativeType])).toEqual([
      ['b', 'text'],
      ['a', 'int4'],
      ['code', 'character varying(40)'],
      ['note', 'text'],
    ]);
    expect(keyNames(table as TableSchema)).toEqual(['a', 'b']);
  });

  test('under REPLICA IDENTITY FULL takes its key from the catalogue, each column once', () => {
    expect(keyNames(seen({ ...T, replicaIdentity: 'f' }, [{ ...T, replicaIdentity: 'f' }, T]) as TableSchema)).toEqual(['a', 'b']);
  });

  test('whose key the catalogue does not know has the columns that it flags', () => {
    const other = { ...T, columns: T.columns.map((found) => ({ ...found, primaryPlace: found.name === 'note' ? 1 : null })) };
    expect(keyNames(seen(other, [T]) as TableSchema)).toEqual(['note']);
  });

  test('of a column that is gone takes what its type says, and may be null', () => {
    const before = { ...T, columns: [...T.columns, column({ name: 'at', type: 'timestamptz', notNull: true })] };
    expect(describeColumns(seen(before, [T], [column({ name: '', type: 'timestamptz' })]) as TableSchema).at(-1)).toBe('at timestamptz');
  });

  test('of a type that is known nowhere gives no version', () => {
    expect(seen({ ...T, columns: [column({ name: 'x', type: 'gone' })] }, [T])).toBeUndefined();
  });
});
