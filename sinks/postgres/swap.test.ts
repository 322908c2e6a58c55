import { expect, test } from 'vitest';
import { buildSwap } from './swap.ts';

const swap = { live: 'orders', side: 'orders_new', before: 'orders_before' };

test('the live table gives up its name before the side table takes it, and so does what is remembered of both', () => {
  const statements = buildSwap('shop', swap, true);
  const indexOf = (text: string) => statements.findIndex((statement) => statement.includes(text));
  expect(indexOf('"orders" RENAME TO "orders_before"')).toBeGreaterThanOrEqual(0);
  expect(indexOf('"orders_new" RENAME TO "orders"')).toBeGreaterThan(indexOf('"orders" RENAME TO "orders_before"'));
  for (const own of ['dbmazz_deleted', 'dbmazz_tables']) {
    const [away, into] = [
      `UPDATE "shop"."${own}" SET table_name = 'orders_before' WHERE table_name = 'orders'`,
      `UPDATE "shop"."${own}" SET table_name = 'orders' WHERE table_name = 'orders_new'`,
    ];
    expect(statements.indexOf(into)).toBeGreaterThan(statements.indexOf(away));
    expect(statements.indexOf(away)).toBeGreaterThanOrEqual(0);
  }
});

test('where there is no live table, the side table takes its name', () => {
  const statements = buildSwap('shop', swap, false);
  expect(statements[0]).toBe('ALTER TABLE "shop"."orders_new" RENAME TO "orders"');
  expect(statements.join('\n')).not.toContain('orders_before');
});
