import { LARGE_TEXT, SEED } from './shop-schema.ts';

/** Runs one statement and gives the number of rows that it has changed. */
export type Execute = (sql: string, values?: readonly unknown[]) => Promise<number>;

/** One thing that happens in the shop: the statements of one transaction. */
export interface Occurrence {
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  readonly run: (execute: Execute, chance: Chance) => Promise<void>;
  /** The customer thinks again: nothing of it is to be seen anywhere. */
  readonly rollsBack?: boolean;
}

/** Random numbers of the workload. */
export interface Chance {
  /** A whole number from 1 to `highest`. */
  upTo(highest: number): number;
  /** The numbers of so many different products, in order, so that two transactions never wait for each other in a circle. */
  skus(count: number): string[];
}

const PLACE_ORDER = `
  WITH cart AS (SELECT sku, price, row_number() OVER (ORDER BY sku)::smallint AS line, 1 + (random() * 3)::int AS quantity FROM products WHERE sku = ANY ($2)),
    placed AS (INSERT INTO orders (customer_id, total, is_gift) SELECT $1, sum(quantity * price), random() < 0.1 FROM cart RETURNING id),
    items AS (INSERT INTO order_items SELECT placed.id, line, sku, quantity, price FROM placed, cart RETURNING 1),
    paid AS (INSERT INTO payments (order_id, amount, method, took) SELECT id, (SELECT sum(quantity * price) FROM cart), 'card', interval '2 seconds' FROM placed RETURNING 1)
  SELECT FROM placed UNION ALL SELECT FROM items UNION ALL SELECT FROM paid`;

export const OCCURRENCES: readonly Occurrence[] = [
  {
    name: 'an order is placed',
    weight: 30,
    run: async (execute, chance) => {
      const skus = chance.skus(1 + chance.upTo(4));
      await execute(PLACE_ORDER, [chance.upTo(SEED.customers), skus]);
      await execute('UPDATE inventory SET quantity = quantity - 1 WHERE warehouse = 1 AND sku = ANY ($1)', [skus]);
    },
  },
  {
    name: 'an order moves on',
    weight: 30,
    run: async (execute, chance) => {
      const status = ['paid', 'packed', 'shipped', 'delivered'][chance.upTo(4) - 1];
      await execute('UPDATE orders SET status = $2, changed_at = clock_timestamp() WHERE id = (SELECT max(id) FROM orders) - $1', [chance.upTo(2000), status]);
    },
  },
  {
    name: 'a customer changes something',
    weight: 15,
    run: async (execute, chance) => {
      const id = chance.upTo(SEED.customers);
      await execute(
        `UPDATE customers SET credit = round((credit + 0.01) * 1.01 % 100000, 2), preferences = coalesce(preferences, '{}') || jsonb_build_object('seen', $2::int), tags = array_append(tags[1:4], 'seen') WHERE id = $1`,
        [id, chance.upTo(1_000_000)],
      );
    },
  },
  {
    name: 'a review is liked, its large text unchanged',
    weight: 15,
    run: async (execute, chance) => {
      await execute('UPDATE reviews SET likes = likes + 1 WHERE id = (SELECT min(id) FROM reviews WHERE id >= $1)', [chance.upTo(SEED.reviews)]);
    },
  },
  {
    name: 'a review is written, and an old one removed',
    weight: 2,
    run: async (execute, chance) => {
      await execute(`INSERT INTO reviews (sku, stars, body) SELECT $1, $2, ${LARGE_TEXT}`, [chance.skus(1)[0], chance.upTo(5)]);
      await execute('DELETE FROM reviews WHERE id = (SELECT min(id) FROM reviews WHERE id >= $1)', [chance.upTo(SEED.reviews)]);
    },
  },
  {
    name: 'an order is cancelled, with all that hangs on it',
    weight: 8,
    run: async (execute, chance) => {
      const from = [chance.upTo(SEED.orders)];
      await execute('DELETE FROM order_items WHERE order_id = (SELECT min(id) FROM orders WHERE id >= $1)', from);
      await execute('DELETE FROM payments WHERE order_id = (SELECT min(id) FROM orders WHERE id >= $1)', from);
      await execute('DELETE FROM orders WHERE id = (SELECT min(id) FROM orders WHERE id >= $1)', from);
    },
  },
  {
    name: 'stock moves to another warehouse: its key changes',
    weight: 4,
    run: async (execute, chance) => {
      const [sku] = chance.skus(1);
      const to = 10 + chance.upTo(5);
      await execute(
        'UPDATE inventory SET warehouse = $1 WHERE sku = $2 AND warehouse > 1 AND NOT EXISTS (SELECT FROM inventory o WHERE o.warehouse = $1 AND o.sku = $2) AND warehouse = (SELECT max(warehouse) FROM inventory m WHERE m.sku = $2)',
        [to, sku],
      );
    },
  },
  {
    name: 'prices of many products change at once',
    weight: 2,
    run: async (execute, chance) => {
      await execute(
        'UPDATE products SET price = round(price * 1.01 % 500 + 0.5, 2), prices_seen = array_append(prices_seen[1:5], price), updated_at = now() WHERE sku = ANY ($1)',
        [chance.skus(25)],
      );
    },
  },
  {
    name: 'a customer thinks again',
    weight: 3,
    rollsBack: true,
    run: async (execute, chance) => {
      await execute(PLACE_ORDER, [chance.upTo(SEED.customers), chance.skus(2)]);
      await execute(`UPDATE customers SET full_name = 'nobody must ever see this' WHERE id = $1`, [chance.upTo(SEED.customers)]);
    },
  },
  {
    name: 'new promotions replace the old ones: TRUNCATE',
    weight: 0.5,
    run: async (execute, chance) => {
      await execute('TRUNCATE promotions');
      await execute(
        `INSERT INTO promotions SELECT 'FLASH' || n || '-' || $1::int, n, tstzrange(now(), now() + interval '1 hour'), $2 FROM generate_series(1, 5) n`,
        [chance.upTo(1_000_000), chance.skus(3)],
      );
    },
  },
];
