import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { SOURCE_OPTIONS } from '../../shared/config/source-options.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { describeSourceContract, type HarnessChange, type SourceHarness } from '../../test/contract/source-contract.ts';
import type { TemplateSettings } from './config.ts';
import { type MemoryChange, MemoryDatabase } from './memory-database.ts';
import { templateSource } from './mod.ts';

/**
 * The suite that every source passes. This database needs no server, so the file is a unit test; that of a real connector
 * is `contract.integration.test.ts`, with its harness in `test/contract`.
 */
describeSourceContract('the template', openHarness);

let serial = 0;

async function openHarness(): Promise<SourceHarness> {
  const name = `contract_${++serial}`;
  const database = MemoryDatabase.create(name);
  return {
    createTable: async (table) => database.createTable(table, { id: 'integer', v: 'text' }, 'id'),
    addColumn: async (table, column) => database.addColumn(table, column, 'text'),
    commit: async (...changes) => database.commit(changes.map(toMemory)),
    createSource: (tables, settings) => {
      const environment = { SOURCE_NAME: 'test', SOURCE_URL: `memory:///${name}`, TABLES: tables.map((table) => `public.${table}`).join(','), ...settings };
      const { settings: read, problems } = readOptions({ ...SOURCE_OPTIONS, ...templateSource.options }, environment);
      throwIfProblems(problems);
      return templateSource.create(read as TemplateSettings, { log: silentLogger() });
    },
    released: async () => undefined,
    loseHistory: async () => database.keep('dbmazz', undefined),
    [Symbol.asyncDispose]: async () => MemoryDatabase.drop(name),
  };
}

function toMemory(change: HarnessChange): MemoryChange {
  const { kind, table } = change;
  return change.kind === 'delete'
    ? { kind: 'delete', table, key: String(change.id) }
    : { kind: kind as 'insert', table, cells: { id: String(change.id), v: change.v } };
}
