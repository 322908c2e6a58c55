import { describe, expect, test } from 'vitest';
import { parseKeyColumns, parseMask, parseRowFilters } from './column-rules.ts';

describe('a mask', () => {
  test.each([
    ['public.users.email', { path: 'public.users.email', kind: 'redact' }],
    ['public.users.email:redact', { path: 'public.users.email', kind: 'redact' }],
    ['public.users.email:hash', { path: 'public.users.email', kind: 'hash' }],
    ['Odd schema.My "table".E-Mail:null', { path: 'Odd schema.My "table".E-Mail', kind: 'null' }],
    ['public.users.email:sha1', undefined],
    ['public.users.email:', undefined],
    ['users.email', undefined],
    ['a.public.users.email', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(parseMask(text)).toEqual(expected);
  });
});

describe('row filters', () => {
  test.each([
    ['public.orders: total > 5', { 'public.orders': 'total > 5' }],
    ['public.orders:total > 5 AND region IN (1, 2) ; public.users: active;', { 'public.orders': 'total > 5 AND region IN (1, 2)', 'public.users': 'active' }],
    [
      `public.t: name = 'a;b:c' OR "odd;name" = 'it''s; so'; public.u: id = 1`,
      { 'public.t': `name = 'a;b:c' OR "odd;name" = 'it''s; so'`, 'public.u': 'id = 1' },
    ],
    ['public.t: created::date > now()', { 'public.t': 'created::date > now()' }],
    ['', {}],
  ])('%s', (text, expected) => {
    expect(Object.fromEntries(parseRowFilters(text) ?? [['none', '']])).toEqual(expected);
  });

  test.each(['total > 5', 'orders: total > 5', 'public.orders:', 'public.orders: a; public.orders: b', ': x', 'public.*.x: y'])('not %s', (text) => {
    expect(parseRowFilters(text)).toBeUndefined();
  });
});

describe('columns of a key', () => {
  test.each([
    ['public.orders:customer,id', { 'public.orders': ['customer', 'id'] }],
    [' public.orders : customer , id ; public.users:mail ', { 'public.orders': ['customer', 'id'], 'public.users': ['mail'] }],
    ['', {}],
  ])('%s', (text, expected) => {
    expect(Object.fromEntries(parseKeyColumns(text) ?? [['none', []]])).toEqual(expected);
  });

  test.each(['public.orders', 'public.orders:', 'public.orders:a,', 'public.orders:a,a', 'orders:a', 'public.o:a;public.o:b'])('not %s', (text) => {
    expect(parseKeyColumns(text)).toBeUndefined();
  });
});
