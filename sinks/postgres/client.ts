import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { CdcError, isCdcError } from '../../shared/errors/cdc-error.ts';
import type { DriverTls } from '../../shared/tls/server-tls.ts';
import type { Binding } from './binding.ts';
import type { PostgresSinkConfig } from './config.ts';
import { quoteText } from './identifiers.ts';
import type { Pooled } from './session-pool.ts';
import { errorCodeOf } from './sqlstate.ts';
import { buildDropStaging, buildStagingTable } from './statements.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_DELAY_MS = 10_000;
/** How long we wait for a server beyond the time-out that it has been told: it may not even be there any more. */
const GRACE_MS = 15_000;
const LOCK_TIMEOUT_MS = 30_000;
const END_MS = 1000;
const UNIQUE_VIOLATION = '23505';
/** So many tables a connection stays prepared for. */
const MAX_STAGING_TABLES = 64;

export type Rows = readonly Readonly<Record<string, unknown>>[];

/** Where an error happened, for its message, and what a missing right would take. */
export interface Doing {
  /** Completes "PostgreSQL at … refused to": for instance "write to public.orders". */
  readonly what: string;
  readonly table?: string | undefined;
  readonly grant?: string | undefined;
  /** Set for what may rewrite a whole table: no time-out of ours then. */
  readonly mayTakeLong?: boolean | undefined;
}

/** One connection. It works in UTC, its errors are coded ones, and after an error it is of no more use. */
export class Session implements Pooled {
  readonly openedAtMs = performance.now();
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #config: PostgresSinkConfig;
  /** Names of the staging tables, by the fingerprint of the binding. */
  readonly #staging = new Map<string, string>();
  #stagingCount = 0;
  #isUsable = true;
  #isTimedOut = false;
  #firesTriggers = true;

  private constructor(config: PostgresSinkConfig, ssl: DriverTls) {
    this.#config = config;
    this.#socket = new Socket();
    this.#client = new pg.Client({
      connectionString: config.url.reveal(),
      ssl,
      stream: () => this.#socket,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      application_name: `dbmazz sink ${config.name}`,
    });
    if (!config.hasPassword) Object.assign(this.#client, { password: () => refusePassword(config) });
    // Whoever uses the connection hears of it by a rejected promise; without a listener Node would end the process.
    this.#client.on('error', () => (this.#isUsable = false));
    this.#client.on('end', () => (this.#isUsable = false));
  }

  static async open(config: PostgresSinkConfig): Promise<Session> {
    const doing = { what: 'let us in' };
    const ssl = await config.tls.driverTls().catch((error: unknown) => {
      throw toDriverError(error, doing, config);
    });
    const session = new Session(config, ssl);
    try {
      await session.#attempt(doing, () => session.#connect());
      await session.run(doing, sessionSettings(config));
      await session.#silenceTriggers();
      return session;
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** Whether triggers and foreign keys of the target take part: where the user may not switch them off. */
  get firesTriggers(): boolean {
    return this.#firesTriggers;
  }

  knows(fingerprint: string): boolean {
    return this.#staging.has(fingerprint);
  }

  /** Runs statements in one round trip; the rows of the last one. */
  async rows(doing: Doing, ...statements: readonly string[]): Promise<Rows> {
    const results: unknown = await this.#attempt(doing, () => this.#client.query(statements.join(';\n')));
    const last: unknown = Array.isArray(results) ? results.at(-1) : results;
    return (last as pg.QueryResult).rows as Rows;
  }

  /** Runs statements in one round trip; the first that fails ends it. */
  async run(doing: Doing, statements: readonly string[]): Promise<void> {
    await this.#attempt(doing, () => this.#client.query(statements.join(';\n')));
  }

  /** Sends rows by COPY; the number of bytes that went out. */
  async copy(doing: Doing, sql: string, chunks: Iterable<Buffer>): Promise<number> {
    let bytes = 0;
    const counted = function* () {
      for (const chunk of chunks) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    await this.#attempt(doing, () => pipeline(Readable.from(counted()), this.#client.query(copyFrom(sql))));
    return bytes;
  }

  /** As `copy`, and undefined where a row meets a unique index: the connection is then still good, its transaction is not. */
  async copyUnlessConflict(doing: Doing, sql: string, chunks: Iterable<Buffer>): Promise<number | undefined> {
    try {
      return await this.copy(doing, sql, chunks);
    } catch (error) {
      if (!isCdcError(error) || error.context['sqlState'] !== UNIQUE_VIOLATION) throw error;
      this.#isUsable = true;
      return undefined;
    }
  }

  /** The staging table of a binding on this connection; made at its first use. Not to be called in a transaction. */
  async stagingFor(binding: Binding, doing: Doing): Promise<string> {
    const known = this.#staging.get(binding.fingerprint);
    if (known !== undefined) return known;
    const name = `dbmazz_staging_${++this.#stagingCount}`;
    await this.run(doing, [...this.#forgetOldest(), buildStagingTable(binding, name)]);
    this.#staging.set(binding.fingerprint, name);
    return name;
  }

  async end(): Promise<void> {
    this.#isUsable = false;
    const timer = setTimeout(() => this.#socket.destroy(), END_MS);
    // Whatever goes wrong here, the connection is gone afterwards.
    await this.#client.end().catch(() => undefined);
    clearTimeout(timer);
    this.#socket.destroy();
  }

  async #connect(): Promise<void> {
    try {
      await this.#client.connect();
    } catch (error) {
      throw await this.#config.tls.explain(error);
    }
  }

  #forgetOldest(): readonly string[] {
    const [oldest] = this.#staging;
    if (this.#staging.size < MAX_STAGING_TABLES || oldest === undefined) return [];
    this.#staging.delete(oldest[0]);
    return [buildDropStaging(oldest[1])];
  }

  /** As PostgreSQL's own replication does: tables are written in parallel, so foreign keys between them may not hold yet. */
  async #silenceTriggers(): Promise<void> {
    try {
      await this.#client.query('SET session_replication_role = replica');
      this.#firesTriggers = false;
    } catch (error) {
      if (codeOf(error) !== '42501') throw toDriverError(error, { what: 'let us in' }, this.#config);
    }
  }

  async #attempt<T>(doing: Doing, action: () => Promise<T>): Promise<T> {
    const timer = doing.mayTakeLong === true ? undefined : this.#startDeadline();
    try {
      return await action();
    } catch (error) {
      this.#isUsable = false;
      throw this.#isTimedOut ? timedOut(error, doing, this.#config) : toDriverError(error, doing, this.#config);
    } finally {
      clearTimeout(timer);
    }
  }

  #startDeadline(): NodeJS.Timeout | undefined {
    if (this.#config.statementTimeoutMs === 0) return undefined;
    return setTimeout(() => {
      this.#isTimedOut = true;
      this.#socket.destroy();
    }, this.#config.statementTimeoutMs + GRACE_MS);
  }
}

function sessionSettings(config: PostgresSinkConfig): readonly string[] {
  const settings = {
    timezone: 'UTC',
    datestyle: 'ISO, YMD',
    intervalstyle: 'postgres',
    standard_conforming_strings: 'on',
    client_min_messages: 'warning',
    default_transaction_isolation: 'read committed',
    xmloption: 'content',
    lock_timeout: String(LOCK_TIMEOUT_MS),
    statement_timeout: String(config.statementTimeoutMs),
  };
  return [...Object.entries(settings).map(([name, value]) => `SET ${name} = ${quoteText(value)}`), KEEP_DURABLE];
}

/** What is committed must outlive a crash of the server: offsets are committed next. */
const KEEP_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

function refusePassword({ host, user }: PostgresSinkConfig): never {
  throw new CdcError('AUTH_FAILED', `PostgreSQL at ${host} asks for the password of ${user}, and none is set.`, {
    remedy: 'Set SINK_PASSWORD, or write the password into SINK_URL.',
  });
}

function timedOut(cause: unknown, { what, table }: Doing, { host }: PostgresSinkConfig): CdcError {
  return new CdcError('TIMEOUT', `PostgreSQL at ${host} did not answer in time when asked to ${what}.`, { context: { table }, cause });
}

/** Errors of the driver by their code; one without a code is the driver's own about a connection that has ended. */
function toDriverError(error: unknown, doing: Doing, config: PostgresSinkConfig): unknown {
  if (error instanceof CdcError || !(error instanceof Error)) return error;
  const sqlState = codeOf(error);
  if (sqlState === undefined && error.constructor !== Error) return error;
  const code = sqlState === undefined || sqlState.startsWith('ERR_STREAM') ? 'CONNECTION_LOST' : (errorCodeOf(sqlState) ?? 'TARGET_REFUSED');
  const message =
    code === 'CONNECTION_LOST'
      ? `PostgreSQL at ${config.host} went away, or is not there, when asked to ${doing.what}.`
      : `PostgreSQL at ${config.host} refused to ${doing.what}.`;
  const remedy = code === 'SETUP_GRANT_MISSING' ? doing.grant : undefined;
  return new CdcError(code, message, { context: { table: doing.table, sqlState, ...detailsOf(error) }, remedy, cause: error });
}

/** Names only: the server's own words may hold values. */
function detailsOf(error: Error): { readonly column?: string | undefined; readonly constraint?: string | undefined } {
  return error instanceof pg.DatabaseError ? { column: error.column, constraint: error.constraint } : {};
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
