import { setTimeout as delay } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { PostgresBench } from '../contract/postgres-source-bench.ts';

const ROWS = 300;
/** Between two transactions: the load shall last, not weigh. */
const PAUSE_MS = 10;
/** Of one transaction that is sent to the broker in several pieces. */
const LARGE_ROUND = 3;

/** Two small tables, with and without a key, and somebody who writes to both until told to stop. */
export class SmallLoad {
  /** Records of `public.keyed` that each committed transaction must give, by its id. */
  readonly expected = new Map<string, number>();
  readonly #bench: PostgresBench;
  #isOver = false;
  #work: Promise<void> = Promise.resolve();
  #round = 0;

  static async create(bench: PostgresBench): Promise<SmallLoad> {
    await bench.query(`CREATE TABLE keyed (id int PRIMARY KEY, v text); CREATE TABLE keyless (a int, b text); ALTER TABLE keyless REPLICA IDENTITY FULL;
      INSERT INTO keyed SELECT n, repeat('old', 100) FROM generate_series(1, ${ROWS}) n; INSERT INTO keyless SELECT n % 7, 'old' FROM generate_series(1, ${ROWS}) n`);
    // What is counted must not begin before the slot, or it comes with the snapshot alone.
    await bench.query(`CREATE PUBLICATION ${bench.slot} FOR TABLE keyed, keyless WITH (publish_via_partition_root = true)`);
    await bench.query(`SELECT pg_create_logical_replication_slot('${bench.slot}', 'pgoutput')`);
    return new SmallLoad(bench);
  }

  private constructor(bench: PostgresBench) {
    this.#bench = bench;
  }

  start(): void {
    this.#isOver = false;
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#work;
  }

  async #run(): Promise<void> {
    const session = await this.#bench.session();
    try {
      while (!this.#isOver) {
        await this.#transaction(session, this.#round++);
        await delay(PAUSE_MS);
      }
    } finally {
      session.release();
    }
  }

  async #transaction(session: PoolClient, round: number): Promise<void> {
    let records = 0;
    const run = async (sql: string, each: number) => void (records += ((await session.query(sql)).rowCount ?? 0) * each);
    const [base, old] = [1000 + round * 10, 1 + (round % ROWS)];
    await session.query('BEGIN');
    await run(`INSERT INTO keyed SELECT ${base} + n, 'new' FROM generate_series(0, 5) n`, 1);
    if (round % 50 === LARGE_ROUND) await run(`INSERT INTO keyed SELECT ${base} * -10 - n, repeat(md5(n::text), 20000) FROM generate_series(0, 5) n`, 1);
    await run(`UPDATE keyed SET v = 'round ${round}' WHERE id = ${old} OR id IN (${base}, ${base} - 9)`, 1);
    await run(`UPDATE keyed SET id = ${base} + 9 WHERE id = ${base} + 1`, 2);
    await run(`DELETE FROM keyed WHERE id = ${base} + 2`, 1);
    await session.query(`SAVEPOINT s; DELETE FROM keyed WHERE id = ${old}; ROLLBACK TO s`);
    await session.query(
      `INSERT INTO keyless VALUES (${round % 7}, 'new'); UPDATE keyless SET b = 'round ${round}' WHERE ctid = (SELECT max(ctid) FROM keyless WHERE a = 3)`,
    );
    const { rows } = await session.query<{ xid: string }>('SELECT txid_current()::text AS xid');
    await session.query('COMMIT');
    this.expected.set(rows[0]?.xid ?? '', records);
  }
}
