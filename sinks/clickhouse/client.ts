import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client';
import type { ClickHouseConfig } from './config.ts';
import { toTargetError } from './errors.ts';

type Driver = ReturnType<typeof createClient>;

export interface Statement {
  readonly sql: string;
  /** What it does, for messages. */
  readonly action: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export interface Insert extends Statement {
  readonly body: Buffer;
  /** Equal for a repetition of the same insert: the server then writes it once. */
  readonly deduplicationToken: string;
}

/** Above the longest statement that is built: keys to look up stand in its text. */
const MAX_QUERY_BYTES = 1024 * 1024 * 1024;
/** The driver's own limit comes after ours, so that a time-out is known as one. */
const GRACE_MS = 5000;

/**
 * The only way to the server. Each method resolves when the server has finished the statement, and rejects with a
 * coded error. Nothing is tried twice.
 */
export class ClickHouseClient {
  readonly #driver: Driver;
  readonly #timeoutMs: number;

  constructor(config: ClickHouseConfig) {
    this.#timeoutMs = config.requestTimeoutMs;
    this.#driver = createClient({
      url: config.url,
      username: config.user,
      password: config.password.reveal(),
      application: 'dbmazz',
      request_timeout: config.requestTimeoutMs + GRACE_MS,
      keep_alive: { enabled: true },
      compression: { request: config.compression === 'none' ? false : { codec: config.compression }, response: false },
      log: { level: ClickHouseLogLevel.OFF },
    });
  }

  async rows<T>(statement: Statement): Promise<readonly T[]> {
    return this.#attempt(statement, async (options) => {
      const result = await this.#driver.query({ ...options, query: statement.sql, format: 'JSONEachRow' });
      return result.json<T>();
    });
  }

  /** The answer's bytes as they are; the statement names their format. */
  async bytes(statement: Statement): Promise<Buffer> {
    return this.#attempt(statement, async (options) => {
      const result = await this.#driver.exec({ ...options, query: statement.sql });
      return buffer(result.stream);
    });
  }

  async run(statement: Statement): Promise<void> {
    await this.#attempt(statement, async (options) => this.#driver.command({ ...options, query: statement.sql }));
  }

  /** Resolves with the number of rows that the server says it has written, with those of views that hang on the table. */
  async insert({ body, deduplicationToken, ...statement }: Insert): Promise<number> {
    const settings = { ...INSERT_SETTINGS, insert_deduplication_token: deduplicationToken };
    return this.#attempt(statement, async (options) => {
      const result = await this.#driver.exec({
        ...options,
        query: statement.sql,
        values: Readable.from([body], { objectMode: false }),
        clickhouse_settings: { ...options.clickhouse_settings, ...settings },
      });
      await buffer(result.stream);
      return Number(result.summary?.written_rows ?? 0);
    });
  }

  async close(): Promise<void> {
    await this.#driver.close();
  }

  async #attempt<T>({ action, parameters }: Statement | Omit<Insert, 'body' | 'deduplicationToken'>, run: (options: CallOptions) => Promise<T>): Promise<T> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      return await run({ abort_signal: signal, clickhouse_settings: SETTINGS, ...(parameters === undefined ? {} : { query_params: parameters }) });
    } catch (error) {
      throw toTargetError(error, { action, hasTimedOut: signal.aborted });
    }
  }
}

interface CallOptions {
  readonly abort_signal: AbortSignal;
  readonly clickhouse_settings: ClickHouseSettings;
  readonly query_params?: Record<string, unknown>;
}

/** Written when answered; a column that the table no longer has is an error and not passed over. */
const INSERT_SETTINGS: ClickHouseSettings = { async_insert: 0, insert_deduplicate: 1, input_format_skip_unknown_fields: 0 };

/** An answer is sent when the statement is done, so that its status is true; changes of tables are waited for. */
const SETTINGS: ClickHouseSettings = { wait_end_of_query: 1, mutations_sync: '2', max_query_size: String(MAX_QUERY_BYTES) };
