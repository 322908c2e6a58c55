import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';

/**
 * The limit of a ClickHouse sink: the rows that it wrote, as one body in the same format, inserted again by the
 * server's own client into an empty table of the same kind.
 */
const ROWS = 'orders_dbmazz_rows';
const TIMEOUT_MS = 600_000;

export class PreparedClickHouse implements AsyncDisposable {
  readonly #client: ReturnType<typeof createClient>;
  readonly #database: string;

  constructor(url: string, database: string) {
    this.#client = createClient({ url, request_timeout: TIMEOUT_MS, log: { level: ClickHouseLogLevel.OFF } });
    this.#database = database;
  }

  /** The seconds that the insert took. */
  async load(): Promise<number> {
    const { stream } = await this.#client.exec({ query: `SELECT * FROM ${this.#database}.${ROWS} FORMAT RowBinaryWithNamesAndTypes` });
    const body = await buffer(stream);
    await this.#client.command({ query: `CREATE TABLE ${this.#database}.loaded AS ${this.#database}.${ROWS}` });
    const startedAt = performance.now();
    const answer = await this.#client.exec({
      query: `INSERT INTO ${this.#database}.loaded FORMAT RowBinaryWithNamesAndTypes`,
      values: Readable.from([body], { objectMode: false }),
    });
    await buffer(answer.stream);
    return (performance.now() - startedAt) / 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.command({ query: `DROP DATABASE IF EXISTS ${this.#database}` });
    await this.#client.close();
  }
}
