import type { Client } from 'pg';
import { stopsTable } from '../../shared/connector/stopped-table.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { isBinary } from './binary-cells.ts';
import {
  type CatalogTable,
  columnPath,
  describeTables,
  describeTypes,
  matches,
  type SchemaRules,
  type TableVersion,
  toRelationVersion,
  toTableVersion,
} from './catalog.ts';
import type { RelationMessage } from './parser.ts';
import { Relation } from './relation.ts';

type ProtectingSetting = 'EXCLUDE_COLUMNS' | 'MASK_COLUMNS';

export interface VersionHooks {
  /** A connection whose answers are as of after that transaction. */
  clientThatSees(xid: number): Promise<Client>;
  /** Rows of a table have a new schema from here on. */
  announce(table: TableSchema): void;
  /** Whether the log may be read in binary form at all. */
  readonly mayBeBinary: boolean;
  /** It may not, from the next set-up on: it holds a type that is read as text. */
  needText(): void;
}

/**
 * The tables that were asked for, in the version that each has on the stream. Where the log and the catalogue are at
 * different places, what the log says holds, and the catalogue is asked for what the log does not tell.
 */
export class TableVersions {
  readonly rules: SchemaRules;
  /** Whether the log is read in binary form: it may be, and all types that the tables have at the start can. */
  readonly isBinary: boolean;
  readonly #hooks: VersionHooks;
  readonly #catalog: Map<string, CatalogTable>;
  readonly #versions = new Map<string, TableVersion>();
  /** The version of each table that was last told on the stream, or at the start. */
  readonly #announced: Map<string, TableSchema>;
  /** What the log last said of each table, by its id. */
  readonly #messages = new Map<number, RelationMessage>();
  /** Columns to be left out or masked that no table has at the start. */
  readonly #lost: readonly string[];

  constructor(tables: readonly CatalogTable[], rules: SchemaRules, hooks: VersionHooks) {
    this.rules = rules;
    this.#hooks = hooks;
    const present = new Set(tables.flatMap(({ ref, columns }) => columns.map(({ name }) => columnPath(ref, name))));
    this.#lost = [...rules.excluded, ...rules.masks.keys()].filter((path) => !present.has(path));
    this.#catalog = new Map(tables.map((table) => [`${table.ref.schema}.${table.ref.name}`, table]));
    for (const table of tables) this.#adoptIfPossible(table);
    this.#announced = new Map(this.schemas.map((table) => [table.qualifiedName, table]));
    this.isBinary = hooks.mayBeBinary && this.#versions.values().every(({ table, columns }) => isBinary(table, columns));
  }

  /** A table that cannot be carried as it is now stops once the log has come to that: what was written before may well be. */
  #adoptIfPossible(table: CatalogTable): void {
    try {
      this.adopt(toTableVersion(table, this.rules));
    } catch (error) {
      if (!stopsTable(error)) throw error;
    }
  }

  get tables(): readonly CatalogTable[] {
    return [...this.#catalog.values()];
  }

  get schemas(): readonly TableSchema[] {
    return [...this.#versions.values()].map(({ table }) => table);
  }

  /** By `schema.table`. */
  find(name: string): CatalogTable | undefined {
    return this.#catalog.get(name);
  }

  /** One schema object a version, so that what hangs on it downstream is built once. Throws `CONFIG_INVALID`. */
  adopt(version: TableVersion): TableVersion {
    this.#assertNoneLost(version);
    const current = this.#versions.get(version.table.qualifiedName);
    if (current?.table.fingerprint === version.table.fingerprint) return { table: current.table, columns: version.columns };
    this.#versions.set(version.table.qualifiedName, version);
    return version;
  }

  /** The rows' layout after a Relation message in a transaction; null for a table that was not asked for. */
  resolve(message: RelationMessage, xid: number): Relation | null | Promise<Relation | null> {
    this.#assertProtectedStay(message);
    this.#messages.set(message.id, message);
    const known = this.#catalog.get(`${message.schema}.${message.name}`);
    if (known === undefined) return this.#resolveUnknown(message, xid);
    if (matches(message, known, this.rules)) return this.#isListed(known) ? this.#resolveListed(xid, known) : this.#relation(toTableVersion(known, this.rules));
    return this.#resolveChanged(message, xid, known);
  }

  /** A table that was not asked for; or one that was, under a name that it had before, or has since. */
  #resolveUnknown(message: RelationMessage, xid: number): null | Promise<null> {
    const known = this.#catalog.values().find(({ id }) => id === message.id);
    return known === undefined ? null : this.#assertNotRenamed(message, xid, known);
  }

  async #assertNotRenamed({ id, schema, name }: RelationMessage, xid: number, known: CatalogTable): Promise<null> {
    const [now] = await describeTables(await this.#hooks.clientThatSees(xid), [known.ref]);
    if (now?.id === id) return null;
    throw new CdcError('TABLE_NOT_FOUND', `Table ${known.ref.schema}.${known.ref.name} was renamed to ${schema}.${name}.`, {
      context: { table: `${known.ref.schema}.${known.ref.name}` },
      remedy: 'Put the new name into TABLES; its topic will be another one, with a snapshot of its own.',
    });
  }

  #isListed({ ref }: CatalogTable): boolean {
    return this.rules.widensLists && this.rules.published.get(`${ref.schema}.${ref.name}`)?.columns != null;
  }

  /** A list of columns hides from the log that one was added: the table is described again, as it would have been then. */
  async #resolveListed(xid: number, known: CatalogTable): Promise<Relation> {
    const [now] = await describeTables(await this.#hooks.clientThatSees(xid), [known.ref]);
    const names = new Set(now?.columns.map(({ name }) => name));
    if (now !== undefined) this.#assertNotProtected(known.columns.filter(({ name }) => !names.has(name)).map(({ name }) => columnPath(known.ref, name)));
    const before = new Set(known.columns.map(({ name }) => name));
    const added = now?.columns.find(({ name, isGenerated }) => !isGenerated && !before.has(name) && !this.rules.excluded.has(columnPath(known.ref, name)));
    if (added === undefined) return this.#relation(toTableVersion(known, this.rules));
    throw new CdcError('SETUP_CHANGED', `Column ${columnPath(known.ref, added.name)} was added, and the publication's list of columns has to have it too.`, {
      remedy: 'We set up anew by ourselves, and read the table again.',
    });
  }

  async #resolveChanged(message: RelationMessage, xid: number, known: CatalogTable): Promise<Relation> {
    const client = await this.#hooks.clientThatSees(xid);
    const [now] = await describeTables(client, [known.ref]);
    const { rules } = this;
    if (now !== undefined && matches(message, now, rules)) {
      this.#catalog.set(`${message.schema}.${message.name}`, now);
      return this.#relation(toTableVersion(now, rules));
    }
    const types = await describeTypes(client, message.columns);
    const version = toRelationVersion(message, { tables: now === undefined ? [known] : [now, known], types }, rules);
    if (version !== undefined) return this.#relation(version);
    throw new CdcError(
      'TYPE_UNSUPPORTED',
      `Table ${message.schema}.${message.name} has changed again before its earlier change was read, and a type of its columns was dropped meanwhile.`,
      {
        remedy: 'Take a new snapshot of the table: what was written under the lost type cannot be read any more.',
      },
    );
  }

  /** A column that must not leave the database may go on under another name. */
  #assertProtectedStay(message: RelationMessage): void {
    const names = new Set(message.columns.map(({ name }) => name));
    const before = this.#messages.get(message.id)?.columns ?? [];
    this.#assertNotProtected(before.filter(({ name }) => !names.has(name)).map(({ name }) => columnPath(message, name)));
  }

  /** Of columns that are gone. */
  #assertNotProtected(paths: readonly string[]): void {
    for (const path of paths) {
      const setting = this.#protecting(path);
      if (setting !== undefined) throw unprotected(path, setting);
    }
  }

  /** Nor is one published that was renamed before the start. */
  #assertNoneLost({ table, columns }: TableVersion): void {
    const names = new Set(columns.map(({ name }) => columnPath(table, name)));
    const lost = this.#lost.find((path) => path.startsWith(`${table.qualifiedName}.`) && !names.has(path));
    const setting = lost === undefined ? undefined : this.#protecting(lost);
    if (lost !== undefined && setting !== undefined) throw unprotected(lost, setting);
  }

  #protecting(path: string): ProtectingSetting | undefined {
    if (this.rules.excluded.has(path)) return 'EXCLUDE_COLUMNS';
    return this.rules.masks.has(path) ? 'MASK_COLUMNS' : undefined;
  }

  #assertReadable({ table, columns }: TableVersion): void {
    if (!this.isBinary || isBinary(table, columns)) return;
    this.#hooks.needText();
    throw new CdcError('SETUP_CHANGED', `The log holds a type of ${table.qualifiedName} that is read as text: it is asked for anew, in text form.`, {
      remedy: 'We set up anew by ourselves.',
    });
  }

  /** A chunk of the snapshot may have adopted the version first, and comes behind the stream's first row of it. */
  #relation(version: TableVersion): Relation {
    this.#assertReadable(version);
    const { table } = this.adopt(version);
    if (this.#announced.get(table.qualifiedName) !== table) this.#hooks.announce(table);
    this.#announced.set(table.qualifiedName, table);
    return new Relation(table, version.columns);
  }
}

function unprotected(path: string, setting: ProtectingSetting): CdcError {
  return new CdcError('CONFIG_INVALID', `Column ${path} of ${setting} was renamed or dropped: what it held could now be published.`, {
    remedy: `Put the name that it has now into ${setting}, or take it out if it was dropped.`,
  });
}
