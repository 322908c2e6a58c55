/** One backlog of changes, made by one call of a procedure, then read again and again from copies of one slot. */
export interface Workload {
  readonly name: string;
  readonly about: string;
  readonly tables: readonly string[];
  /** Row changes. */
  readonly changes: number;
  /** Deletes among them: each gives a tombstone as well. */
  readonly deletes: number;
  readonly schema: string;
  /** Statements that make the changes, each with what it is for the progress line. */
  readonly load: string;
}

/** Columns of the table of the main workload, beside its key `id`. */
export const ORDER_COLUMNS = `customer_id int, qty int, status text, note text, amount numeric(12,2), currency char(3),
  created_at timestamptz, shipped timestamp, weight float8, paid bool, attrs jsonb, ref uuid`;

export const ORDERS = `CREATE TABLE orders (id bigint PRIMARY KEY, ${ORDER_COLUMNS})`;

/** One row of it, of the `g`th in a transaction whose keys begin at `base`. */
export const ORDER_VALUES = `base + g, g, g % 10, 'new', 'some note text for row ' || (base + g), (g * 1.5)::numeric(12,2), 'EUR', now(), now(),
  1.25 * g, true, jsonb_build_object('a', g, 'b', 'text'), gen_random_uuid()`;

const INSERT_ORDERS = `INSERT INTO orders SELECT ${ORDER_VALUES} FROM generate_series(0, 79) g`;

/** Changes of one transaction of the main workload. */
export const CHANGES_A_TRANSACTION = 100;

function backlog(transactions: number): string {
  return `DO $$ DECLARE i int; base bigint; BEGIN FOR i IN 1..${transactions} LOOP base := i::bigint * 80; ${INSERT_ORDERS};
    UPDATE orders SET status = 'paid', qty = qty + 1 WHERE id BETWEEN base AND base + 14;
    DELETE FROM orders WHERE id BETWEEN base + 75 AND base + 79; COMMIT; END LOOP; END $$`;
}

const WIDE_COLUMNS = Array.from({ length: 99 }, (_, index) => `c${index} ${['int', 'text', 'numeric(10,2)', 'timestamptz', 'bool'][index % 5]}`);
const WIDE_VALUES = Array.from({ length: 99 }, (_, index) => [`g + ${index}`, `'value ' || g`, `g * 0.25`, 'now()', 'g % 2 = 0'][index % 5]);

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'backlog',
    about: '10,000 transactions of 80 inserts, 15 updates and 5 deletes on a table of 13 columns',
    tables: ['public.orders'],
    changes: 1_000_000,
    deletes: 50_000,
    schema: ORDERS,
    load: backlog(10_000),
  },
  {
    name: 'wide',
    about: 'rows of 100 columns, 100 inserts a transaction',
    tables: ['public.wide'],
    changes: 100_000,
    deletes: 0,
    schema: `CREATE TABLE wide (id bigint PRIMARY KEY, ${WIDE_COLUMNS.join(', ')})`,
    load: `DO $$ BEGIN FOR i IN 1..1000 LOOP INSERT INTO wide SELECT i * 100 + g, ${WIDE_VALUES.join(', ')} FROM generate_series(0, 99) g; COMMIT; END LOOP; END $$`,
  },
  {
    name: 'jsonb',
    about: 'rows with 1 KB of jsonb, 100 inserts a transaction',
    tables: ['public.events'],
    changes: 300_000,
    deletes: 0,
    schema: 'CREATE TABLE events (id bigint PRIMARY KEY, body jsonb)',
    load: `DO $$ BEGIN FOR i IN 1..3000 LOOP INSERT INTO events SELECT i * 100 + g, jsonb_build_object('id', g, 'name', 'event', 'text', repeat('abcdefgh', 118)) FROM generate_series(0, 99) g; COMMIT; END LOOP; END $$`,
  },
  {
    name: 'toast',
    about: 'updates that leave 20 KB of text unchanged, 10 a transaction',
    tables: ['public.documents'],
    changes: 300_000,
    deletes: 0,
    schema: `CREATE TABLE documents (id int PRIMARY KEY, version int, body text); ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL;
      INSERT INTO documents SELECT g, 0, repeat(md5(g::text), 640) FROM generate_series(0, 999) g`,
    load: `DO $$ BEGIN FOR i IN 1..30000 LOOP UPDATE documents SET version = version + 1 WHERE id BETWEEN i * 10 % 1000 AND i * 10 % 1000 + 9; COMMIT; END LOOP; END $$`,
  },
  {
    name: 'small-transactions',
    about: '200,000 transactions of one insert',
    tables: ['public.orders'],
    changes: 200_000,
    deletes: 0,
    schema: ORDERS,
    load: `DO $$ BEGIN FOR i IN 1..200000 LOOP INSERT INTO orders (id, qty, status, amount, created_at) VALUES (i, 1, 'new', 1.5, now()); COMMIT; END LOOP; END $$`,
  },
  {
    name: 'huge-transaction',
    about: 'one transaction of 1,000,000 inserts',
    tables: ['public.orders'],
    changes: 1_000_000,
    deletes: 0,
    schema: ORDERS,
    load: `INSERT INTO orders (id, customer_id, qty, status, note, amount, created_at) SELECT g, g % 1000, 1, 'new', 'some note text for row ' || g, g * 0.25, now() FROM generate_series(1, 1000000) g`,
  },
];

/** The main workload with about that many changes. */
export function backlogOf(changes: number | undefined): Workload {
  const whole = findWorkload('backlog');
  if (changes === undefined) return whole;
  const transactions = Math.max(1, Math.round(changes / CHANGES_A_TRANSACTION));
  return {
    ...whole,
    about: `${transactions.toLocaleString('en')} transactions of 80 inserts, 15 updates and 5 deletes on a table of 13 columns`,
    changes: transactions * CHANGES_A_TRANSACTION,
    deletes: transactions * 5,
    load: backlog(transactions),
  };
}

/** By its name; the main one by its size too. */
export function workloadOf(name: string, rows: number | undefined): Workload {
  return name === 'backlog' ? backlogOf(rows) : findWorkload(name);
}

function findWorkload(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined) throw new Error(`no workload ${name}; there are: ${WORKLOADS.map((workload) => workload.name).join(', ')}`);
  return found;
}
