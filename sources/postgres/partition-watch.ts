import pg, { type Client } from 'pg';
import type { Logger } from '../../shared/observe/log.ts';
import { type CatalogTable, type SchemaRules, topicKeyOf } from './catalog.ts';
import type { PostgresSourceConfig } from './config.ts';
import { ATTACHED_PARTITIONS, quoteTable } from './statements.ts';

interface Attached {
  /** Every transaction before this one is over. */
  readonly horizon: string;
  /** Null where nothing was attached; so are all others. */
  readonly root_id: string | null;
  readonly part_schema: string;
  readonly part_name: string;
  readonly attached_by: string;
  /** What rows of the partition meet, in SQL. */
  readonly condition: string | null;
}

/** A part of a table that is to be read. */
export interface TablePart {
  readonly id: string;
  /** `schema.table`. */
  readonly table: string;
  readonly where: string | null;
}

export interface PartitionWatchOptions {
  readonly config: PostgresSourceConfig;
  readonly rules: SchemaRules;
  readonly log: Logger;
  /** The tables of the source that are partitioned. */
  readonly roots: readonly CatalogTable[];
  /** Transactions before this one were looked at by an earlier process. */
  readonly horizon: string | undefined;
  readonly read: (part: TablePart) => Promise<void>;
}

/**
 * Notices partitions that come: what one held when it was attached is in no change of the log, so it is read. That one was
 * created empty cannot be told from that it was filled before, so those are read as well: a repeat harms nobody.
 *
 * A partition is new where the transaction that attached it was not over at the last look. How far that was is stored with the
 * position, so one that is attached while the source is down is noticed too.
 */
export class PartitionWatch {
  readonly #options: PartitionWatchOptions;
  readonly #handled = new Set<string>();
  #horizon: string | undefined;
  #isLooking = false;

  constructor(options: PartitionWatchOptions) {
    this.#options = options;
    this.#horizon = options.horizon;
  }

  /** Every partition that a transaction before this one attached was seen to; undefined where there are none to look for. */
  get horizon(): string | undefined {
    return this.#horizon;
  }

  async look(client: Client): Promise<void> {
    const { roots } = this.#options;
    if (roots.length === 0 || this.#isLooking) return;
    this.#isLooking = true;
    try {
      const { rows } = await client.query<Attached>(ATTACHED_PARTITIONS, [this.#horizon ?? null, roots.map(({ id }) => id)]);
      for (const row of rows) await this.#seeToOnce(row);
      this.#horizon = rows[0]?.horizon ?? this.#horizon;
    } finally {
      this.#isLooking = false;
    }
  }

  /** One that could not be asked for is asked for again at the next look. */
  async #seeToOnce(row: Attached): Promise<void> {
    const id = `partition ${row.part_schema}.${row.part_name} of transaction ${row.attached_by}`;
    if (this.#handled.has(id)) return;
    await this.#seeTo(id, row);
    this.#handled.add(id);
  }

  async #seeTo(id: string, { root_id: rootId, part_schema: schema, part_name: name, condition }: Attached): Promise<void> {
    const root = this.#options.roots.find((table) => String(table.id) === rootId);
    if (root === undefined) return;
    const { config, rules, log, read } = this.#options;
    const [table, partition] = [`${root.ref.schema}.${root.ref.name}`, `${schema}.${name}`];
    if (config.settings.SNAPSHOT_MODE === 'never') {
      const remedy = `Where it held rows: dbmazz snapshot --source ${config.name} --tables ${table} --where ${inShell(condition ?? 'true')}`;
      return log.warn(
        { table, partition, remedy },
        `Partition ${partition} of ${table} is new: rows that it held before are not published, since SNAPSHOT_MODE is never.`,
      );
    }
    if (topicKeyOf(root, rules).length === 0) {
      const remedy = `Where it held rows: ALTER PUBLICATION ${pg.escapeIdentifier(config.publication)} DROP TABLE ${quoteTable(root.ref)}; the source then adds the table again and reads it anew.`;
      return log.warn(
        { table, partition, remedy },
        `Partition ${partition} of ${table} is new: rows that it held before cannot be read beside the stream, since the table has no key.`,
      );
    }
    log.info({ table, partition }, `partition ${partition} of ${table} is new: reading what it holds`);
    await read({ id, table, where: condition });
  }
}

function inShell(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
