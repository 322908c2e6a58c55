import pg from 'pg';

/**
 * The load of the latency bench, in a process of its own so that neither committing nor listening waits for the other:
 * single inserts at an even rate over several connections. Each row has the time at which its transaction was about to
 * commit, by the machine's clock. Prints how many were committed a second.
 */
const CONNECTIONS = 8;
const [url = '', rate = '0', seconds = '0', firstId = '0'] = process.argv.slice(2);

// The transaction's work is its insert: clock_timestamp() is taken within microseconds of its commit.
const insert = { name: 'pulse', text: 'INSERT INTO pulse VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)' };
const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, min: CONNECTIONS });
await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.query('SELECT pg_sleep(0.05)')));

const total = Number(rate) * Number(seconds);
const startedAt = performance.now();
const running: Promise<unknown>[] = [];
for (let count = 0; count < total;) {
  const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * Number(rate)));
  for (; count < due; count++) running.push(pool.query({ ...insert, values: [Number(firstId) + count] }));
  await new Promise((resolve) => setTimeout(resolve, 1));
}
await Promise.all(running);
process.stdout.write(JSON.stringify({ commitsPerSecond: Math.round(total / ((performance.now() - startedAt) / 1000)) }));
await pool.end();
