import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { Finding } from '../../shared/connector/finding.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { Client, TargetTable } from './client.ts';
import { targetNameOf, type TemplateConfig } from './config.ts';
import { columnTypeOf, fits } from './types.ts';

const OLDEST_VERSION = 1;

const META_TYPES: ReadonlyMap<string, string> = new Map([
  [META_COLUMNS.opType, 'text'],
  [META_COLUMNS.isDeleted, 'boolean'],
  [META_COLUMNS.syncedAt, 'timestamp with time zone'],
  [META_COLUMNS.version, 'bigint'],
]);

/**
 * What belongs into `setup.ts`: what `validateConnection` looks at, and everything that creates or changes targets.
 *
 * The check changes nothing. Each finding has the exact statement that puts it right: version, rights, limits.
 */
export async function checkTarget(client: Client): Promise<readonly Finding[]> {
  const version = await client.serverVersion();
  if (version >= OLDEST_VERSION) return [];
  return [{ severity: 'error', code: 'SETUP_VERSION', message: `The server has version ${version}.`, remedy: `Use version ${OLDEST_VERSION} or newer.` }];
}

/** Two source tables must not share a target: their rows would mix. */
export function checkOwner(name: string, schema: TableSchema, owner: TableSchema | undefined): void {
  if (owner === undefined || owner.qualifiedName === schema.qualifiedName) return;
  throw new CdcError('CONFIG_INVALID', `${schema.qualifiedName} and ${owner.qualifiedName} would both be written to ${name}.`, {
    remedy: 'Set SINK_TABLE={schema}_{table}.',
  });
}

export interface SetupContext {
  readonly client: Client;
  readonly config: TemplateConfig;
  readonly log: Logger;
}

/**
 * Makes one target ready and tells what it looks like then. Repeating it changes nothing, nor does an older schema that
 * comes again. A table that was there before is used if its columns fit; our own are added. Throws
 * `SCHEMA_INCOMPATIBLE`, before anything is changed.
 */
export async function setUpTable({ client, config, log }: SetupContext, schema: TableSchema): Promise<TargetTable> {
  checkNames(schema);
  const name = targetNameOf(config, schema);
  const found = await client.findTable(name);
  if (found === undefined) {
    const target = newTarget(name, schema);
    await client.createTable(target);
    log.info({ table: schema.qualifiedName, target: name }, 'created a target table');
    return target;
  }
  const changes = planChanges(found, schema, config.schemaChanges);
  if (changes.size > 0) await client.alterTable(name, changes);
  return { ...found, columns: new Map([...found.columns, ...changes]) };
}

function checkNames(schema: TableSchema): void {
  const column = schema.columns.find(({ name }) => META_TYPES.has(name));
  if (column === undefined) return;
  throw incompatible(schema, `has a column ${column.name} of its own, which is our name`, 'Leave it out with EXCLUDE_COLUMNS at the source.');
}

/** Columns beside the key may be null: so later rows can lack one that the source has dropped. */
function newTarget(name: string, schema: TableSchema): TargetTable {
  const columns = schema.columns.map((column): [string, string] => [column.name, columnTypeOf(column.dataType)]);
  return { name, columns: new Map([...columns, ...META_TYPES]), key: keyOf(schema) };
}

/** Columns to add, or to give a wider type, which a key never is: rows are told apart by it. Columns that the source has dropped stay. */
function planChanges(found: TargetTable, schema: TableSchema, mode: TemplateConfig['schemaChanges']): ReadonlyMap<string, string> {
  if (JSON.stringify(keyOf(schema).toSorted()) !== JSON.stringify(found.key.toSorted()))
    throw incompatible(schema, `has another key than its target ${found.name}`);
  const changes = new Map([...META_TYPES].filter(([name]) => !found.columns.has(name)));
  for (const { name, dataType } of schema.columns) {
    const wanted = columnTypeOf(dataType);
    const present = found.columns.get(name);
    if ((present !== undefined && fits(wanted, present)) || (present === undefined && mode === 'ignore')) continue;
    const isWidening = present !== undefined && fits(present, wanted) && !found.key.includes(name);
    if (present !== undefined && !isWidening) throw incompatible(schema, `has a column ${name} that is ${wanted} now, and ${present} in the target`);
    if (mode !== 'apply') throw incompatible(schema, `has a new or wider column ${name}, and SCHEMA_CHANGES=${mode}`);
    changes.set(name, wanted);
  }
  return changes;
}

function keyOf(schema: TableSchema): readonly string[] {
  return schema.keyColumns.map(({ name }) => name);
}

function incompatible(schema: TableSchema, reason: string, remedy = 'Change the target by hand, or drop it and replay the topic.'): CdcError {
  return new CdcError('SCHEMA_INCOMPATIBLE', `${schema.qualifiedName} ${reason}.`, { context: { table: schema.qualifiedName }, remedy });
}
