import pg, { type Client } from 'pg';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import { carriedColumns, type CatalogTable, columnPath, describeTables, keyOf, type SchemaRules, unsupportedType } from './catalog.ts';
import { toPostgresError } from './client.ts';
import { matchesPattern, type PostgresSourceConfig } from './config.ts';
import { parseLsn } from './parser.ts';
import { buildAddTables, buildCreatePublication, CREATE_SLOT, LIST_TABLES, PUBLICATION_STATE, quoteTable, SERVER_FACTS, SLOT_STATE } from './statements.ts';
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
  readonly is_standby: boolean;
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
  readonly has_truncates: boolean;
  readonly via_root: boolean;
  readonly is_owner: boolean;
  readonly tables: readonly string[];
}

export async function readFacts(client: Client): Promise<ServerFacts> {
  const { rows } = await client.query<ServerFacts>(SERVER_FACTS);
  return rows[0] as ServerFacts;
}

export interface FoundTables {
  readonly tables: readonly TableRef[];
  /** Patterns that match no table. */
  readonly unmatched: readonly string[];
  /** Tables that a pattern matches, but that have a dot in their name or in that of their schema. */
  readonly dotted: readonly TableRef[];
}

/** The tables that TABLES asks for. A dot divides schema and table in settings and topics, so it may not be in either. */
async function findTables(client: Client, patterns: readonly string[]): Promise<FoundTables> {
  const { rows } = await client.query<TableRef>(LIST_TABLES);
  const wanted = rows.filter((table) => patterns.some((pattern) => matchesPattern(pattern, table)));
  const tables = wanted.filter((table) => !hasDot(table));
  const unmatched = patterns.filter((pattern) => !tables.some((table) => matchesPattern(pattern, table)));
  return { tables, unmatched, dotted: wanted.filter(hasDot) };
}

function hasDot({ schema, name }: TableRef): boolean {
  return schema.includes('.') || name.includes('.');
}

/** All that stands in the way of streaming, and what will once. Changes nothing. */
export async function findProblems(client: Client, config: PostgresSourceConfig): Promise<readonly Finding[]> {
  const facts = await readFacts(client);
  const { tables, unmatched, dotted } = await findTables(client, config.tablePatterns);
  const described = await describeTables(client, tables);
  const rules = schemaRules(config, facts.database);
  const [slot, publication] = [await readSlot(client, config.slot), await readPublication(client, config.publication)];
  return [
    ...serverProblems(facts, slot !== undefined),
    ...unmatched.map(notFound),
    ...dotted.map(leftOut),
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
    findings.push({
      severity: 'error',
      code: 'SETUP_VERSION',
      message: `The source is PostgreSQL ${Math.floor(facts.version / 10_000)}; 14 or later is needed.`,
      remedy: 'Upgrade the server.',
    });
  }
  if (facts.wal_level !== 'logical') {
    findings.push({
      severity: 'error',
      code: 'SETUP_WAL_LEVEL',
      message: `wal_level of the source is ${facts.wal_level}; logical is needed.`,
      remedy: 'ALTER SYSTEM SET wal_level = logical; then restart the server.',
    });
  }
  if (facts.is_standby) {
    findings.push({
      severity: 'error',
      code: 'SETUP_PUBLICATION',
      message: 'The source is a standby server; publication and marks can only be written on the primary.',
      remedy: 'Set SOURCE_URL to the primary server.',
    });
  }
  if (!facts.can_replicate) {
    findings.push({
      severity: 'error',
      code: 'SETUP_GRANT_MISSING',
      message: `User ${facts.user} of SOURCE_URL may not create or read a replication slot.`,
      remedy: `ALTER ROLE ${pg.escapeIdentifier(facts.user)} REPLICATION;`,
    });
  }
  if (!hasSlot && facts.used_slots >= facts.max_slots) {
    findings.push({
      severity: 'error',
      code: 'SETUP_LIMIT_REACHED',
      message: `All ${facts.max_slots} replication slots of the source are taken.`,
      remedy: 'Raise max_replication_slots and restart the server, or drop a slot that nobody uses.',
    });
  }
  return findings;
}

function notFound(pattern: string): Finding {
  return {
    severity: 'error',
    code: 'TABLE_NOT_FOUND',
    message: `TABLES has ${pattern}, but the source has no such table.`,
    remedy: 'Check schema and name (PostgreSQL folds unquoted names to lower case), and the database in SOURCE_URL.',
  };
}

function leftOut(table: TableRef): Finding {
  return {
    severity: 'warning',
    code: 'TABLE_NOT_FOUND',
    message: `Table ${quoteTable(table)} matches TABLES but is left out: its name has a dot, which topics cannot carry.`,
    remedy: 'Rename it to have it published.',
  };
}

function excludedProblems(tables: readonly CatalogTable[], config: PostgresSourceConfig): Finding[] {
  const known = new Set(tables.flatMap((table) => table.columns.map(({ name }) => columnPath(table.ref, name))));
  return [...config.excluded]
    .filter((path) => !known.has(path))
    .map((path) => ({
      severity: 'error',
      code: 'TABLE_NOT_FOUND',
      message: `EXCLUDE_COLUMNS has ${path}, but no table of TABLES has such a column.`,
      remedy: 'Check the spelling: a column that is not excluded would be published.',
    }));
}

function tableProblems(table: CatalogTable, rules: SchemaRules, facts: ServerFacts): Finding[] {
  const unsupported = carriedColumns(table, rules).filter((column) => toDataType(column.native, rules) === undefined);
  return [
    ...rightProblems(table, facts),
    ...keyProblems(table, rules),
    ...unsupported.map((column): Finding => ({ severity: 'error', code: 'TYPE_UNSUPPORTED', ...unsupportedType(table.ref, column) })),
  ];
}

function rightProblems({ ref, canSelect, hasRowSecurity }: CatalogTable, facts: ServerFacts): Finding[] {
  const [name, user] = [`${ref.schema}.${ref.name}`, pg.escapeIdentifier(facts.user)];
  if (!canSelect) {
    const remedy = `GRANT USAGE ON SCHEMA ${pg.escapeIdentifier(ref.schema)} TO ${user}; GRANT SELECT ON ${quoteTable(ref)} TO ${user};`;
    return [{ severity: 'error', code: 'SETUP_GRANT_MISSING', message: `User ${facts.user} of SOURCE_URL may not read table ${name}.`, remedy }];
  }
  if (!hasRowSecurity) return [];
  return [
    {
      severity: 'error',
      code: 'SETUP_GRANT_MISSING',
      message: `Row-level security hides rows of ${name} from user ${facts.user} of SOURCE_URL, so its snapshot would not be whole.`,
      remedy: `ALTER ROLE ${user} BYPASSRLS;`,
    },
  ];
}

function keyProblems(table: CatalogTable, rules: SchemaRules): Finding[] {
  const name = `${table.ref.schema}.${table.ref.name}`;
  const key = keyOf(table);
  const findings: Finding[] = [];
  const missing = missingIdentity(table, key);
  if (missing !== undefined) {
    findings.push({
      severity: 'error',
      code: 'REPLICA_IDENTITY',
      message: `Table ${name} has ${missing}: once it is published, PostgreSQL refuses its updates and deletes.`,
      remedy: `Add a primary key that is not deferrable, or: ALTER TABLE ${quoteTable(table.ref)} REPLICA IDENTITY FULL;`,
    });
  }
  const excludedKey = key.filter((column) => rules.excluded.has(columnPath(table.ref, column)));
  if (excludedKey.length > 0) {
    findings.push({
      severity: 'error',
      code: 'CONFIG_INVALID',
      message: `EXCLUDE_COLUMNS leaves out ${excludedKey.join(', ')} of ${name}, which is part of its key.`,
      remedy: 'Take it out of EXCLUDE_COLUMNS.',
    });
  }
  return findings;
}

/** What a table has instead of a replica identity. */
function missingIdentity({ replicaIdentity, hasImmediateKey }: CatalogTable, key: readonly string[]): string | undefined {
  switch (replicaIdentity) {
    case 'f':
      return undefined;
    case 'n':
      return 'REPLICA IDENTITY NOTHING';
    case 'i':
      return key.length === 0 ? 'REPLICA IDENTITY USING INDEX, and the index is gone' : undefined;
    default:
      if (key.length === 0) return 'no primary key';
      return hasImmediateKey ? undefined : 'a primary key that is deferrable';
  }
}

function slotProblems(slot: SlotState, name: string, facts: ServerFacts): Finding[] {
  if (slot.plugin !== 'pgoutput' || slot.database !== facts.database) {
    return [
      {
        severity: 'error',
        code: 'SETUP_PUBLICATION',
        message: `Replication slot ${name} belongs to plugin ${slot.plugin} in database ${slot.database}.`,
        remedy: 'Set SOURCE_SLOT_NAME to another name.',
      },
    ];
  }
  if (slot.wal_status === 'lost' || slot.invalidation_reason !== null) {
    return [
      {
        severity: 'error',
        code: 'POSITION_LOST',
        message: `Replication slot ${name} is lost (${slot.invalidation_reason ?? 'the log it needs was removed'}).`,
        remedy: `Changes are missing for good: SELECT pg_drop_replication_slot('${name}'); and start under a new SOURCE_NAME to take a new snapshot.`,
      },
    ];
  }
  if (slot.wal_status === 'unreserved') {
    return [
      {
        severity: 'warning',
        code: 'POSITION_LOST',
        message: `Replication slot ${name} is about to be lost: the server may remove the log it needs at any time.`,
        remedy: 'Raise max_slot_wal_keep_size now.',
      },
    ];
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
  const missing = missingTables(
    publication,
    tables.map(({ ref }) => ref),
  );
  const unfit = publication === undefined ? [] : unfitPublication(publication, tables, config);
  return [...unfit, ...publicationRightProblems({ publication, tables, config, facts }, missing)];
}

function publicationRightProblems({ publication, tables, config, facts }: PublicationCheck, missing: readonly TableRef[]): Finding[] {
  if (missing.length === 0) return [];
  const foreign = tables.filter(({ isOwner, ref }) => !isOwner && missing.includes(ref));
  const lacksRight = publication === undefined ? !facts.can_create : !publication.is_owner;
  if (facts.is_superuser || (!lacksRight && foreign.length === 0)) return [];
  const statement = publication === undefined ? buildCreatePublication(config.publication, missing) : buildAddTables(config.publication, missing);
  return [
    {
      severity: 'error',
      code: 'SETUP_GRANT_MISSING',
      message: `User ${facts.user} of SOURCE_URL may not ${publication === undefined ? 'create' : 'change'} publication ${config.publication} (it needs ${publication === undefined ? 'CREATE on the database' : 'to own the publication'} and to own the tables).`,
      remedy: `Let an administrator run: ${statement};`,
    },
  ];
}

/** What is wrong with a publication that is there: made by hand, or by another version. */
function unfitPublication(publication: PublicationState, tables: readonly CatalogTable[], { publication: name, settings }: PostgresSourceConfig): Finding[] {
  const findings: Finding[] = [];
  const set = `ALTER PUBLICATION ${pg.escapeIdentifier(name)} SET`;
  if (!publication.has_changes) {
    findings.push({
      severity: 'error',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${name} does not publish inserts, updates and deletes.`,
      remedy: `${set} (publish = 'insert, update, delete, truncate');`,
    });
  }
  if (publication.has_changes && !publication.has_truncates && settings.PUBLISH_TRUNCATE) {
    findings.push({
      severity: 'warning',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${name} does not publish TRUNCATE: rows that it removes stay in the targets.`,
      remedy: `${set} (publish = 'insert, update, delete, truncate');`,
    });
  }
  const partitioned = publication.via_root ? undefined : tables.find(({ isPartitioned }) => isPartitioned);
  if (partitioned !== undefined) {
    findings.push({
      severity: 'error',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${name} publishes the partitions of ${partitioned.ref.schema}.${partitioned.ref.name} under their own names.`,
      remedy: `${set} (publish_via_partition_root = true);`,
    });
  }
  return findings;
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
  return { tables: await describeTables(client, tables), published: missing, confirmedLsn: parseLsn(confirmed) };
}

export interface Prepared {
  readonly tables: readonly CatalogTable[];
  /** Tables that were not in the publication before: of these, changes may have been missed. */
  readonly published: readonly TableRef[];
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
  if (from.position !== null || from.snapshot !== null) {
    const place = from.position === null ? 'have a part of its snapshot' : `stand at ${from.position.transaction}`;
    throw new CdcError(
      'POSITION_LOST',
      `Replication slot ${config.slot} is gone, but the topics of ${config.name} ${place}: the changes since then cannot be read.`,
      { context: { slot: config.slot } },
    );
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
