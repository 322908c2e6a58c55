import pg from 'pg';

/** What a load did: committed transactions, and the records that they must give (a changed key gives two). */
export interface LoadResult {
  readonly transactions: number;
  readonly records: number;
}

const SCHEMA = `
  CREATE TYPE state AS ENUM ('new', 'paid', 'sent');
  CREATE TABLE customers (id uuid PRIMARY KEY, name text NOT NULL, balance numeric(14,2) NOT NULL, tags text[], created timestamptz NOT NULL DEFAULT now());
  CREATE TABLE orders (id bigint PRIMARY KEY, customer int, state state NOT NULL, total numeric(12,2), attrs jsonb, placed timestamptz NOT NULL DEFAULT now());
  CREATE TABLE items (order_id bigint, line smallint, product text, price double precision, PRIMARY KEY (order_id, line));
  CREATE TABLE documents (id int PRIMARY KEY, version int NOT NULL, body text NOT NULL);
  ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL`;

/** Creates the tables and rows that are there before the source first starts. */
export async function createShop(url: string): Promise<void> {
  const client = await connect(url);
  await client.query(SCHEMA);
  await client.query(`INSERT INTO customers SELECT gen_random_uuid(), 'customer ' || i, i, ARRAY['a', NULL, 'b,"c'] FROM generate_series(1, 2000) i`);
  await client.query(`INSERT INTO documents SELECT i, 0, repeat(md5(i::text), 400) FROM generate_series(1, 50) i`);
  await client.end();
}

/**
 * Runs transactions of about a hundred changes from two connections at once, each in its own range of keys: inserts,
 * updates, deletes, changed keys, large values left unchanged, and a rollback now and then.
 */
export async function runLoad(url: string, records: number, onProgress: (records: number) => Promise<void> | void): Promise<LoadResult> {
  const total = { transactions: 0, records: 0 };
  await Promise.all([0, 1].map((worker) => work(url, worker, records / 2, total, onProgress)));
  return total;
}

interface Total {
  transactions: number;
  records: number;
}

async function work(url: string, worker: number, records: number, total: Total, onProgress: (records: number) => Promise<void> | void): Promise<void> {
  const client = await connect(url);
  for (let done = 0, round = 0; done < records; round++) {
    await client.query('BEGIN');
    const changed = await changeShop(client, worker, round);
    const isRolledBack = round % 17 === 13;
    await client.query(isRolledBack ? 'ROLLBACK' : 'COMMIT');
    if (isRolledBack) continue;
    done += changed;
    total.records += changed;
    total.transactions++;
    await onProgress(total.records);
  }
  await client.end();
}

async function changeShop(client: pg.Client, worker: number, round: number): Promise<number> {
  const base = (round * 2 + worker) * 100;
  let records = 0;
  const run = async (sql: string, values: unknown[] = [], each = 1) => void (records += ((await client.query(sql, values)).rowCount ?? 0) * each);
  await run(
    `INSERT INTO orders SELECT $1 + i, i, 'new', i * 1.25, jsonb_build_object('round', $2::int, 'note', repeat('x', i)) FROM generate_series(0, 39) i`,
    [base, round],
  );
  await run(`INSERT INTO items SELECT $1 + i, 1, 'product ' || i, i / 3.0 FROM generate_series(0, 24) i`, [base]);
  await run(`UPDATE orders SET state = 'paid', total = total + 1 WHERE id BETWEEN $1 AND $1 + 14`, [base]);
  await run(`DELETE FROM orders WHERE id BETWEEN $1 + 35 AND $1 + 37`, [base]);
  await run(`UPDATE items SET line = 2 WHERE order_id BETWEEN $1 AND $1 + 4`, [base], 2);
  await run(`UPDATE documents SET version = version + 1 WHERE id = $1`, [worker * 25 + (round % 25) + 1]);
  await run(`DELETE FROM items WHERE order_id = $1 + 24`, [base]);
  return records;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}
