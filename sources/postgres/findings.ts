import pg from 'pg';
import type { Finding } from '../../shared/connector/finding.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import { carriedColumns, type CatalogTable, columnPath, keyOf, type SchemaRules, unsupportedType } from './catalog.ts';
import { columnProblems, namedColumnProblems, type UniqueKeys } from './column-findings.ts';
import type { PostgresSourceConfig } from './config.ts';
import { serviceOf } from './managed-services.ts';
import { isNew, mayBeNew, publicationProblems } from './publication-findings.ts';
import type { PublicationState, TablePlan } from './publication-plan.ts';
import { quoteTable } from './statements.ts';
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
  /** A role that tells which managed service this is; null for a server of one's own. */
  readonly service_role: string | null;
}

export interface SlotState {
  readonly plugin: string;
  readonly database: string;
  readonly active: boolean;
  readonly active_pid: number | null;
  /** Who it is, as far as our user may know. */
  readonly active_by: string | null;
  /** Null before PostgreSQL 17. */
  readonly failover: boolean | null;
  readonly confirmed_flush_lsn: string | null;
  readonly wal_status: string | null;
  readonly invalidation_reason: string | null;
}

export interface FoundTables {
  readonly tables: readonly TableRef[];
  /** Patterns that match no table. */
  readonly unmatched: readonly string[];
  /** Tables that a pattern matches, but that have a dot in their name or in that of their schema. */
  readonly dotted: readonly TableRef[];
}

/** What was found of server, tables, slot and publication. */
export interface State {
  readonly config: PostgresSourceConfig;
  readonly rules: SchemaRules;
  readonly facts: ServerFacts;
  readonly found: FoundTables;
  readonly tables: readonly CatalogTable[];
  readonly uniqueKeys: UniqueKeys;
  readonly slot: SlotState | undefined;
  readonly publication: PublicationState | undefined;
  readonly plans: readonly TablePlan[];
}

function userOf({ user, can_create: mayCreate, is_superuser: isSuperuser }: ServerFacts) {
  return { name: user, mayCreate, isSuperuser };
}

/** What is wrong with it, each with the statement that puts it right. */
export function allProblems(state: State): readonly Finding[] {
  const { config, rules, facts, found, tables, uniqueKeys, slot, publication, plans } = state;
  return [
    ...serverProblems(facts, slot !== undefined),
    ...found.unmatched.map(notFound),
    ...found.dotted.map(leftOut),
    ...namedColumnProblems(tables, config),
    ...tables.flatMap((table) => ofTable(table, state, [...columnProblems(table, rules, uniqueKeys), ...tableProblems(table, rules, facts)])),
    ...(slot === undefined ? [] : slotProblems(slot, config, facts)),
    ...publicationProblems({ config, version: facts.version, user: userOf(facts), publication, plans }),
  ];
}

/** What is wrong with one table; it may be new where it is not published by name yet, and not asked for by its own. */
function ofTable({ ref }: CatalogTable, { config, plans, publication }: State, findings: readonly Finding[]): readonly Finding[] {
  const plan = findings.length === 0 ? undefined : plans.find(({ table }) => table.ref === ref);
  if (plan === undefined) return findings;
  const mayBeKnown = mayBeNew(plan, config, publication);
  return mayBeKnown || isNew(plan, config) ? findings.map((finding) => ({ ...finding, without: [nameOf(ref)], mayBeKnown })) : findings;
}

/** Of a server that is too old nothing else can be asked. */
export function versionProblem({ version }: ServerFacts): Finding | undefined {
  if (version >= MIN_VERSION) return undefined;
  return {
    severity: 'error',
    code: 'SETUP_VERSION',
    message: `The source is PostgreSQL ${Math.floor(version / 10_000)}; 14 or later is needed.`,
    remedy: 'Upgrade the server.',
  };
}

function serverProblems(facts: ServerFacts, hasSlot: boolean): Finding[] {
  const findings: Finding[] = [];
  const service = serviceOf(facts.service_role);
  const user = pg.escapeIdentifier(facts.user);
  if (facts.wal_level !== 'logical') {
    findings.push({
      severity: 'error',
      code: 'SETUP_WAL_LEVEL',
      message: `wal_level of the source is ${facts.wal_level}; logical is needed.`,
      remedy: service?.walLevel ?? 'ALTER SYSTEM SET wal_level = logical; then restart the server.',
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
      remedy: service?.replication?.(user) ?? `ALTER ROLE ${user} REPLICATION;`,
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

function nameOf({ schema, name }: TableRef): string {
  return `${schema}.${name}`;
}

function notFound(pattern: string): Finding {
  return {
    severity: 'error',
    code: 'TABLE_NOT_FOUND',
    message: `TABLES has ${pattern}, but the source has no such table.`,
    remedy: 'Check schema and name (PostgreSQL folds unquoted names to lower case), and the database in SOURCE_URL.',
    table: pattern,
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

function tableProblems(table: CatalogTable, rules: SchemaRules, facts: ServerFacts): Finding[] {
  const unsupported = carriedColumns(table, rules).filter(
    (column) => !rules.masks.has(columnPath(table.ref, column.name)) && toDataType(column.native, rules) === undefined,
  );
  return [
    ...rightProblems(table, facts),
    ...keyProblems(table),
    ...unsupported.map((column): Finding => ({
      severity: 'error',
      code: 'TYPE_UNSUPPORTED',
      ...unsupportedType(table.ref, column),
      table: `${table.ref.schema}.${table.ref.name}`,
    })),
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

function keyProblems(table: CatalogTable): Finding[] {
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

function slotProblems(slot: SlotState, config: PostgresSourceConfig, facts: ServerFacts): Finding[] {
  const name = config.slot;
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
  if (isLost(slot)) {
    const isStop = config.settings.ON_SLOT_LOST !== 'snapshot';
    return [
      {
        severity: isStop ? 'error' : 'warning',
        code: 'POSITION_LOST',
        message: lostMessage(name, slot),
        remedy: isStop ? lostRemedy(config, false) : 'ON_SLOT_LOST is snapshot: a new slot is made, and every table is read anew.',
      },
    ];
  }
  if (slot.active) {
    const who = slot.active_by === null || slot.active_by === '' ? '' : ` (${slot.active_by})`;
    return [
      {
        severity: 'warning',
        code: 'SLOT_IN_USE',
        message: `Replication slot ${name} is in use by server process ${slot.active_pid}${who}.`,
        remedy: 'A source that starts now waits until that one ends, and then takes over.',
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

export function isLost({ wal_status: status, invalidation_reason: reason }: SlotState): boolean {
  return status === 'lost' || reason !== null;
}

export function lostMessage(name: string, { invalidation_reason: reason }: SlotState): string {
  return `Replication slot ${name} is lost (${reason ?? 'the log it needs was removed'}): changes are missing for good.`;
}

/** The commands that begin anew. `isUsable`: the slot is there, at another place than it should be. */
export function lostRemedy(config: PostgresSourceConfig, isUsable: boolean): string {
  return (
    `${anewRemedy(config)} ` +
    (isUsable
      ? 'If you know that nothing is missing in between (pg_upgrade has made the slot), start once with ON_SLOT_LOST=accept.'
      : 'To keep it from happening again: ALTER SYSTEM SET max_slot_wal_keep_size to more, or to -1.')
  );
}

/** How to begin anew, whatever was amiss. */
export function anewRemedy({ slot, publication, name, settings }: PostgresSourceConfig): string {
  return (
    (settings.ON_SLOT_LOST === 'snapshot'
      ? 'Give it up: '
      : 'Start once more with ON_SLOT_LOST=snapshot: it makes the slot anew and reads every table again, behind a truncate. Or give it up: ') +
    `SELECT pg_drop_replication_slot('${slot}'); DROP PUBLICATION ${pg.escapeIdentifier(publication)}; and start under another SOURCE_NAME than ${name}.`
  );
}
