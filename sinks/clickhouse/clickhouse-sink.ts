import { createHash, randomBytes } from 'node:crypto';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Sink, SinkCapabilities, SinkResult } from '../../shared/connector/sink.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { lastByKey, type LastChanges } from '../../shared/record/last-by-key.ts';
import { mergeByKey } from '../../shared/record/merge-by-key.ts';
import { packRecords } from '../../shared/record/pack-records.ts';
import { KIND_CODES, PackedChanges } from '../../shared/record/packed-changes.ts';
import type { Records } from '../../shared/record/record.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { ClickHouseClient } from './client.ts';
import { type ClickHouseConfig, targetNames } from './config.ts';
import { prepareKeyed } from './keyed.ts';
import { prepareKeyless } from './keyless.ts';
import { saysTableChanged } from './errors.ts';
import { type Encoded, encodeChanges, encodeRows } from './outgoing.ts';
import type { TablePlan } from './plan.ts';
import { ensureDatabase, findProblems, prepareTable, readTimeRange, type SetupContext } from './setup.ts';
import { buildDeleteBelow, buildInsert, buildSetComment, parseTruncatedBelow, withTruncatedBelow } from './statements.ts';
import type { TimeRange } from './time-range.ts';

const CAPABILITIES: SinkCapabilities = {
  supportsUpsert: true,
  supportsDelete: true,
  supportsSchemaEvolution: true,
  supportsTransactions: false,
  loadingModel: 'batch',
  minBatchSize: 1000,
  optimalFlushIntervalMs: 5000,
};

type Written = Omit<SinkResult, 'lastPosition'>;

/** What is known of a target between two batches; forgotten after any failure, and read again. */
interface PreparedTable {
  readonly plan: TablePlan;
  truncatedBelow: number;
}

/**
 * Writes tables as ReplacingMergeTree, each behind a view of its live rows.
 *
 * Every change is an insert of the row's new state with its version, a delete one with a mark; the engine keeps, of
 * the rows of one key, the one with the highest version. So repeats and replays change nothing, and the rows that mark
 * deletes, which are never cleaned away, keep older changes from bringing a row back.
 */
export class ClickHouseSink implements Sink {
  readonly name = 'clickhouse';
  readonly #config: ClickHouseConfig;
  readonly #context: SetupContext;
  readonly #client: ClickHouseClient;
  /** By name of the target. */
  readonly #prepared = new Map<string, PreparedTable>();
  /** Which source table writes to which target. */
  readonly #owners = new Map<string, string>();
  /** Sets the repetitions of this process apart: what an operator removed by hand can be replayed by the next one. */
  readonly #salt = randomBytes(8);
  #range: TimeRange | undefined;
  /** Of a body that was sent: the next one is written into it. Else each would have V8 collect the whole heap. */
  #memory: Buffer | undefined;

  constructor(config: ClickHouseConfig, log: Logger) {
    this.#config = config;
    this.#client = new ClickHouseClient(config);
    this.#context = { client: this.#client, config, log };
  }

  capabilities(): SinkCapabilities {
    return CAPABILITIES;
  }

  async validateConnection(): Promise<readonly Finding[]> {
    return findProblems(this.#context);
  }

  async setup(schemas: readonly TableSchema[]): Promise<void> {
    if (schemas.length === 0) return;
    if (this.#range === undefined) {
      await ensureDatabase(this.#context);
      this.#range = await readTimeRange(this.#client);
    }
    for (const schema of schemas) await this.#prepare(schema, this.#range);
  }

  /** Where somebody else altered the table meanwhile, it is looked at and written to once more. */
  async writeBatch(records: Records): Promise<SinkResult> {
    const changes = records instanceof PackedChanges ? records : packRecords(records);
    const last = changes.at(-1);
    if (last === undefined) return { recordsWritten: 0, bytesWritten: 0, lastPosition: null };
    const written = await this.#writeOnce(last.table, changes).catch(async (error: unknown) => {
      if (!saysTableChanged(error)) throw error;
      return this.#writeOnce(last.table, changes);
    });
    return { ...written, lastPosition: last.position };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #prepare(schema: TableSchema, range: TimeRange): Promise<void> {
    this.#claim(schema);
    const plan = await prepareTable(this.#context, schema, range);
    this.#prepared.set(plan.names.view, { plan, truncatedBelow: parseTruncatedBelow(plan.comment) });
  }

  #claim(schema: TableSchema): void {
    const { view } = targetNames(this.#config, schema);
    const owner = this.#owners.get(view) ?? schema.qualifiedName;
    this.#owners.set(view, owner);
    if (owner === schema.qualifiedName) return;
    throw new CdcError('CONFIG_INVALID', `${owner} and ${schema.qualifiedName} would both be written to ${view}.`, {
      remedy: 'Give SINK_TABLE a pattern with {schema} in it.',
    });
  }

  async #preparedFor(schema: TableSchema): Promise<PreparedTable> {
    const { view } = targetNames(this.#config, schema);
    if (this.#prepared.get(view)?.plan.schema.fingerprint !== schema.fingerprint) await this.setup([schema]);
    const prepared = this.#prepared.get(view);
    if (prepared === undefined) throw new CdcError('INVARIANT_BROKEN', `${schema.qualifiedName} was set up and is not there.`);
    return prepared;
  }

  /** A failure makes us look at the target again before the next attempt. */
  async #writeOnce(schema: TableSchema, changes: PackedChanges): Promise<Written> {
    const prepared = await this.#preparedFor(schema);
    try {
      return await this.#write(prepared, changes);
    } catch (error) {
      this.#prepared.delete(prepared.plan.names.view);
      throw error;
    }
  }

  async #write(prepared: PreparedTable, changes: PackedChanges): Promise<Written> {
    const last = this.#lastChanges(changes);
    if (last === null) return this.#writeMerged(prepared, changes);
    const memory = this.#memory;
    this.#memory = undefined;
    return this.#insert(prepared.plan, encodeChanges(prepared.plan, last, { fromVersion: prepared.truncatedBelow, memory }));
  }

  /** Where they say all there is to know of their rows: most batches go this way, which makes no object a row. */
  #lastChanges(changes: PackedChanges): LastChanges | null {
    if (this.#config.deleteMode === 'soft' && changes.has(KIND_CODES.delete)) return null;
    return lastByKey(changes);
  }

  async #writeMerged(prepared: PreparedTable, records: PackedChanges): Promise<Written> {
    const { plan } = prepared;
    const { deleteMode } = this.#config;
    const merged = mergeByKey(records);
    await this.#truncate(prepared, merged.truncatedBelow);
    const states = merged.rows.filter(({ record }) => record.version >= prepared.truncatedBelow);
    const input = { plan, states, records, deleteMode };
    const rows = plan.isKeyless ? await prepareKeyless(this.#client, input) : await prepareKeyed(this.#client, input);
    return this.#insert(plan, encodeRows(plan, rows));
  }

  /** Rows go first, then the mark that keeps replays of them out: dying in between repeats the first. */
  async #truncate(prepared: PreparedTable, below: number): Promise<void> {
    if (below <= prepared.truncatedBelow) return;
    const { table, comment, schema } = prepared.plan;
    const action = `truncating ${schema.qualifiedName}`;
    await this.#client.run({ sql: buildDeleteBelow(table, below), action });
    await this.#client.run({ sql: buildSetComment(table, withTruncatedBelow(comment, below)), action });
    prepared.truncatedBelow = below;
  }

  async #insert(plan: TablePlan, { body, versions, memory }: Encoded): Promise<Written> {
    const sent = versions.length;
    if (sent === 0) return { recordsWritten: 0, bytesWritten: 0 };
    const deduplicationToken = this.#tokenOf(plan, versions);
    const action = `writing to ${plan.table}`;
    const written = await this.#client.insert({ sql: buildInsert(plan.table), action, body, deduplicationToken });
    // Where the insert failed, part of the body may still be on its way.
    this.#memory = memory;
    if (written >= sent) return { recordsWritten: sent, bytesWritten: body.length };
    throw new CdcError('TARGET_REFUSED', `ClickHouse accepted ${sent} rows for ${plan.table} and says that it wrote ${written}.`, {
      context: { table: plan.schema.qualifiedName, sent, written },
    });
  }

  /** Of the changes that are written: no two changes of a table have one version. */
  #tokenOf({ header }: TablePlan, versions: Float64Array): string {
    return createHash('sha1').update(this.#salt).update(header).update(versions).digest('hex');
  }
}
