import { describe, expect, test } from 'vitest';
import { assertDistinctTopics, avroName, avroNamespace, controlTopic, isControlTopic, tableTopic } from './names.ts';

describe('the topic of a table', () => {
  const cases: readonly (readonly [schema: string, name: string, topic: string])[] = [
    ['public', 'orders', 'shop.public.orders'],
    ['public', 'Order_Lines-2', 'shop.public.Order_Lines-2'],
    ['my schema', 'größe', 'shop.my_schema.gr__e'],
    ['public', 'a.b', 'shop.public.a.b'],
    ['public', 'a$b/c', 'shop.public.a_b_c'],
  ];
  for (const [schema, name, topic] of cases) {
    test(`of ${schema}.${name} is ${topic}`, () => {
      expect(tableTopic('shop', { schema, name })).toBe(topic);
    });
  }

  test('that would be too long for Kafka is refused', () => {
    expect(tableTopic('shop', { schema: 'public', name: 'x'.repeat(237) })).toHaveLength(249);
    expect(() => tableTopic('shop', { schema: 'public', name: 'x'.repeat(238) })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('control topics', () => {
  test('are those of the contract', () => {
    for (const kind of ['transaction', 'schema-changes', 'heartbeat', 'signals', 'positions'] as const)
      expect(isControlTopic(controlTopic('shop', kind))).toBe(true);
  });

  test('are no tables, whatever these are called', () => {
    for (const topic of ['shop.public.transaction', 'shop.public.positions', 'shop.transactions', 'transaction', 'shop.a.b.heartbeat', 'shop.public.orders']) {
      expect(isControlTopic(topic), topic).toBe(false);
    }
  });
});

describe('two tables of one topic', () => {
  test('are refused by their names', () => {
    const tables = [
      { schema: 'public', name: 'a b' },
      { schema: 'public', name: 'a_b' },
    ];
    expect(() => assertDistinctTopics('shop', tables)).toThrow('Tables public.a b and public.a_b would share the topic shop.public.a_b.');
  });

  test('are refused too where Kafka takes their names for one, as it does with . and _', () => {
    const tables = [
      { schema: 'app', name: 'user_data' },
      { schema: 'app_user', name: 'data' },
    ];
    expect(() => assertDistinctTopics('shop', tables)).toThrow(
      'Tables app.user_data and app_user.data would have the topics shop.app.user_data and shop.app_user.data, which Kafka takes for one',
    );
  });

  test('are told apart from the same table twice', () => {
    const table = { schema: 'public', name: 'orders' };
    expect(() => assertDistinctTopics('shop', [table, { ...table }, { schema: 'public', name: 'Orders' }])).not.toThrow();
  });
});

test('names become legal in Avro', () => {
  expect(['id', '2nd', 'a b', 'größe', '', '-', '漢'].map(avroName)).toEqual(['id', '_2nd', 'a_b', 'gr__e', '_', '_', '_']);
  expect(avroNamespace('my-shop.public.2023.orders')).toBe('my_shop.public._2023.orders');
  expect(avroNamespace('shop.public.a..b')).toBe('shop.public.a._.b');
});
