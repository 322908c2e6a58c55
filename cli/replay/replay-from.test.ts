import { expect, test } from 'vitest';
import { isTopicOf, parseReplayFrom } from './replay-from.ts';

test.each([
  ['beginning', { kind: 'beginning' }],
  ['2026-11-24T06:00:00Z', { kind: 'time', ms: Date.UTC(2026, 10, 24, 6) }],
  ['2026-11-24 06:00', { kind: 'time', ms: Date.UTC(2026, 10, 24, 6) }],
  ['2026-11-24T06:00:00+02:00', { kind: 'time', ms: Date.UTC(2026, 10, 24, 4) }],
  ['2026-11-24', { kind: 'time', ms: Date.UTC(2026, 10, 24) }],
  ['1795500000000', { kind: 'time', ms: 1_795_500_000_000 }],
  ['shop.public.orders:3:120', { kind: 'offset', topic: 'shop.public.orders', partition: 3, offset: 120n }],
])('--from %s', (text, expected) => {
  expect(parseReplayFrom(text)).toEqual(expected);
});

test.each(['', 'end', 'yesterday', '2026-13-24', '5', 'shop.public.orders:3', 'shop.public.orders:-1:0', 'a b:0:0'])('--from %s is refused', (text) => {
  expect(() => parseReplayFrom(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('a topic is meant by table, by schema and table, and by its name; not by the end of a word', () => {
  for (const table of ['orders', 'public.orders', 'shop.public.orders']) expect(isTopicOf('shop.public.orders', table)).toBe(true);
  for (const table of ['ders', 'shop', 'orders.public']) expect(isTopicOf('shop.public.orders', table)).toBe(false);
});
