import type { ConnectorContext } from '../../shared/connector/connector.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { bind, type Binding } from './binding.ts';
import type { Doing, Rows, Session } from './client.ts';
import type { PostgresSinkConfig } from './config.ts';
import { qualified, quoteName } from './identifiers.ts';
import { checkTable, planChanges, type TargetTable, type UniqueIndex } from './schema-changes.ts';
import {
  buildCreateTable,
  buildOwnTables,
  buildReadColumns,
  buildReadRelation,
  buildReadSchema,
  buildReadUniqueIndexes,
  buildSetupLock,
  type TargetName,
} from './setup-statements.ts';
import type { TargetColumn } from './type-fit.ts';

export interface SetupContext {
  readonly session: Session;
  readonly config: PostgresSinkConfig;
  readonly log: ConnectorContext['log'];
}

/**
 * Makes the target ready for one version of a source table, and says how its rows are written there: creates schema
 * and table, adds columns and the key's index, widens types; all of it or nothing. Repeating it changes nothing.
 */
export async function setUpTable(context: SetupContext, target: TargetName, table: TableSchema): Promise<Binding> {
  checkTable(target, table);
  const { session, config } = context;
  const doing = doingSetup(config, target);
  await session.run(doing, ['BEGIN', 'SET LOCAL statement_timeout = 0', buildSetupLock(target.schema)]);
  await setUpSchema(context, doing, target.schema);
  const existing = await readTable(session, doing, target);
  const ready = existing === undefined ? await createTable(context, doing, { target, table }) : await changeTable(context, doing, { target: existing, table });
  await session.run(doing, ['COMMIT']);
  warnOfTriggers(context, ready);
  return bind(table, ready);
}

function doingSetup({ user }: PostgresSinkConfig, { schema, name }: TargetName): Doing {
  return {
    what: `set up table ${schema}.${name}`,
    table: name,
    grant: `GRANT USAGE, CREATE ON SCHEMA ${quoteName(schema)} TO ${quoteName(user)}; a table that exists must belong to that user to be altered.`,
    mayTakeLong: true,
  };
}

async function setUpSchema({ session, log }: SetupContext, doing: Doing, schema: string): Promise<void> {
  const [found] = await session.rows(doing, buildReadSchema(schema));
  if (found?.['has_schema'] !== true) {
    await session.run(doing, [`CREATE SCHEMA ${quoteName(schema)}`]);
    log.info({ schema }, 'created the schema');
  }
  if (found?.['has_own_tables'] !== true) await session.run(doing, buildOwnTables(schema));
}

interface Wanted<T extends TargetName> {
  readonly target: T;
  readonly table: TableSchema;
}

async function createTable({ session, log }: SetupContext, doing: Doing, { target, table }: Wanted<TargetName>): Promise<TargetTable> {
  await session.run(doing, buildCreateTable(target, table));
  log.info({ table: `${target.schema}.${target.name}` }, 'created the table');
  return readAgain(session, doing, target);
}

async function changeTable({ session, config, log }: SetupContext, doing: Doing, { target, table }: Wanted<TargetTable>): Promise<TargetTable> {
  const statements = planChanges(target, table, config.schemaChanges);
  if (statements.length === 0) return target;
  await session.run(doing, statements);
  log.info({ table: `${target.schema}.${target.name}`, statements }, 'changed the table');
  return readAgain(session, doing, target);
}

async function readAgain(session: Session, doing: Doing, target: TargetName): Promise<TargetTable> {
  const table = await readTable(session, doing, target);
  if (table === undefined) throw new CdcError('INVARIANT_BROKEN', `Table ${target.schema}.${target.name} is not there after it was set up.`);
  return table;
}

/** The table as it is; undefined where there is none. */
async function readTable(session: Session, doing: Doing, target: TargetName): Promise<TargetTable | undefined> {
  const [relation] = await session.rows(doing, buildReadRelation(target));
  if (relation === undefined) return undefined;
  if (relation['relkind'] !== 'r' && relation['relkind'] !== 'p') {
    throw new CdcError('SCHEMA_INCOMPATIBLE', `${qualified(target.schema, target.name)} is there, but is no table.`, {
      remedy: 'Rename it, or choose another SINK_TABLE.',
    });
  }
  return {
    ...target,
    columns: (await session.rows(doing, buildReadColumns(target))).map(toColumn),
    uniqueIndexes: toIndexes(await session.rows(doing, buildReadUniqueIndexes(target))),
    hasTriggers: relation['has_triggers'] === true,
  };
}

function toColumn(row: Rows[number]): TargetColumn {
  return {
    name: String(row['name']),
    type: String(row['type']),
    baseType: String(row['base_type']),
    category: String(row['category']),
    isGenerated: row['is_generated'] === true,
    isIdentityAlways: row['is_identity_always'] === true,
  };
}

function toIndexes(rows: Rows): readonly UniqueIndex[] {
  return rows.map((row) => ({
    isPrimary: row['is_primary'] === true,
    isPartial: row['is_partial'] === true,
    columns: row['columns'] as readonly string[],
  }));
}

function warnOfTriggers({ session, config, log }: SetupContext, { schema, name, hasTriggers }: TargetTable): void {
  if (!hasTriggers || !session.firesTriggers) return;
  log.warn(
    {
      table: `${schema}.${name}`,
      remedy: `GRANT SET ON PARAMETER session_replication_role TO ${quoteName(config.user)}; (PostgreSQL 15 or newer), or drop them.`,
    },
    'the table has triggers or foreign keys, which we may not switch off: writing tables in parallel may meet them',
  );
}
