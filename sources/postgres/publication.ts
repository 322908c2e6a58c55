import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import type { Finding } from '../../shared/connector/finding.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';
import { type CatalogTable, keyOf, type PublishedShape, type SchemaRules } from './catalog.ts';
import { toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import type { PublicationIdentity } from './log-place.ts';
import { type PlanInput, planPublication, type PublicationState, sameShape, sendsGenerated, SHAPES_VERSION, type TablePlan } from './publication-plan.ts';
import {
  buildAddTables,
  buildCreatePublication,
  buildFilterProbe,
  buildPublishedShapes,
  buildSetTable,
  FULL_PARTITIONS,
  LOST_TABLES,
  NEW_ENTRIES,
  PUBLICATION_IDENTITY,
  PUBLICATION_STATE,
} from './publication-statements.ts';
import { quoteTable } from './statements.ts';

const UNDEFINED_COLUMN = '42703';
const NO_RIGHT = '42501';
/** Classes of SQLSTATE by which PostgreSQL says that a statement itself is not right: the words are about the settings, not about rows. */
const NOT_RIGHT = /^(42|0A|22|2B)/;

interface FoundShape extends TableRef, PublishedShape {}

export async function readPublication(client: Client, name: string): Promise<PublicationState | undefined> {
  const { rows } = await client.query<Omit<PublicationState, 'shapes'>>(PUBLICATION_STATE, [name]);
  const [state] = rows;
  if (state === undefined) return undefined;
  const found = await client.query<FoundShape>(buildPublishedShapes(state.server_version >= SHAPES_VERSION), [name]);
  return { ...state, shapes: new Map(found.rows.map(({ schema, name: table, columns, filter }) => [`${schema}.${table}`, { columns, filter }])) };
}

/** Undefined where there is no such publication. */
export async function readIdentity(client: Client, name: string, tables: readonly TableRef[]): Promise<PublicationIdentity | undefined> {
  const { rows } = await client.query<PublicationIdentity>(PUBLICATION_IDENTITY, [name, ...columnsOf(tables)]);
  return rows[0];
}

/** Its id alone: another one once it was made anew. */
export async function readId(client: Client, name: string): Promise<string | undefined> {
  return (await readIdentity(client, name, []))?.id;
}

/** Tables that have come into a publication since it was as told: one that was in it before was out of it meanwhile. None where it is another one. */
export async function newEntries(client: Client, name: string, tables: readonly TableRef[], before: PublicationIdentity): Promise<readonly TableRef[]> {
  const now = await readIdentity(client, name, tables);
  return now?.id !== before.id || now.entries === before.entries ? [] : listNew(client, name, tables, before);
}

async function listNew(client: Client, name: string, tables: readonly TableRef[], { horizon }: PublicationIdentity): Promise<readonly TableRef[]> {
  const { rows } = await client.query<TableRef>(NEW_ENTRIES, [name, ...columnsOf(tables), horizon]);
  return rows;
}

function columnsOf(tables: readonly TableRef[]): readonly [schemas: readonly string[], names: readonly string[]] {
  return [tables.map(({ schema }) => schema), tables.map(({ name }) => name)];
}

interface Published {
  readonly tables: readonly CatalogTable[];
  readonly rules: SchemaRules;
  readonly identity: PublicationIdentity | undefined;
}

/**
 * Throws `SETUP_CHANGED` where the publication is gone or another one, or tables that it named have gone from it, if only for a
 * while: their changes did not come meanwhile. Somebody took them out, or a column of a list with DROP … CASCADE, and PostgreSQL says nothing of that.
 */
export async function assertStillPublished(client: Client, name: string, { tables, rules, identity }: Published): Promise<void> {
  const back = identity === undefined ? [] : await returnedTables(client, name, tables, identity);
  const named = tables.filter(({ ref }) => rules.published.has(`${ref.schema}.${ref.name}`)).map(({ id }) => id);
  const { rows } = await client.query<{ name: string }>(LOST_TABLES, [name, named]);
  if (rows.length === 0 && back.length === 0) return;
  const lost = [...rows.map((row) => `${row.name} no more`), ...back.map(({ schema, name: table }) => `${schema}.${table} anew`)];
  throw new CdcError('SETUP_CHANGED', `Publication ${name} has ${lost.join(', ')}, so changes of it do not come, or did not meanwhile.`, {
    remedy: 'We add it again by ourselves, if we may, and read the table anew.',
  });
}

async function returnedTables(client: Client, name: string, tables: readonly CatalogTable[], before: PublicationIdentity): Promise<readonly TableRef[]> {
  const refs = tables.map(({ ref }) => ref);
  const now = await readIdentity(client, name, refs);
  if (now?.id !== before.id)
    throw new CdcError('SETUP_CHANGED', `Publication ${name} is ${now === undefined ? 'gone' : 'another one'}, so changes were missed.`);
  return now.entries === before.entries ? [] : listNew(client, name, refs, before);
}

/** What is to be done with a publication, given what was found. */
export async function planFor(client: Client, input: Omit<PlanInput, 'fullPartitions'>): Promise<readonly TablePlan[]> {
  return planPublication({ ...input, fullPartitions: await readFullPartitions(client, input.tables) });
}

async function readFullPartitions(client: Client, tables: readonly CatalogTable[]): Promise<ReadonlySet<string>> {
  const partitioned = tables.filter(({ isPartitioned }) => isPartitioned);
  if (partitioned.length === 0) return new Set();
  const { rows } = await client.query<{ id: string }>(FULL_PARTITIONS, [partitioned.map(({ id }) => id)]);
  const ids = new Set(rows.map(({ id }) => Number(id)));
  return new Set(partitioned.filter(({ id }) => ids.has(id)).map(({ ref }) => `${ref.schema}.${ref.name}`));
}

export interface PublicationChange {
  readonly config: PostgresSourceConfig;
  readonly version: number;
  readonly publication: PublicationState | undefined;
  readonly plans: readonly TablePlan[];
  readonly log: Logger;
}

/** Makes a publication what it should be; gives the tables of which changes may have been missed before. */
export async function changePublication(client: Client, change: PublicationChange): Promise<readonly TableRef[]> {
  const added = change.plans.filter((plan) => plan.change === 'add');
  if (added.length > 0) await addTables(client, change, added);
  const missed: TableRef[] = added.map(({ table }) => table.ref);
  for (const plan of change.plans) if (plan.change === 'set' && (await setTable(client, change, plan))) missed.push(plan.table.ref);
  return missed;
}

/** The tables of which changes have been missed once the publication is what it should be. Changes nothing. */
export async function missedTables(client: Client, change: PublicationChange): Promise<readonly TableRef[]> {
  const missed: TableRef[] = [];
  for (const plan of change.plans) {
    const isMissed = plan.change === 'add' || (plan.change === 'set' && (await trySet(client, change, plan, 'ROLLBACK')).isMissed);
    if (isMissed) missed.push(plan.table.ref);
  }
  return missed;
}

async function addTables(client: Client, { config, version, publication, log }: PublicationChange, plans: readonly TablePlan[]): Promise<void> {
  const name = config.publication;
  const tables = plans.map(({ table, shape }) => ({ ref: table.ref, shape }));
  const statement =
    publication === undefined ? buildCreatePublication({ name, tables, hasGenerated: sendsGenerated(version, undefined) }) : buildAddTables(name, tables);
  await run(client, [statement]);
  log.info({ publication: name, tables: tables.length }, publication === undefined ? 'created the publication' : 'added tables to the publication');
}

/** Whether rows or columns of the table go out from now on that did not before. */
async function setTable(client: Client, change: PublicationChange, plan: TablePlan): Promise<boolean> {
  const { isSame, isMissed } = await trySet(client, change, plan, 'COMMIT');
  const { ref } = plan.table;
  if (!isSame)
    change.log.info({ publication: change.config.publication, table: `${ref.schema}.${ref.name}` }, 'changed which columns and rows of a table are published');
  return isMissed;
}

/**
 * PostgreSQL keeps a condition in words of its own: only what it makes of the new one tells whether it is another one, so
 * the change is made, and taken back if not.
 */
async function trySet(client: Client, { config, publication }: PublicationChange, { table, shape, isWider }: TablePlan, end: 'COMMIT' | 'ROLLBACK') {
  const name = `${table.ref.schema}.${table.ref.name}`;
  const before = publication?.shapes.get(name);
  await run(client, ['BEGIN', ...buildSetTable(config.publication, { ref: table.ref, shape })]);
  const after = (await readPublication(client, config.publication))?.shapes.get(name);
  const isSame = before !== undefined && after !== undefined && sameShape(before, after);
  await client.query(isSame ? 'ROLLBACK' : end);
  return { isSame, isMissed: !isSame && (isWider || before?.filter !== after?.filter) };
}

async function run(client: Client, statements: readonly string[]): Promise<void> {
  try {
    for (const statement of statements) await client.query(statement);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw toPublicationError(error);
  }
}

function toPublicationError(error: unknown): CdcError {
  const state = stateOf(error);
  if (!NOT_RIGHT.test(state) || state === NO_RIGHT) return toPostgresError(error, 'changing the publication');
  return new CdcError('SETUP_PUBLICATION', `PostgreSQL refuses the publication: ${wordsOf(error)}`, { cause: error, context: { sqlState: state } });
}

/** What is wrong with the conditions of ROW_FILTER: each is tried out, and nothing is changed. */
export async function filterProblems(client: Client, { config, version, tables }: Omit<PlanInput, 'fullPartitions'>): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [name, filter] of config.filters) {
    const table = tables.find(({ ref }) => `${ref.schema}.${ref.name}` === name);
    if (table === undefined) findings.push(unknownTable(name));
    else if (version < SHAPES_VERSION) findings.push(tooOld(name));
    else findings.push(...(await filterProblem(client, table, filter)));
  }
  return findings;
}

async function filterProblem(client: Client, table: CatalogTable, filter: string): Promise<readonly Finding[]> {
  const all = table.columns.map(({ name }) => name);
  const refused = await refusalOf(client, [buildFilterProbe({ ref: table.ref, filter, columns: all })]);
  if (refused !== undefined) return stateOf(refused) === NO_RIGHT ? [] : [notACondition(table, refused)];
  const identity = keyOf(table);
  if (table.replicaIdentity !== 'f' && identity.length > 0) {
    const lacks = await refusalOf(client, [buildFilterProbe({ ref: table.ref, filter, columns: identity })]);
    if (stateOf(lacks) === UNDEFINED_COLUMN) return [beyondIdentity(table)];
  }
  // PostgreSQL allows fewer conditions here than elsewhere (no functions of users, no subqueries); only a publication shows it.
  const shape = { columns: null, filter };
  const created = buildCreatePublication({ name: `dbmazz_trial_${randomUUID()}`, tables: [{ ref: table.ref, shape }], hasGenerated: false });
  const forbidden = table.isOwner ? await refusalOf(client, ['BEGIN', created]) : undefined;
  return forbidden === undefined || stateOf(forbidden) === NO_RIGHT ? [] : [notACondition(table, forbidden)];
}

/** The error that statements end with; what they did is taken back. */
async function refusalOf(client: Client, statements: readonly string[]): Promise<unknown> {
  try {
    for (const statement of statements) await client.query(statement);
    return undefined;
  } catch (error) {
    if (NOT_RIGHT.test(stateOf(error))) return error;
    throw toPostgresError(error, 'trying out ROW_FILTER');
  } finally {
    if (statements[0] === 'BEGIN') await client.query('ROLLBACK').catch(() => undefined);
  }
}

function unknownTable(name: string): Finding {
  return {
    severity: 'error',
    code: 'TABLE_NOT_FOUND',
    message: `ROW_FILTER has ${name}, but TABLES finds no such table.`,
    remedy: 'Check the spelling: rows of a table that is not filtered would all be published.',
  };
}

function tooOld(name: string): Finding {
  return {
    severity: 'error',
    code: 'CONFIG_INVALID',
    message: `ROW_FILTER has ${name}, but the source is older than PostgreSQL 15, which has no row filters.`,
    remedy: 'Upgrade the server, or leave ROW_FILTER unset.',
  };
}

function notACondition({ ref }: CatalogTable, error: unknown): Finding {
  return {
    severity: 'error',
    code: 'CONFIG_INVALID',
    message: `PostgreSQL does not take what ROW_FILTER has for ${ref.schema}.${ref.name}: ${wordsOf(error)}`,
    remedy: 'Name columns of the table, constants, and functions of PostgreSQL that always give the same (CREATE PUBLICATION, "WHERE").',
  };
}

function beyondIdentity({ ref }: CatalogTable): Finding {
  return {
    severity: 'error',
    code: 'REPLICA_IDENTITY',
    message: `ROW_FILTER of ${ref.schema}.${ref.name} needs columns beyond its replica identity: once it is published, PostgreSQL refuses the table's updates and deletes.`,
    remedy: `ALTER TABLE ${quoteTable(ref)} REPLICA IDENTITY FULL; or filter by columns of its key alone.`,
  };
}

function stateOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? '');
}

function wordsOf(error: unknown): string {
  const { message = '', detail } = error as { message?: string; detail?: string };
  return detail === undefined ? `${message}.` : `${message}. ${detail}`;
}
