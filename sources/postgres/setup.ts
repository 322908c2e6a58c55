import type { Client } from 'pg';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import { carriedColumns, type CatalogTable, columnPath, describeTables, keyOf, type SchemaRules } from './catalog.ts';
import { toPostgresError } from './client.ts';
import { matchesPattern, type PostgresSourceConfig } from './config.ts';
import { parseLsn } from './parser.ts';
import { buildAddTables, buildCreatePublication, CREATE_SLOT, LIST_TABLES, PUBLICATION_STATE, SERVER_FACTS, SLOT_STATE } from './statements.ts';
import { toDataType } from './types.ts';

/** The oldest version with logical messages in pgoutput, by which the snapshot meets the stream. */
const MIN_VERSION = 140_000;

export interface ServerFacts {
  readonly version: number;
  readonly wal_level: string;
  readonly user: string;
  readonly database: string;
  readonly can_replicate: boolean;
  readonly is_superuser: boolean;
  readonly can_create: boolean;
  readonly max_slots: number;
  readonly used_slots: number;
}

interface SlotState {
  readonly plugin: string;
  readonly database: string;
  readonly active: boolean;
  readonly active_pid: number | null;
  readonly confirmed_flush_lsn: string | null;
  readonly wal_status: string | null;
  readonly invalidation_reason: string | null;
}

interface PublicationState {
  readonly all_tables: boolean;
  readonly has_changes: boolean;
  readonly is_owner: boolean;
  readonly tables: readonly string[];
}

export async function readFacts(client: Client): Promise<ServerFacts> {
  const { rows } = await client.query<ServerFacts>(SERVER_FACTS);
  return rows[0] as ServerFacts;
}

/** The tables that TABLES asks for, and the patterns that match none. */
export async function findTables(client: Client, patterns: readonly string[]): Promise<{ readonly tables: readonly TableRef[]; readonly unmatched: readonly string[] }> {
  const { rows } = await client.query<TableRef>(LIST_TABLES);
  const tables = rows.filter((table) => patterns.some((pattern) => matchesPattern(pattern, table)));
  const unmatched = patterns.filter((pattern) => !rows.some((table) => matchesPattern(pattern, table)));
  return { tables, unmatched };
}

/** All that stands in the way of streaming, and what will once. Changes nothing. */
export async function findProblems(client: Client, config: PostgresSourceConfig): Promise<readonly Finding[]> {
  const facts = await readFacts(client);
  const { tables, unmatched } = await findTables(client, config.tablePatterns);
  const described = await describeTables(client, tables);
  const rules = schemaRules(config, facts.database);
  const [slot, publication] = [await readSlot(client, config.slot), await readPublication(client, config.publication)];
  return [
    ...serverProblems(facts, slot !== undefined),
    ...unmatched.map(notFound),
    ...excludedProblems(described, config),
    ...described.flatMap((table) => tableProblems(table, rules, facts)),
    ...(slot === undefined ? [] : slotProblems(slot, config.slot, facts)),
    ...publicationProblems({ publication, tables: described, config, facts }),
  ];
}

export function schemaRules(config: PostgresSourceConfig, database: string): SchemaRules {
  const { DECIMAL_HANDLING, TIME_PRECISION, UNKNOWN_TYPES } = config.settings;
  return { database, excluded: config.excluded, decimals: DECIMAL_HANDLING, timeUnit: TIME_PRECISION, unknown: UNKNOWN_TYPES };
}

function serverProblems(facts: ServerFacts, hasSlot: boolean): Finding[] {
  const findings: Finding[] = [];
  if (facts.version < MIN_VERSION) {
    findings.push({ severity: 'error', code: 'SETUP_VERSION', message: `The source is PostgreSQL ${Math.floor(facts.version / 10_000)}; 14 or later is needed.`, remedy: 'Upgrade the server.' });
  }
  if (facts.wal_level !== 'logical') {
    findings.push({ severity: 'error', code: 'SETUP_WAL_LEVEL', message: `wal_level of the source is ${facts.wal_level}; logical is needed.`, remedy: 'ALTER SYSTEM SET wal_level = logical; then restart the server.' });
  }
  if (!facts.can_replicate) {
    findings.push({ severity: 'error', code: 'SETUP_GRANT_MISSING', message: `User ${facts.user} of SOURCE_URL may not create or read a replication slot.`, remedy: `ALTER ROLE "${facts.user}" REPLICATION;` });
  }
  if (!hasSlot && facts.used_slots >= facts.max_slots) {
    findings.push({ severity: 'error', code: 'SETUP_LIMIT_REACHED', message: `All ${facts.max_slots} replication slots of the source are taken.`, remedy: 'Raise max_replication_slots and restart the server, or drop a slot that nobody uses.' });
  }
  return findings;
}

function notFound(pattern: string): Finding {
  return { severity: 'error', code: 'TABLE_NOT_FOUND', message: `TABLES has ${pattern}, but the source has no such table.`, remedy: 'Check schema and name (PostgreSQL folds unquoted names to lower case), and the database in SOURCE_URL.' };
}

function excludedProblems(tables: readonly CatalogTable[], config: PostgresSourceConfig): Finding[] {
  const known = new Set(tables.flatMap((table) => table.columns.map(({ name }) => columnPath(table.ref, name))));
  return [...config.excluded]
    .filter((path) => !known.has(path))
    .map((path) => ({ severity: 'error', code: 'TABLE_NOT_FOUND', message: `EXCLUDE_COLUMNS has ${path}, but no table of TABLES has such a column.`, remedy: 'Check the spelling: a column that is not excluded would be published.' }));
}

function tableProblems(table: CatalogTable, rules: SchemaRules, facts: ServerFacts): Finding[] {
  const name = `${table.ref.schema}.${table.ref.name}`;
  const findings: Finding[] = [];
  if (!table.canSelect) {
    findings.push({ severity: 'error', code: 'SETUP_GRANT_MISSING', message: `User ${facts.user} of SOURCE_URL may not read table ${name}.`, remedy: `GRANT SELECT ON ${name} TO "${facts.user}";` });
  }
  const key = keyOf(table);
  if (table.replicaIdentity === 'n' || (table.replicaIdentity === 'd' && key.length === 0)) {
    findings.push({
      severity: 'error',
      code: 'REPLICA_IDENTITY',
      message: `Table ${name} has ${table.replicaIdentity === 'n' ? 'REPLICA IDENTITY NOTHING' : 'no primary key'}: once it is published, PostgreSQL refuses its updates and deletes.`,
      remedy: `Add a primary key, or: ALTER TABLE ${name} REPLICA IDENTITY FULL;`,
    });
  }
  const excludedKey = key.filter((column) => rules.excluded.has(columnPath(table.ref, column)));
  if (excludedKey.length > 0) {
    findings.push({ severity: 'error', code: 'CONFIG_INVALID', message: `EXCLUDE_COLUMNS leaves out ${excludedKey.join(', ')} of ${name}, which is part of its key.`, remedy: 'Take it out of EXCLUDE_COLUMNS.' });
  }
  for (const column of carriedColumns(table, rules)) {
    if (toDataType(column.native, rules) !== undefined) continue;
    findings.push({
      severity: 'error',
      code: 'TYPE_UNSUPPORTED',
      message: `Column ${column.name} of ${name} has the type ${column.declaration}, which cannot be carried as it is.`,
      remedy: `Set EXCLUDE_COLUMNS=${columnPath(table.ref, column.name)} to leave it out, or UNKNOWN_TYPES=string to carry its text.`,
    });
  }
  return findings;
}

function slotProblems(slot: SlotState, name: string, facts: ServerFacts): Finding[] {
  if (slot.plugin !== 'pgoutput' || slot.database !== facts.database) {
    return [{ severity: 'error', code: 'SETUP_PUBLICATION', message: `Replication slot ${name} belongs to plugin ${slot.plugin} in database ${slot.database}.`, remedy: 'Set SOURCE_SLOT_NAME to another name.' }];
  }
  if (slot.wal_status === 'lost' || slot.invalidation_reason !== null) {
    return [{ severity: 'error', code: 'POSITION_LOST', message: `Replication slot ${name} is lost (${slot.invalidation_reason ?? 'the log it needs was removed'}).`, remedy: `Changes are missing for good: SELECT pg_drop_replication_slot('${name}'); and start under a new SOURCE_NAME to take a new snapshot.` }];
  }
  if (slot.wal_status === 'unreserved') {
    return [{ severity: 'warning', code: 'POSITION_LOST', message: `Replication slot ${name} is about to be lost: the server may remove the log it needs at any time.`, remedy: 'Raise max_slot_wal_keep_size now.' }];
  }
  return [];
}

interface PublicationCheck {
  readonly publication: PublicationState | undefined;
  readonly tables: readonly CatalogTable[];
  readonly config: PostgresSourceConfig;
  readonly facts: ServerFacts;
}

function publicationProblems({ publication, tables, config, facts }: PublicationCheck): Finding[] {
  const missing = missingTables(publication, tables.map(({ ref }) => ref));
  if (missing.length === 0) return publication?.has_changes === false ? [incompletePublication(config.publication)] : [];
  const foreign = tables.filter(({ isOwner, ref }) => !isOwner && missing.includes(ref));
  const lacksRight = publication === undefined ? !facts.can_create : !publication.is_owner;
  if (facts.is_superuser || (!lacksRight && foreign.length === 0)) return [];
  const list = missing.map(({ schema, name }) => `${schema}.${name}`).join(', ');
  const statement = publication === undefined ? `CREATE PUBLICATION ${config.publication} FOR TABLE ${list} WITH (publish_via_partition_root = true);` : `ALTER PUBLICATION ${config.publication} ADD TABLE ${list};`;
  return [{ severity: 'error', code: 'SETUP_GRANT_MISSING', message: `User ${facts.user} of SOURCE_URL may not ${publication === undefined ? 'create' : 'change'} publication ${config.publication} (it needs ${publication === undefined ? 'CREATE on the database' : 'to own the publication'} and to own the tables).`, remedy: `Let an administrator run: ${statement}` }];
}

function incompletePublication(name: string): Finding {
  return { severity: 'error', code: 'SETUP_PUBLICATION', message: `Publication ${name} does not publish inserts, updates and deletes.`, remedy: `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate');` };
}

function missingTables(publication: PublicationState | undefined, tables: readonly TableRef[]): readonly TableRef[] {
  if (publication?.all_tables === true) return [];
  const present = new Set(publication?.tables ?? []);
  return tables.filter(({ schema, name }) => !present.has(`${schema}.${name}`));
}

/**
 * Creates publication and slot where they are missing. The publication comes first: the slot decodes with the
 * catalogue as it was when each change was written.
 * Throws `POSITION_LOST` where a source that has run before has no slot any more.
 */
export async function prepare(client: Client, config: PostgresSourceConfig, from: Checkpoint, log: Logger): Promise<Prepared> {
  const { tables } = await findTables(client, config.tablePatterns);
  const missing = missingTables(await readPublication(client, config.publication), tables);
  if (missing.length > 0) await publish(client, config, missing, log);
  const slot = await readSlot(client, config.slot);
  if (slot === undefined) await createSlot(client, config, from, log);
  const confirmed = (await readSlot(client, config.slot))?.confirmed_flush_lsn ?? '0/0';
  return { tables: await describeTables(client, tables), confirmedLsn: parseLsn(confirmed) };
}

export interface Prepared {
  readonly tables: readonly CatalogTable[];
  /** What the slot has confirmed. */
  readonly confirmedLsn: bigint;
}

async function publish(client: Client, config: PostgresSourceConfig, missing: readonly TableRef[], log: Logger): Promise<void> {
  const exists = (await readPublication(client, config.publication)) !== undefined;
  await client.query(exists ? buildAddTables(config.publication, missing) : buildCreatePublication(config.publication, missing)).catch((error: unknown) => {
    throw toPostgresError(error, 'creating the publication');
  });
  log.info({ publication: config.publication, tables: missing.length }, exists ? 'added tables to the publication' : 'created the publication');
}

async function createSlot(client: Client, config: PostgresSourceConfig, from: Checkpoint, log: Logger): Promise<void> {
  if (from.position !== null) {
    throw new CdcError('POSITION_LOST', `Replication slot ${config.slot} is gone, but the topics of ${config.name} stand at ${from.position.transaction}: the changes since then cannot be read.`, { context: { slot: config.slot } });
  }
  log.info({ slot: config.slot }, 'creating the replication slot; this waits for transactions that are open in the database');
  const { rows } = await client.query<{ lsn: string }>(CREATE_SLOT, [config.slot]).catch((error: unknown) => {
    throw toPostgresError(error, 'creating the replication slot');
  });
  log.info({ slot: config.slot, lsn: rows[0]?.lsn }, 'created the replication slot');
}

async function readSlot(client: Client, name: string): Promise<SlotState | undefined> {
  const { rows } = await client.query<SlotState>(SLOT_STATE, [name]);
  return rows[0];
}

async function readPublication(client: Client, name: string): Promise<PublicationState | undefined> {
  const { rows } = await client.query<PublicationState>(PUBLICATION_STATE, [name]);
  return rows[0];
}
