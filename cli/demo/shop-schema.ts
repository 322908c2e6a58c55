/** The order shop of the demo: eight tables with the types and keys that a real one has. */
export const SHOP_TABLES = ['customers', 'products', 'inventory', 'orders', 'order_items', 'payments', 'reviews', 'promotions'] as const;

export const CREATE_SHOP = `
  CREATE TYPE order_status AS ENUM ('new', 'paid', 'packed', 'shipped', 'delivered', 'returned');

  CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    email varchar(120) NOT NULL,
    full_name text NOT NULL,
    is_member boolean NOT NULL DEFAULT false,
    credit numeric(12,2) NOT NULL DEFAULT 0,
    preferences jsonb,
    tags text[],
    born date,
    created_at timestamptz NOT NULL DEFAULT now()
  );

  CREATE TABLE products (
    sku char(8) PRIMARY KEY,
    title text NOT NULL,
    price numeric(10,2) NOT NULL,
    weight real,
    rating double precision,
    attributes jsonb NOT NULL DEFAULT '{}',
    prices_seen numeric(10,2)[],
    updated_at timestamp NOT NULL DEFAULT now()
  );

  CREATE TABLE inventory (
    warehouse smallint NOT NULL,
    sku char(8) NOT NULL REFERENCES products,
    quantity integer NOT NULL,
    shelf varchar(12),
    counted_at timestamptz,
    PRIMARY KEY (warehouse, sku)
  );

  CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    status order_status NOT NULL DEFAULT 'new',
    total numeric(12,2) NOT NULL,
    is_gift boolean NOT NULL DEFAULT false,
    note text,
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz
  );

  CREATE TABLE order_items (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    line smallint NOT NULL,
    sku char(8) NOT NULL REFERENCES products,
    quantity integer NOT NULL,
    price numeric(10,2) NOT NULL,
    PRIMARY KEY (order_id, line)
  );

  CREATE TABLE payments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    amount numeric NOT NULL,
    method text NOT NULL,
    receipt bytea,
    took interval,
    paid_at timestamptz NOT NULL DEFAULT clock_timestamp()
  );

  CREATE TABLE reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku char(8) NOT NULL REFERENCES products,
    stars smallint NOT NULL,
    likes integer NOT NULL DEFAULT 0,
    body text NOT NULL,
    written_on date NOT NULL DEFAULT current_date,
    written_at time NOT NULL DEFAULT localtime
  );

  CREATE TABLE promotions (
    code text PRIMARY KEY,
    discount numeric(4,2) NOT NULL,
    during tstzrange NOT NULL,
    skus text[] NOT NULL
  );`;

/** A text that does not compress, so that PostgreSQL keeps it outside of the row (TOAST): about 13 kB. */
export const LARGE_TEXT = `(SELECT string_agg(md5(random()::text), ' ') FROM generate_series(1, 400))`;

export const SEED = {
  customers: 2000,
  products: 400,
  warehouses: 3,
  orders: 4000,
  reviews: 300,
  promotions: 5,
} as const;

export const SEED_SHOP: readonly string[] = [
  `INSERT INTO customers (email, full_name, is_member, credit, preferences, tags, born)
    SELECT 'customer' || n || '@shop.example', 'Customer ' || n, n % 4 = 0, (n % 900) / 3.0,
      CASE WHEN n % 3 > 0 THEN jsonb_build_object('language', (ARRAY['en', 'de', 'fr', '日本語'])[1 + n % 4], 'newsletter', n % 2 = 0) END,
      CASE WHEN n % 5 > 0 THEN ARRAY['since ' || 2000 + n % 25, NULL, 'a "quoted", tag'] END,
      date '1950-01-01' + n * 7
    FROM generate_series(1, ${SEED.customers}) n`,
  `INSERT INTO products (sku, title, price, weight, rating, attributes, prices_seen)
    SELECT 'SKU' || lpad(n::text, 5, '0'), 'Thing no. ' || n, 1 + n % 90 + 0.99, n * 0.1, CASE WHEN n % 7 > 0 THEN 1 + 4 * random() END,
      jsonb_build_object('colour', (ARRAY['red', 'green', 'blue'])[1 + n % 3], 'size', n % 12), ARRAY[n % 50 + 0.99, n % 60 + 0.49]
    FROM generate_series(1, ${SEED.products}) n`,
  `INSERT INTO inventory SELECT w, sku, 50 + (random() * 500)::int, 'shelf ' || w || '-' || right(sku, 2), now()
    FROM products, generate_series(1, ${SEED.warehouses}) w`,
  `INSERT INTO orders (customer_id, status, total, is_gift, note, placed_at)
    SELECT 1 + n % ${SEED.customers}, (enum_range(NULL::order_status))[1 + n % 6], 0, n % 10 = 0, CASE WHEN n % 20 = 0 THEN 'Please ring twice 🔔' END, now() - n * interval '7 minutes'
    FROM generate_series(1, ${SEED.orders}) n`,
  `INSERT INTO order_items SELECT o.id, l, p.sku, 1 + (o.id + l) % 4, p.price
    FROM orders o CROSS JOIN LATERAL generate_series(1, (1 + o.id % 4)::int) l JOIN products p ON p.sku = 'SKU' || lpad((1 + (o.id * 7 + l * 13) % ${SEED.products})::text, 5, '0')`,
  `UPDATE orders o SET total = (SELECT sum(quantity * price) FROM order_items i WHERE i.order_id = o.id)`,
  `INSERT INTO payments (order_id, amount, method, receipt, took)
    SELECT id, total, (ARRAY['card', 'transfer', 'cash'])[1 + id % 3], CASE WHEN id % 2 = 0 THEN decode(md5(id::text), 'hex') END, id % 900 * interval '1 second'
    FROM orders WHERE status <> 'new'`,
  `INSERT INTO reviews (sku, stars, body) SELECT 'SKU' || lpad((1 + n % ${SEED.products})::text, 5, '0'), 1 + n % 5, n || ' ' || ${LARGE_TEXT} FROM generate_series(1, ${SEED.reviews}) n`,
  `INSERT INTO promotions SELECT 'OPENING' || n, n * 5, tstzrange(now(), now() + interval '1 week'), ARRAY['SKU00001'] FROM generate_series(1, ${SEED.promotions}) n`,
  'ANALYZE',
];
