import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { SOURCE_OPTIONS } from '../../shared/config/source-options.ts';
import type { Checkpoint, Source } from '../../shared/connector/source.ts';
import { type Logger, silentLogger } from '../../shared/observe/log.ts';
import { postgresSource } from '../../sources/postgres/mod.ts';
import { formatBigLsn, parseLsn } from '../../sources/postgres/parser.ts';
import { SourceRun } from './source-run.ts';

export type Environment = Readonly<Record<string, string>>;

const NOTHING: Checkpoint = { position: null, snapshot: null };

/** A database of its own in the server of the test run, with sources on it; all of it goes when the test ends. */
export class PostgresBench implements AsyncDisposable {
  readonly url: string;
  readonly name: string;
  readonly #server: string;
  readonly #pool: pg.Pool;
  readonly #runs: SourceRun[] = [];

  static async open(server = process.env['POSTGRES_URL']): Promise<PostgresBench> {
    if (server === undefined) throw new Error('POSTGRES_URL is not set: the integration tests need a server.');
    const name = `source_${randomBytes(4).toString('hex')}`;
    await administer(server, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
    return new PostgresBench(server, name);
  }

  private constructor(server: string, name: string) {
    this.#server = server;
    this.name = name;
    this.url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
    this.#pool = new pg.Pool({ connectionString: this.url, max: 4 });
    this.#pool.on('error', () => undefined);
  }

  get slot(): string {
    return `dbmazz_${this.name}`;
  }

  async query<R extends pg.QueryResultRow = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<R[]> {
    const result = (await this.#pool.query<R>(sql, values as unknown[])) as pg.QueryResult<R> | pg.QueryResult<R>[];
    return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
  }

  /** The first column of the first row, as text. */
  async value(sql: string): Promise<string> {
    const [row] = await this.query(sql);
    return String(Object.values(row ?? {})[0]);
  }

  /** A connection of its own, for transactions that stay open. */
  async session(): Promise<pg.PoolClient> {
    return this.#pool.connect();
  }

  source(settings: Environment = {}): Source {
    return createSource({ SOURCE_NAME: this.name, SOURCE_URL: this.url, TABLES: 'public.*', ...settings });
  }

  async findings(settings: Environment = {}) {
    return (await this.source(settings).validate()).map(({ severity, code, message, remedy }) => ({ severity, code, message, remedy }));
  }

  /** Sets a source up and starts it; `from` is where an earlier one stopped. */
  async start(settings: Environment = {}, from: Checkpoint = NOTHING): Promise<SourceRun> {
    const run = await this.prepare(settings, from);
    run.start();
    return run;
  }

  /** A source that is set up and waits for its start. */
  async prepare(settings: Environment = {}, from: Checkpoint = NOTHING): Promise<SourceRun> {
    const source = this.source(settings);
    const anew = await source.beginAnew?.(from);
    const stored = anew === undefined ? from : { ...from, snapshot: anew };
    const run = new SourceRun(source, await source.setup(stored), stored);
    this.#runs.push(run);
    return run;
  }

  /** Waits until everything that was committed so far has come out of the source. */
  async caughtUp(run: SourceRun): Promise<void> {
    const lsn = formatBigLsn(parseLsn(await this.value(`SELECT pg_logical_emit_message(true, 'test', '')`)));
    await run.until(() => run.records.some((record) => record.kind === 'commit' && record.position.transaction >= lsn), 'the stream to catch up');
  }

  async snapshotDone(run: SourceRun): Promise<void> {
    await run.until(() => run.tables.every(({ qualifiedName }) => run.snapshot?.tables[qualifiedName]?.state === 'done'), 'the snapshot to end');
  }

  /** Asks again and again until the query gives true. */
  async until(sql: string): Promise<void> {
    while ((await this.value(sql)) !== 'true') await this.query('SELECT pg_sleep(0.02)');
  }

  /** Whether the source has asked for the log in binary form. */
  async streamIsBinary(): Promise<boolean> {
    return (
      (await this.value(`SELECT query LIKE '%binary ''true''%' FROM pg_stat_activity WHERE datname = '${this.name}' AND backend_type = 'walsender'`)) === 'true'
    );
  }

  async slotIsFree(): Promise<void> {
    await this.until(`SELECT coalesce(bool_and(NOT active), true) FROM pg_replication_slots WHERE slot_name = '${this.slot}'`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#runs.map(async (run) => run.stop().catch(() => undefined)));
    const mine = `FROM pg_replication_slots WHERE database = '${this.name}'`;
    await this.query(`SELECT pg_terminate_backend(active_pid) ${mine} AND active`);
    await this.until(`SELECT coalesce(bool_and(NOT active), true) ${mine}`);
    await this.query(`SELECT pg_drop_replication_slot(slot_name) ${mine}`);
    await this.#pool.end();
    await administer(this.#server, `DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
  }
}

export function createSource(environment: Environment, log: Logger = silentLogger()): Source {
  const { settings, problems } = readOptions({ ...SOURCE_OPTIONS, ...postgresSource.options }, environment);
  throwIfProblems(problems);
  return postgresSource.create(settings as Parameters<typeof postgresSource.create>[0], { log });
}

export async function administer(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
