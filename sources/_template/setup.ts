import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { TemplateConfig } from './config.ts';
import type { MemoryDatabase, MemoryTable } from './memory-database.ts';
import { toDataType, toTableSchema } from './types.ts';

/**
 * What belongs into `setup.ts`: what `validate` looks at, and everything that is created in the database.
 *
 * The check changes nothing and finds everything at once: version, settings of the server, rights, tables, types. Each
 * finding has the statement that puts it right.
 */
export function findProblems(database: MemoryDatabase, { tables }: TemplateConfig): Finding[] {
  return tables.flatMap((name) => {
    const table = findTable(database, name);
    return table === undefined ? [notFound(name)] : typeProblems(table);
  });
}

/**
 * Makes what keeps the log for this source; repeating it changes nothing. The tables as they are now.
 * Throws `POSITION_LOST` where a source that has run before finds its log gone.
 */
export function prepare(database: MemoryDatabase, { tables, slot }: TemplateConfig, from: Checkpoint): TableSchema[] {
  if (database.slot(slot) === undefined) {
    if (from.position !== null || from.snapshot !== null)
      throw new CdcError('POSITION_LOST', `Slot ${slot} is gone, and with it the changes since it was read.`);
    database.keep(slot, database.end);
  }
  return schemasOf(database, tables);
}

export function schemasOf(database: MemoryDatabase, tables: readonly string[]): TableSchema[] {
  return tables.flatMap((name) => schemaOf(findTable(database, name)) ?? []);
}

export function schemaOf(table: MemoryTable | undefined): TableSchema | undefined {
  return table === undefined ? undefined : toTableSchema({ name: table.name, columns: [...table.columns], key: table.key });
}

function findTable(database: MemoryDatabase, name: string): MemoryTable | undefined {
  return database.tables.get(name.slice(name.indexOf('.') + 1));
}

function notFound(name: string): Finding {
  return { severity: 'error', code: 'TABLE_NOT_FOUND', message: `TABLES has ${name}, but the source has no such table.`, remedy: 'Check the spelling.' };
}

function typeProblems({ name, columns }: MemoryTable): Finding[] {
  const unknown = [...columns].filter(([, type]) => toDataType(type) === undefined);
  return unknown.map(([column, type]) => ({
    severity: 'error',
    code: 'TYPE_UNSUPPORTED',
    message: `Column ${column} of public.${name} has the type ${type}, which cannot be carried.`,
    remedy: 'Take the table out of TABLES.',
  }));
}
