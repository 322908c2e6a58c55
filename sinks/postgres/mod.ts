import { targetTableName } from '../../shared/config/sink-options.ts';
import type { ConnectorContext, SinkConnector } from '../../shared/connector/connector.ts';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint, Sink, SinkCapabilities, SinkResult } from '../../shared/connector/sink.ts';
import { type Records, tableOf } from '../../shared/record/record.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { checkTarget } from './checks.ts';
import { PostgresCheckpoints } from './checkpoints.ts';
import { Session } from './client.ts';
import { POSTGRES_SINK_OPTIONS, resolveConfig, type PostgresSinkConfig } from './config.ts';
import { SessionPool } from './session-pool.ts';
import { setUpTable } from './setup.ts';
import { stageBatch } from './staging.ts';
import { Tables } from './tables.ts';
import { writeBatch } from './write.ts';

/** Writes to PostgreSQL 12 or newer: COPY into a staging table, then one statement into the target. */
export class PostgresSink implements Sink {
  readonly name = 'postgres';
  readonly checkpoints: PostgresCheckpoints;
  readonly #config: PostgresSinkConfig;
  readonly #log: ConnectorContext['log'];
  readonly #sessions: SessionPool<Session>;
  readonly #tables: Tables;

  constructor(config: PostgresSinkConfig, { log }: ConnectorContext) {
    this.#config = config;
    this.#log = log;
    this.#sessions = new SessionPool({ limit: config.connections, open: () => Session.open(config) });
    this.#tables = new Tables(config);
    this.checkpoints = new PostgresCheckpoints(config, this.#sessions);
  }

  capabilities(): SinkCapabilities {
    return {
      supportsUpsert: true,
      supportsDelete: true,
      supportsSchemaEvolution: true,
      supportsTransactions: true,
      loadingModel: 'stagedBatch',
      optimalFlushIntervalMs: 1000,
    };
  }

  async validateConnection(): Promise<readonly Finding[]> {
    return this.#sessions.use('', (session) => checkTarget(session, this.#config));
  }

  async setup(schemas: readonly TableSchema[]): Promise<void> {
    for (const table of schemas) await this.#setUp(table);
  }

  async writeBatch(records: Records, checkpoint?: Checkpoint): Promise<SinkResult> {
    const last = records.at(-1);
    const table = tableOf(records);
    if (last === undefined || table === undefined) return { recordsWritten: 0, bytesWritten: 0, lastPosition: last?.position ?? null };
    const binding = this.#tables.bindingOf(table) ?? (await this.#setUp(table));
    const staged = stageBatch(records, this.#config.deleteMode);
    const batch = {
      ...staged,
      binding,
      checkpoint,
      isForgetting: this.#tables.isForgetting(binding, staged, Date.now()),
      mayBeNew: this.#tables.mayBeNew(binding, staged),
    };
    const written = await this.#sessions.use(binding.fingerprint, (session) => writeBatch(session, this.#config, batch));
    this.#tables.learn(binding, written);
    return { recordsWritten: staged.changes, bytesWritten: written.bytes, lastPosition: last.position };
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #setUp(table: TableSchema) {
    const target = { schema: this.#config.schema, name: targetTableName(this.#config.tablePattern, table) };
    this.#tables.claim(target.name, table);
    const binding = await this.#sessions.use('', (session) => setUpTable({ session, config: this.#config, log: this.#log }, target, table));
    this.#tables.remember(table, binding);
    return binding;
  }
}

export const postgresSink: SinkConnector<typeof POSTGRES_SINK_OPTIONS> = {
  options: POSTGRES_SINK_OPTIONS,
  create: (settings, context) => new PostgresSink(resolveConfig(settings), context),
};
