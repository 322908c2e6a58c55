import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { SINK_OPTIONS } from '../../shared/config/sink-options.ts';
import { META_COLUMNS, type Sink } from '../../shared/connector/sink.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { canonicalJson } from '../../test/contract/canonical.ts';
import { type ContractSettings, describeSinkContract, type LiveRow, type SinkHarness } from '../../test/contract/sink-contract.ts';
import { MemoryConnection } from './memory-database.ts';
import { templateSink } from './mod.ts';
import type { Cell } from './types.ts';

/**
 * The suite that every sink passes. This target needs no server, so the file is a unit test; that of a real connector is
 * `contract.integration.test.ts`, with its harness in `test/contract`, beside those of the other sinks.
 */
describeSinkContract({ name: 'the template', open: openHarness, nullArray: null });

async function openHarness(): Promise<SinkHarness> {
  const connection = new MemoryConnection('contract', Number.MAX_SAFE_INTEGER);
  return {
    createSink,
    liveRows: async (table, target) => [...((await connection.describe(target))?.rows.values() ?? [])].map((row) => toLiveRow(table, row)),
    close: async () => connection.close(),
  };
}

function createSink(given: ContractSettings): Sink {
  const environment = { SINK_NAME: 'test', SINK_TOPICS: 'test.*', SINK_URL: 'memory:///contract', ...given };
  const { settings, problems } = readOptions({ ...SINK_OPTIONS, ...templateSink.options }, environment);
  throwIfProblems(problems);
  return templateSink.create(settings, { log: silentLogger() });
}

function toLiveRow(table: TableSchema, row: ReadonlyMap<string, Cell>): LiveRow {
  return {
    values: Object.fromEntries(table.columns.map(({ name, dataType }) => [name, spell(dataType, row.get(name) ?? null)])),
    opType: String(row.get(META_COLUMNS.opType)),
    isDeleted: row.get(META_COLUMNS.isDeleted) === 'true',
    version: Number(row.get(META_COLUMNS.version)),
  };
}

/** From this target's spelling to the canonical one. */
function spell(type: DataType, cell: Cell): Cell {
  return cell !== null && (type.kind === 'json' || type.kind === 'jsonb') ? canonicalJson(cell) : cell;
}
