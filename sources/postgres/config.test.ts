import { describe, expect, test } from 'vitest';
import { readOptions } from '../../shared/config/options.ts';
import { SOURCE_OPTIONS } from '../../shared/config/source-options.ts';
import { matchesPattern, POSTGRES_OPTIONS, toConfig } from './config.ts';

const GOOD = { SOURCE_NAME: 'shop', SOURCE_URL: 'postgres://user:pa%23ss@localhost/shop', TABLES: 'public.*' };

const read = (environment: Readonly<Record<string, string>>) => readOptions({ ...SOURCE_OPTIONS, ...POSTGRES_OPTIONS }, { ...GOOD, ...environment });
const config = (environment: Readonly<Record<string, string>> = {}) => toConfig(read(environment).settings);

describe('names of slot and publication', () => {
  test.each([
    ['shop', 'dbmazz_shop'],
    ['My-Shop', 'dbmazz_my_shop'],
    ['x'.repeat(100), `dbmazz_${'x'.repeat(56)}`],
  ])('come from SOURCE_NAME %s', (name, expected) => {
    expect(config({ SOURCE_NAME: name })).toMatchObject({ slot: expected, publication: expected });
  });

  test('can be given', () => {
    expect(config({ SOURCE_SLOT_NAME: 'my_slot', SOURCE_PUBLICATION_NAME: 'My "publication"' })).toMatchObject({
      slot: 'my_slot',
      publication: 'My "publication"',
    });
  });
});

describe('what is not right', () => {
  test.each([
    ['SOURCE_URL', 'mysql://localhost/shop'],
    ['SOURCE_URL', 'localhost:5432'],
    ['SOURCE_URL', 'postgres://user:pa%ss@localhost/shop'],
    ['TABLES', 'orders'],
    ['TABLES', 'public.orders,shop.public.orders'],
    ['TABLES', 'public.'],
    ['EXCLUDE_COLUMNS', 'orders.secret'],
    ['SOURCE_SLOT_NAME', 'My-Slot'],
    ['SOURCE_SLOT_NAME', 'x'.repeat(64)],
    ['SOURCE_PUBLICATION_NAME', 'ž'.repeat(32)],
  ])('%s=%s is said, with what would be right', (name, value) => {
    const { problems } = read({ [name]: value });
    expect(problems).toMatchObject([{ name, message: expect.stringContaining('expected') as string }]);
  });

  test('is said all at once, and never with the password', () => {
    const { problems } = read({ SOURCE_URL: 'mysql://user:secret@localhost', TABLES: 'orders', EXCLUDE_COLUMNS: 'x', SOURCE_SLOT_NAME: 'X' });
    expect(problems.map(({ name }) => name).toSorted()).toEqual(['EXCLUDE_COLUMNS', 'SOURCE_SLOT_NAME', 'SOURCE_URL', 'TABLES']);
    expect(JSON.stringify(problems)).not.toContain('secret');
  });
});

test('options of the server that the URL asks for go beside our own', () => {
  const { connectionString, serverOptions } = config({ SOURCE_URL: 'postgres://u:p%40@localhost/shop?sslmode=disable&options=-c%20search_path%3Da' });
  expect(serverOptions).toEqual(['-c search_path=a']);
  expect(connectionString).toBe('postgres://u:p%40@localhost/shop');
});

test.each([
  ['public.orders', 'public', 'orders', true],
  ['public.orders', 'public', 'orders2', false],
  ['public.order', 'public', 'orders', false],
  ['public.*', 'public', 'orders', true],
  ['public.*', 'publication', 'orders', false],
  ['public.*', 'public', 'a.b', true],
  ['*.orders', 'shop', 'orders', true],
  ['*.*', 'shop', 'orders', true],
  ['public.order_*', 'public', 'order_items', true],
  ['public.order_*', 'public', 'orderXitems', false],
  ['public.a+b', 'public', 'aab', false],
  ['public.a+b', 'public', 'a+b', true],
  ['public.My Table', 'public', 'My Table', true],
  ['public.Orders', 'public', 'orders', false],
])('the pattern %s and the table %s.%s: %s', (pattern, schema, name, isMatch) => {
  expect(matchesPattern(pattern, { schema, name })).toBe(isMatch);
});
