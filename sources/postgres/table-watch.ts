import type { Client } from 'pg';
import type { Finding } from '../../shared/connector/finding.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import { type CatalogTable, describeTables } from './catalog.ts';
import type { PostgresSourceConfig } from './config.ts';
import { findProblems, findTables } from './setup.ts';
import { LOCATE_TABLES } from './statements.ts';

/** How often it is looked for tables that came or went. */
export const LOOK_INTERVAL_MS = 5000;
/** A new table that cannot be taken is looked at again after so many looks. */
const LOOKS_BETWEEN_CHECKS = 12;

interface Place extends TableRef {
  readonly id: string;
}

export interface TableWatchOptions {
  readonly config: PostgresSourceConfig;
  readonly log: Logger;
  /** The tables of the source. */
  readonly tables: readonly CatalogTable[];
}

/**
 * Notices tables that come and go while the source runs.
 *
 * One that is new and that TABLES asks for needs a new set-up: the publication, a topic, a snapshot. What is written to
 * it before it is published is not lost: the snapshot waits until those transactions are over. One that is gone is told
 * of, and the others go on.
 */
export class TableWatch {
  readonly #config: PostgresSourceConfig;
  readonly #log: Logger;
  readonly #known: ReadonlyMap<string, number>;
  readonly #missing = new Map<string, string>();
  readonly #said = new Set<string>();
  #looksUntilCheck = 0;
  /** The new tables of the last check. */
  #checked = '';

  constructor({ config, log, tables }: TableWatchOptions) {
    this.#config = config;
    this.#log = log;
    this.#known = new Map(tables.map(({ id, ref }) => [`${ref.schema}.${ref.name}`, id]));
  }

  /** Tables of the source that are no longer there, and what has become of them. */
  get missing(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#missing);
  }

  /** Throws `SETUP_CHANGED` where there is a table to be taken. */
  async look(client: Client): Promise<void> {
    const { tables } = await findTables(client, this.#config.tablePatterns);
    const { rows: places } = await client.query<Place>(LOCATE_TABLES, [
      tables.map(({ schema }) => schema),
      tables.map(({ name }) => name),
      [...this.#known.values()],
    ]);
    this.#tellMissing(places);
    const wanted = new Set(tables.map(({ schema, name }) => `${schema}.${name}`));
    const fresh = places.filter((place) => wanted.has(nameOf(place)) && this.#known.get(nameOf(place)) !== Number(place.id)).map(nameOf);
    const described =
      fresh.length === 0
        ? []
        : await describeTables(
            client,
            tables.filter((table) => fresh.includes(nameOf(table))),
          );
    if (described.length === 0) return;
    const taken = await this.#canBeTaken(client, fresh);
    if (taken.length > 0) throw new CdcError('SETUP_CHANGED', `${taken.join(', ')} came into being, and TABLES asks for it: setting up anew.`);
  }

  #tellMissing(places: readonly Place[]): void {
    const byId = new Map(places.map((place) => [Number(place.id), nameOf(place)]));
    for (const [name, id] of this.#known) {
      const now = byId.get(id);
      if (now === name) this.#missing.delete(name);
      else this.#missing.set(name, now === undefined ? 'dropped' : `renamed to ${now}`);
      if (now !== name) this.#sayOnce(`Table ${name} was ${this.#missing.get(name) ?? ''}; the others go on.`, {});
    }
  }

  /** The new tables with which nothing is wrong; what is with the others is said. */
  async #canBeTaken(client: Client, fresh: readonly string[]): Promise<readonly string[]> {
    if (fresh.join() !== this.#checked) this.#looksUntilCheck = 0;
    if (this.#looksUntilCheck-- > 0) return [];
    this.#looksUntilCheck = LOOKS_BETWEEN_CHECKS;
    this.#checked = fresh.join();
    const findings = await findProblems(client, this.#config);
    const errors = findings.filter(({ severity }) => severity === 'error');
    const wrong = fresh.map((name) => ({ name, findings: errors.filter((finding) => concerns(finding, name)) }));
    for (const { message, remedy } of new Set(wrong.flatMap((table) => table.findings))) {
      this.#sayOnce(`New tables are not taken yet. ${message}`, { remedy, tables: fresh });
    }
    return wrong.flatMap((table) => (table.findings.length === 0 ? [table.name] : []));
  }

  #sayOnce(message: string, details: object): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.#log.warn(details, message);
  }
}

/** What names no table stands in the way of all. */
function concerns({ table, without }: Finding, name: string): boolean {
  if (without !== undefined) return without.includes(name);
  return table === undefined || table === name;
}

function nameOf({ schema, name }: TableRef): string {
  return `${schema}.${name}`;
}
