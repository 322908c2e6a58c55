import type { Client } from 'pg';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint, SnapshotProgress } from '../../shared/connector/source.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { TableRef, TableSchema } from '../../shared/record/table-schema.ts';
import { type CatalogTable, describeTables, readUniqueKeys, type SchemaRules, toTableVersion } from './catalog.ts';
import { matchesPattern, type PostgresSourceConfig } from './config.ts';
import { allProblems, type FoundTables, type ServerFacts, versionProblem } from './findings.ts';
import { parseLogPlace, type PublicationIdentity, type ServerLog } from './log-place.ts';
import { SERVICE_ROLES } from './managed-services.ts';
import { parseLsn } from './parser.ts';
import { changePublication, filterProblems, missedTables, newEntries, planFor, readId, readIdentity, readPublication } from './publication.ts';
import { isOurs, type PublicationState, sendsGenerated, type TablePlan } from './publication-plan.ts';
import { assertSameLog, findLoss, readServerLog } from './server-log.ts';
import { ensureSlot, hasHistory, readSlot } from './slot-setup.ts';
import { startOver } from './snapshot-plan.ts';
import { LIST_TABLES, SERVER_FACTS } from './statements.ts';

export async function readFacts(client: Client): Promise<ServerFacts> {
  const { rows } = await client.query<ServerFacts>(SERVER_FACTS, [SERVICE_ROLES]);
  return rows[0] as ServerFacts;
}

/** The tables that TABLES asks for. A dot divides schema and table in settings and topics, so it may not be in either. */
export async function findTables(client: Client, patterns: readonly string[]): Promise<FoundTables> {
  const { rows } = await client.query<TableRef>(LIST_TABLES);
  const wanted = rows.filter((table) => patterns.some((pattern) => matchesPattern(pattern, table)));
  const tables = wanted.filter((table) => !hasDot(table));
  const unmatched = patterns.filter((pattern) => !tables.some((table) => matchesPattern(pattern, table)));
  return { tables, unmatched, dotted: wanted.filter(hasDot) };
}

/** Those of them that are taken. */
async function findWanted(client: Client, { tablePatterns, leftOut }: PostgresSourceConfig): Promise<readonly TableRef[]> {
  const { tables } = await findTables(client, tablePatterns);
  return tables.filter((table) => !leftOut.has(qualified(table)));
}

function hasDot({ schema, name }: TableRef): boolean {
  return schema.includes('.') || name.includes('.');
}

/** All that stands in the way of streaming, and what will once. Changes nothing. */
export async function findProblems(client: Client, config: PostgresSourceConfig): Promise<readonly Finding[]> {
  const facts = await readFacts(client);
  const tooOld = versionProblem(facts);
  if (tooOld !== undefined) return [tooOld];
  const found = await findTables(client, config.tablePatterns);
  const described = await describeTables(client, found.tables);
  const keyed = found.tables.filter(({ schema, name }) => config.keys.has(`${schema}.${name}`));
  const uniqueKeys = await readUniqueKeys(client, keyed);
  const [slot, publication] = [await readSlot(client, config.slot), await readPublication(client, config.publication)];
  const input = { config, version: facts.version, tables: described, publication };
  const plans = await planFor(client, input);
  const rules = schemaRules(config, facts, { publication, shapes: plannedShapes(plans) });
  const findings = allProblems({ config, rules, facts, found, tables: described, uniqueKeys, slot, publication, plans });
  return [...findings, ...(await filterProblems(client, input))];
}

/** The tables that TABLES asks for, as the log will carry them. Changes nothing. */
export async function readTables(client: Client, config: PostgresSourceConfig): Promise<readonly TableSchema[]> {
  const facts = await readFacts(client);
  const { tables } = await findTables(client, config.tablePatterns);
  const described = await describeTables(client, tables);
  const publication = await readPublication(client, config.publication);
  const plans = await planFor(client, { config, version: facts.version, tables: described, publication });
  const rules = schemaRules(config, facts, { publication, shapes: plannedShapes(plans) });
  return described.map((table) => toTableVersion(table, rules).table);
}

/** Each table as the publication will have it. */
function plannedShapes(plans: readonly TablePlan[]): SchemaRules['published'] {
  return new Map(plans.map(({ table, shape }) => [qualified(table.ref), shape]));
}

interface Published {
  readonly publication: PublicationState | undefined;
  readonly shapes: SchemaRules['published'];
}

function schemaRules(config: PostgresSourceConfig, { database, version }: ServerFacts, { publication, shapes }: Published): SchemaRules {
  const { DECIMAL_HANDLING, TIME_PRECISION, UNKNOWN_TYPES } = config.settings;
  const { excluded, masks, keys } = config;
  const handling = { decimals: DECIMAL_HANDLING, timeUnit: TIME_PRECISION, unknown: UNKNOWN_TYPES } as const;
  return {
    ...handling,
    database,
    excluded,
    masks,
    keys,
    published: shapes,
    sendsGenerated: sendsGenerated(version, publication),
    widensLists: isOurs(config, publication),
  };
}

function qualified({ schema, name }: TableRef): string {
  return `${schema}.${name}`;
}

/**
 * Creates publication and slot where they are missing. The publication comes first: the slot decodes with the
 * catalogue as it was when each change was written.
 * Throws `POSITION_LOST` where a source that has run before has no slot any more.
 */
export async function prepare(client: Client, config: PostgresSourceConfig, from: Checkpoint, log: Logger): Promise<Prepared> {
  const facts = await readFacts(client);
  const tables = await findWanted(client, config);
  const before = await readId(client, config.publication);
  const published = await preparePublication(client, { config, version: facts.version, tables: await describeTables(client, tables), log });
  const now = await readServerLog(client);
  assertSameLog(config, from, now);
  const isAnew = (await ensureSlot(client, { config, version: facts.version, from, now, publication: before, log })) && hasHistory(from);
  const confirmed = (await readSlot(client, config.slot))?.confirmed_flush_lsn ?? '0/0';
  const publication = await readPublication(client, config.publication);
  const rules = schemaRules(config, facts, { publication, shapes: publication?.shapes ?? new Map() });
  return {
    tables: await describeTables(client, tables),
    identity: await readIdentity(client, config.publication, tables),
    rules,
    published: isAnew ? tables : published,
    isAnew,
    server: { system: now.system, timeline: now.timeline },
    confirmedLsn: parseLsn(confirmed),
  };
}

export interface Prepared {
  readonly tables: readonly CatalogTable[];
  readonly rules: SchemaRules;
  /** Tables that were not in the publication before, or not all of their rows and columns: of these, changes may have been missed. */
  readonly published: readonly TableRef[];
  /** Whether the slot was made anew in place of a lost one. */
  readonly isAnew: boolean;
  /** Whose log it is. */
  readonly server: ServerLog;
  /** Of the publication as it is now. */
  readonly identity: PublicationIdentity | undefined;
  /** What the slot has confirmed. */
  readonly confirmedLsn: bigint;
}

interface PublicationSetUp {
  readonly config: PostgresSourceConfig;
  readonly version: number;
  readonly tables: readonly CatalogTable[];
  readonly log: Logger;
}

async function preparePublication(client: Client, { config, version, tables, log }: PublicationSetUp): Promise<readonly TableRef[]> {
  const publication = await readPublication(client, config.publication);
  const plans = await planFor(client, { config, version, tables, publication });
  return changePublication(client, { config, version, publication, plans, log });
}

/**
 * What is to be read anew, to be stored before anything is made or changed in the database, such that it is not forgotten
 * where the process ends in between: every table, where history is lost and the settings say so; and those that the
 * publication lacks, or does not have whole. Undefined where there is nothing of that kind.
 */
export async function planAnew(client: Client, config: PostgresSourceConfig, from: Checkpoint, log: Logger): Promise<SnapshotProgress | undefined> {
  if (!hasHistory(from)) return undefined;
  const tables = await findWanted(client, config);
  if (config.settings.ON_SLOT_LOST === 'snapshot' && (await isHistoryLost(client, config, from))) return startOver(tables);
  if (config.settings.SNAPSHOT_MODE === 'never' || from.snapshot === null) return undefined;
  const missed = [...(await findMissed(client, { config, tables, log })), ...(await findReturned(client, { config, tables, log }, from))];
  const known = missed.map(qualified).filter((name) => from.snapshot?.tables[name]?.startsOver === false);
  if (known.length === 0) return undefined;
  const again = startOver(missed.filter((ref) => known.includes(qualified(ref))));
  return { ...from.snapshot, tables: { ...from.snapshot.tables, ...again.tables } };
}

async function isHistoryLost(client: Client, config: PostgresSourceConfig, from: Checkpoint): Promise<boolean> {
  const now = await readServerLog(client);
  assertSameLog(config, from, now);
  const publication = await readId(client, config.publication);
  return (await findLoss({ config, from, slot: await readSlot(client, config.slot), now, publication })) !== undefined;
}

interface Asked {
  readonly config: PostgresSourceConfig;
  readonly tables: readonly TableRef[];
  readonly log: Logger;
}

async function findMissed(client: Client, { config, tables, log }: Asked): Promise<readonly TableRef[]> {
  const publication = await readPublication(client, config.publication);
  const doubtful = tables.filter((ref) => !isAsAsked(ref, config, publication));
  if (doubtful.length === 0) return [];
  const { version } = await readFacts(client);
  const plans = await planFor(client, { config, version, tables: await describeTables(client, doubtful), publication });
  return missedTables(client, { config, version, publication, plans, log });
}

/** Tables that were out of the publication for a time while the source was down; or that have not been in it yet. */
async function findReturned(client: Client, { config, tables, log }: Asked, { log: place, snapshot }: Checkpoint): Promise<readonly TableRef[]> {
  const before = parseLogPlace(place)?.publication;
  if (before === undefined) return [];
  const returned = (await newEntries(client, config.publication, tables, before)).filter((ref) => snapshot?.tables[qualified(ref)] !== undefined);
  for (const ref of returned) {
    log.warn(
      { publication: config.publication, table: qualified(ref) },
      'the table was taken out of the publication while the source was down, and put back: it is read anew',
    );
  }
  return returned;
}

/** Whether a table is published whole, and is to be: then there is nothing to be changed, and no need to describe it. */
function isAsAsked(ref: TableRef, { filters, excluded }: PostgresSourceConfig, publication: PublicationState | undefined): boolean {
  const name = qualified(ref);
  if (publication?.tables.includes(name) !== true || filters.has(name)) return false;
  const shape = publication.shapes.get(name);
  if (shape !== undefined && (shape.columns !== null || shape.filter !== null)) return false;
  return ![...excluded].some((path) => path.startsWith(`${name}.`));
}
