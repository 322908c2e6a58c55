import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { SEED } from './shop-schema.ts';
import { type Chance, type Execute, type Occurrence, OCCURRENCES } from './shoppers.ts';

export interface WorkloadTotals {
  readonly changes: number;
  readonly transactions: number;
  readonly rolledBack: number;
}

/** Two transactions met: one of them is to try something else. Deadlock, serialisation failure, unique violation. */
const CONFLICTS = new Set(['40P01', '40001', '23505']);
const SHOPPERS = 2;

/** A live order shop: a few connections that change its tables at a steady rate. */
export class Workload {
  readonly #url: string;
  readonly #changesPerSecond: number;
  readonly #totals = { changes: 0, transactions: 0, rolledBack: 0 };
  #ending: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(url: string, changesPerSecond: number) {
    this.#url = url;
    this.#changesPerSecond = changesPerSecond;
  }

  get totals(): WorkloadTotals {
    return { ...this.#totals };
  }

  get isRunning(): boolean {
    return this.#ending !== undefined;
  }

  /** Starts, or goes on after a stop. `onFailure` hears what ended it before it was asked to stop. */
  start(onFailure: (error: unknown) => void): void {
    const ending = new AbortController();
    this.#ending = ending;
    const shoppers = Array.from({ length: SHOPPERS }, async () => this.#shop(ending.signal));
    this.#running = Promise.all(shoppers).then(
      () => undefined,
      (error: unknown) => {
        ending.abort();
        onFailure(error);
      },
    );
  }

  /** Resolves when the last transaction is over. */
  async stop(): Promise<void> {
    this.#ending?.abort();
    await this.#running;
    this.#ending = undefined;
  }

  async #shop(signal: AbortSignal): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url, application_name: 'order shop' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      const startedAt = performance.now();
      for (let changes = 0; !signal.aborted;) {
        changes += await this.#happen(client, pickOccurrence());
        await untilDue(startedAt + (changes / this.#changesPerSecond) * SHOPPERS * 1000, signal);
      }
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** One transaction; the number of rows that it has changed, also where it was rolled back. */
  async #happen(client: pg.Client, { run, rollsBack = false }: Occurrence): Promise<number> {
    let changes = 0;
    const execute: Execute = async (sql, values = []) => {
      const { rowCount } = await client.query(sql, [...values]);
      changes += rowCount ?? 1;
      return rowCount ?? 0;
    };
    await client.query('BEGIN');
    try {
      await run(execute, chance);
      await client.query(rollsBack ? 'ROLLBACK' : 'COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      if (!CONFLICTS.has(String((error as { code?: unknown }).code))) throw error;
      return 1;
    }
    this.#count(changes, rollsBack);
    return changes;
  }

  #count(changes: number, isRolledBack: boolean): void {
    if (isRolledBack) {
      this.#totals.rolledBack++;
      return;
    }
    this.#totals.changes += changes;
    this.#totals.transactions++;
  }
}

async function untilDue(due: number, signal: AbortSignal): Promise<void> {
  const waitMs = due - performance.now();
  if (waitMs > 1) await delay(waitMs, undefined, { signal }).catch(() => undefined);
}

const chance: Chance = {
  upTo: (highest) => 1 + Math.floor(Math.random() * highest),
  skus: (count) => {
    const chosen = new Set<string>();
    while (chosen.size < count) chosen.add(`SKU${String(chance.upTo(SEED.products)).padStart(5, '0')}`);
    return [...chosen].toSorted();
  },
};

const TOTAL_WEIGHT = OCCURRENCES.reduce((sum, { weight }) => sum + weight, 0);

function pickOccurrence(): Occurrence {
  let rest = Math.random() * TOTAL_WEIGHT;
  for (const occurrence of OCCURRENCES) {
    rest -= occurrence.weight;
    if (rest < 0) return occurrence;
  }
  return OCCURRENCES[0] as Occurrence;
}
