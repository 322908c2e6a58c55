import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ErrorCode } from '../../shared/errors/codes.ts';
import type { TemplateConfig } from './config.ts';
import { MemoryConnection, MemoryError, type Statement } from './memory-database.ts';

/** A table of the target as it is: its columns with their types, ours included, and the names of its key. */
export interface TargetTable {
  readonly name: string;
  readonly columns: ReadonlyMap<string, string>;
  readonly key: readonly string[];
}

/**
 * The driver's codes (SQLSTATE, errno, HTTP status) and ours. What stands here for a passing state (`CONNECTION_LOST`,
 * `TARGET_BUSY`, `TIMEOUT`) is tried again by the runner; what is not listed is `TARGET_REFUSED`.
 */
const ERROR_CODES: Readonly<Record<string, ErrorCode>> = {
  connection_closed: 'CONNECTION_LOST',
  table_full: 'TARGET_REFUSED',
  no_such_table: 'TARGET_REFUSED',
};

/**
 * What belongs into `client.ts`: every call of the driver, and nothing else imports it. Errors of the driver become
 * coded ones here, by code and never by their text, with the driver's own as the cause. It does not retry: the runner does.
 */
export class Client {
  readonly #config: TemplateConfig;
  /** Opened by the first call, so that making a sink connects to nothing. */
  #connection: MemoryConnection | undefined;

  constructor(config: TemplateConfig) {
    this.#config = config;
  }

  async serverVersion(): Promise<number> {
    return this.#ask('asking for the version', async (connection) => connection.serverVersion());
  }

  async findTable(name: string): Promise<TargetTable | undefined> {
    return this.#ask(`looking for ${name}`, async (connection) => {
      const table = await connection.describe(name);
      return table === undefined ? undefined : { name, columns: table.columns, key: table.key };
    });
  }

  async createTable({ name, columns, key }: TargetTable): Promise<void> {
    await this.#ask(`creating ${name}`, async (connection) => connection.create(name, columns, key));
  }

  /** Adds columns, and gives columns that are there a wider type. */
  async alterTable(name: string, columns: ReadonlyMap<string, string>): Promise<void> {
    await this.#ask(`changing ${name}`, async (connection) => connection.alter(name, columns));
  }

  /** All statements in one transaction: durable when it resolves, and none carried out when it rejects. */
  async write(name: string, statements: readonly Statement[]): Promise<void> {
    await this.#ask(`writing to ${name}`, async (connection) => connection.run(name, statements));
  }

  /** May be called again, and before anything was opened. */
  async close(): Promise<void> {
    await this.#connection?.close();
  }

  async #ask<T>(action: string, work: (connection: MemoryConnection) => Promise<T>): Promise<T> {
    try {
      this.#connection ??= new MemoryConnection(this.#config.database, this.#config.maxRows);
      return await work(this.#connection);
    } catch (error) {
      throw toCodedError(error, action);
    }
  }
}

/** What the driver did not throw is a bug of ours, and goes on as it is. */
function toCodedError(error: unknown, action: string): unknown {
  if (!(error instanceof MemoryError)) return error;
  const code = ERROR_CODES[error.code] ?? 'TARGET_REFUSED';
  return new CdcError(code, `The target failed while ${action} (${error.code}).`, { cause: error, context: { driverCode: error.code } });
}
