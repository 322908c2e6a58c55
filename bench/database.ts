import pg from 'pg';
import type { SourceInput } from './stages/stage.ts';
import type { Workload } from './workloads.ts';

export const PUBLICATION = 'bench';

/** A database with one workload's changes in its log, and a slot in front of them that every run copies. */
export class BenchDatabase {
  readonly url: string;
  readonly #name: string;
  readonly #adminUrl: string;
  #copies = 0;

  constructor(adminUrl: string, name: string) {
    this.#adminUrl = adminUrl;
    this.#name = `bench_${name.replaceAll('-', '_')}_${process.pid}`;
    this.url = Object.assign(new URL(adminUrl), { pathname: `/${this.#name}` }).href;
  }

  async create({ schema, load }: Pick<Workload, 'schema'> & Partial<Pick<Workload, 'load'>>): Promise<void> {
    await this.createEmpty();
    await this.#run(this.url, schema);
    await this.#run(this.url, `CREATE PUBLICATION ${PUBLICATION} FOR ALL TABLES`);
    await this.#run(this.url, `SELECT pg_create_logical_replication_slot('${this.#name}_template', 'pgoutput')`);
    if (load !== undefined) await this.#run(this.url, load);
  }

  /** A database for a sink: without a publication or a slot. */
  async createEmpty(): Promise<void> {
    await this.#run(this.#adminUrl, `CREATE DATABASE ${this.#name}`);
  }

  /** What a source needs to read it. */
  input(slot: string, { kafkaBrokers, registryUrl }: { readonly kafkaBrokers: string; readonly registryUrl: string }): SourceInput {
    return { postgresUrl: this.url, kafkaBrokers, registryUrl, slot, publication: PUBLICATION };
  }

  async query(sql: string): Promise<readonly Record<string, unknown>[]> {
    return this.#run(this.url, sql);
  }

  /** A slot in front of all changes; drop it after the run, or the server keeps its log. */
  async newSlot(): Promise<string> {
    const slot = `${this.#name}_${++this.#copies}`;
    await this.#run(this.url, `SELECT pg_copy_logical_replication_slot('${this.#name}_template', '${slot}')`);
    return slot;
  }

  /** A slot at the end of the log as it is now. */
  async newSlotHere(): Promise<string> {
    const slot = `${this.#name}_${++this.#copies}`;
    await this.#run(this.url, `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    return slot;
  }

  async dropSlot(slot: string): Promise<void> {
    await this.#run(this.url, `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${slot}' AND active`);
    await this.#waitUntilFree(slot);
    await this.#run(this.url, `SELECT pg_drop_replication_slot('${slot}')`);
  }

  async endOfLog(): Promise<string> {
    const rows = await this.#run(this.url, 'SELECT pg_current_wal_lsn()::text AS lsn');
    return String(rows[0]?.['lsn']);
  }

  async drop(): Promise<void> {
    await this.#run(this.url, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active`);
    await this.#run(this.#adminUrl, `DROP DATABASE ${this.#name} WITH (FORCE)`);
  }

  async #waitUntilFree(slot: string): Promise<void> {
    for (;;) {
      const rows = await this.#run(this.url, `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}' AND active`);
      if (rows.length === 0) return;
    }
  }

  async #run(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const result = await client.query<Record<string, unknown>>(sql);
      return result.rows;
    } finally {
      await client.end();
    }
  }
}
