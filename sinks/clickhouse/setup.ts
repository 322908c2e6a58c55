import type { Finding } from '../../shared/connector/finding.ts';
import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { CdcError, isCdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { checkEngine, checkNames, planChanges } from './changes.ts';
import type { ClickHouseClient } from './client.ts';
import { type ClickHouseConfig, type TargetNames, targetNames } from './config.ts';
import { type ColumnRow, type FoundTable, type TableRow, toFoundTable } from './found-table.ts';
import { buildPlan, type TablePlan } from './plan.ts';
import { buildCreateDatabase, buildCreateRows, buildCreateView, buildGrants, quoteName, ROW_ID_COLUMN } from './statements.ts';
import { DOCUMENTED_RANGE, firstMicros, lastMicros, type TimeRange, WIDE_RANGE } from './time-range.ts';
import { columnTypeFor } from './types.ts';

/** The first with `is_deleted` in ReplacingMergeTree and lightweight deletes as standard. */
const OLDEST_VERSION = [23, 3] as const;

export interface SetupContext {
  readonly client: ClickHouseClient;
  readonly config: ClickHouseConfig;
  readonly log: Logger;
}

/** What a look at the server finds. Throws `CONNECTION_LOST`, `TIMEOUT` or `AUTH_FAILED` where there is none to be had. */
export async function findProblems({ client, config }: SetupContext): Promise<readonly Finding[]> {
  const sql = 'SELECT version() AS version, toString(count()) AS databases FROM system.databases WHERE name = {database:String}';
  const [server] = await client.rows<{ version: string; databases: string }>({ sql, action: 'connecting', parameters: { database: config.database } });
  const { version = '', databases = '0' } = server ?? {};
  return [...versionFindings(version), ...databaseFindings(config, databases), ...(await grantFindings(client, config))];
}

function versionFindings(version: string): readonly Finding[] {
  if (!isOlder(version)) return [];
  const message = `ClickHouse ${version} is older than ${OLDEST_VERSION.join('.')}.`;
  return [{ severity: 'error', code: 'SETUP_VERSION', message, remedy: 'Use a newer server.' }];
}

function databaseFindings({ database }: ClickHouseConfig, count: string): readonly Finding[] {
  if (count !== '0') return [];
  const message = `The database ${database} does not exist yet; it will be created.`;
  return [{ severity: 'warning', code: 'TABLE_NOT_FOUND', message, remedy: `${buildCreateDatabase(database)};` }];
}

/** Warnings only: rights to single tables may be enough, and a right that is missed in the end has its own error. */
async function grantFindings(client: ClickHouseClient, { database, user }: ClickHouseConfig): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const grant of buildGrants(database)) {
    if (await hasGrant(client, grant)) continue;
    const message = `The user ${user} does not have all rights that creating, changing and reading of tables takes.`;
    findings.push({ severity: 'warning', code: 'SETUP_GRANT_MISSING', message, remedy: `GRANT ${grant} TO ${quoteName(user)};` });
  }
  return findings;
}

/** Of an older server, which has no such statement, true. */
export async function hasGrant(client: ClickHouseClient, grant: string): Promise<boolean> {
  try {
    const answer = await client.bytes({ sql: `CHECK GRANT ${grant}`, action: 'checking rights' });
    return answer.toString().trim() !== '0';
  } catch (error) {
    if (isCdcError(error, 'TARGET_REFUSED')) return true;
    throw error;
  }
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1]);
}

/**
 * Which dates and timestamps the server shows right. It keeps any number, but older ones print what lies outside of
 * their documented range as its ends.
 */
export async function readTimeRange(client: ClickHouseClient): Promise<TimeRange> {
  const show = (micros: bigint) => `toString(fromUnixTimestamp64Micro(toInt64(${micros}), 'UTC'))`;
  const sql = `SELECT ${show(firstMicros(WIDE_RANGE))} AS first, ${show(lastMicros(WIDE_RANGE))} AS last`;
  const [row] = await client.rows<{ first: string; last: string }>({ sql, action: 'asking for the range of timestamps' });
  const isWide = row?.first === '0000-01-01 00:00:00.000000' && row.last === '9999-12-31 23:59:59.999999';
  return isWide ? WIDE_RANGE : DOCUMENTED_RANGE;
}

/** Creates or completes the target of one table, and says how to write to it. */
export async function prepareTable(context: SetupContext, schema: TableSchema, range: TimeRange): Promise<TablePlan> {
  const names = targetNames(context.config, schema);
  checkNames(schema, names);
  const before = await readTarget(context.client, names);
  if (before.rows === undefined && (before.plain === undefined || isOurView(before.plain))) await createRows(context, schema, names);
  else await changeTable(context, { schema, names, found: existing(before, names) });
  const { rows, plain } = await readTarget(context.client, names);
  if (rows !== undefined) await refreshView(context, { names, rows, view: plain });
  return buildPlan({ schema, names, found: existing({ rows, plain }, names), range });
}

interface Target {
  /** The table behind the view. */
  readonly rows: FoundTable | undefined;
  /** What stands under the plain name: our view, or a table that was there before us. */
  readonly plain: FoundTable | undefined;
}

async function readTarget(client: ClickHouseClient, names: TargetNames): Promise<Target> {
  const parameters = { database: names.database, names: [names.view, names.rows] };
  const action = `describing ${names.database}.${names.view}`;
  const [tables, columns] = [
    await client.rows<TableRow>({ sql: DESCRIBE_TABLES, action, parameters }),
    await client.rows<ColumnRow>({ sql: DESCRIBE_COLUMNS, action, parameters }),
  ];
  const find = (wanted: string) => tables.filter(({ name }) => name === wanted).map((table) => toFoundTable(table, columns))[0];
  return { rows: find(names.rows), plain: find(names.view) };
}

const DESCRIBE_TABLES = 'SELECT name, engine, engine_full, comment FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}';
const DESCRIBE_COLUMNS =
  'SELECT table, name, type, default_kind, is_in_sorting_key FROM system.columns WHERE database = {database:String} AND table IN {names:Array(String)} ORDER BY position';

/** The table that is written to: ours, or one that has the plain name itself. */
function existing({ rows, plain }: Target, names: TargetNames): FoundTable {
  const found = rows ?? plain;
  if (found !== undefined && !found.engine.endsWith('View')) return found;
  throw new CdcError('SCHEMA_INCOMPATIBLE', `${names.database}.${names.view} is a view that is not ours.`, {
    remedy: 'Rename or drop it, or choose another name with SINK_TABLE.',
  });
}

/** Our views say so in their comment; no other is ever replaced. */
function isOurView({ engine, comment }: FoundTable): boolean {
  return engine === 'View' && comment.includes(VIEW_MARK);
}

const VIEW_MARK = 'kept by dbmazz';

async function createRows({ client, config, log }: SetupContext, schema: TableSchema, names: TargetNames): Promise<void> {
  const columns = schema.columns.map(({ name, dataType, nullable }, index) => {
    const isKey = schema.key.includes(index);
    return { name, type: columnTypeFor(dataType, { isKey, isNullable: nullable }) };
  });
  const key = schema.keyColumns.map(({ name }) => name);
  const action = `creating ${names.database}.${names.view}`;
  await client.run({ sql: buildCreateRows({ names, columns, key, hidesDeleted: config.deleteMode === 'hard' }), action });
  log.info({ table: schema.qualifiedName, target: `${names.database}.${names.view}` }, 'Created the target table.');
}

async function changeTable({ client, config, log }: SetupContext, target: { schema: TableSchema; names: TargetNames; found: FoundTable }): Promise<void> {
  const { schema, names, found } = target;
  checkEngine({ ...target, policy: config });
  if (found.name === names.view) {
    log.warn({ target: `${names.database}.${names.view}` }, 'The target table was there before: query it with FINAL, or set final = 1, to see live rows only.');
  }
  for (const sql of planChanges({ ...target, policy: config })) {
    await client.run({ sql, action: `changing ${names.database}.${found.name}` });
    log.info({ table: schema.qualifiedName, statement: sql }, 'Changed the target table.');
  }
}

/** Puts the view right where it is missing, lacks a column, or shows deleted rows differently from what is wanted. */
async function refreshView(
  { client, config }: SetupContext,
  { names, rows, view }: { names: TargetNames; rows: FoundTable; view: FoundTable | undefined },
): Promise<void> {
  const columns = [...rows.columns.keys()].filter((name) => name !== ROW_ID_COLUMN);
  const comment = config.deleteMode === 'hard' ? `Live rows, ${VIEW_MARK}` : `All rows, ${VIEW_MARK}: deleted ones have ${META_COLUMNS.isDeleted} = 1`;
  const isRight =
    view?.comment === comment &&
    columns.length === view.columns.size &&
    columns.every((name) => view.columns.get(name)?.type.text === rows.columns.get(name)?.type.text);
  if (isRight) return;
  if (view !== undefined && !isOurView(view)) throw notOurs(names);
  const filtersDeleted = config.deleteMode === 'hard' && !rows.hidesDeleted;
  await client.run({ sql: buildCreateView({ names, columns, filtersDeleted, comment }), action: `creating the view ${names.database}.${names.view}` });
}

function notOurs({ database, view, rows }: TargetNames): CdcError {
  return new CdcError('SCHEMA_INCOMPATIBLE', `${database}.${view} exists beside ${rows} and is not the view of ours.`, {
    remedy: 'Rename or drop it; the sink then creates the view.',
  });
}

/** Where the database is missing, it is made. */
export async function ensureDatabase({ client, config }: SetupContext): Promise<void> {
  const sql = 'SELECT name FROM system.databases WHERE name = {database:String}';
  const found = await client.rows({ sql, action: 'looking for the database', parameters: { database: config.database } });
  if (found.length === 0) await client.run({ sql: buildCreateDatabase(config.database), action: `creating the database ${config.database}` });
}
