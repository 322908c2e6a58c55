import type { ConnectorContext, SinkConnector } from '../../shared/connector/connector.ts';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Sink, SinkCapabilities, SinkResult } from '../../shared/connector/sink.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { type Records, tableOf } from '../../shared/record/record.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { Client, type TargetTable } from './client.ts';
import { resolveConfig, targetNameOf, TEMPLATE_OPTIONS, type TemplateConfig } from './config.ts';
import { checkOwner, checkTarget, setUpTable } from './setup.ts';
import { buildBatch } from './statements.ts';

/**
 * What belongs into `mod.ts`: the class that keeps the promises of `Sink` by calling the other files in order, and the
 * constant that `sinks/create-sink.ts` lists. It composes and decides nothing.
 *
 * This one writes to tables in the memory of the process.
 */
class TemplateSink implements Sink {
  readonly name = 'template';
  readonly #config: TemplateConfig;
  readonly #client: Client;
  readonly #log: Logger;
  /** The schema that each target was last made ready for, and what it looks like since, by target name. */
  readonly #ready = new Map<string, { readonly schema: TableSchema; readonly target: TargetTable }>();

  /** Opens no connection: that is for the first call. */
  constructor(config: TemplateConfig, { log }: ConnectorContext) {
    this.#config = config;
    this.#client = new Client(config);
    this.#log = log;
  }

  capabilities(): SinkCapabilities {
    return {
      supportsUpsert: true,
      supportsDelete: true,
      supportsSchemaEvolution: true,
      supportsTransactions: true,
      loadingModel: 'batch',
      optimalFlushIntervalMs: 1000,
    };
  }

  async validateConnection(): Promise<readonly Finding[]> {
    return checkTarget(this.#client);
  }

  async setup(schemas: readonly TableSchema[]): Promise<void> {
    for (const schema of schemas) await this.#setUp(schema);
  }

  async writeBatch(records: Records): Promise<SinkResult> {
    const lastPosition = records.at(-1)?.position ?? null;
    const schema = tableOf(records);
    if (schema === undefined) return { recordsWritten: 0, bytesWritten: 0, lastPosition };
    const target = await this.#targetOf(schema);
    const { statements, rows, bytes } = buildBatch({ records, schema, target, deleteMode: this.#config.deleteMode });
    await this.#client.write(target.name, statements);
    return { recordsWritten: rows, bytesWritten: bytes, lastPosition };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** A batch may come in a schema that was not announced, or in an older one that was. */
  async #targetOf(schema: TableSchema): Promise<TargetTable> {
    const ready = this.#ready.get(targetNameOf(this.#config, schema));
    return ready?.schema.fingerprint === schema.fingerprint ? ready.target : this.#setUp(schema);
  }

  async #setUp(schema: TableSchema): Promise<TargetTable> {
    const name = targetNameOf(this.#config, schema);
    checkOwner(name, schema, this.#ready.get(name)?.schema);
    const target = await setUpTable({ client: this.#client, config: this.#config, log: this.#log }, schema);
    this.#ready.set(name, { schema, target });
    return target;
  }
}

export const templateSink: SinkConnector<typeof TEMPLATE_OPTIONS> = {
  options: TEMPLATE_OPTIONS,
  create: (settings, context) => new TemplateSink(resolveConfig(settings), context),
};
