import { describe, expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { tableOf, type TableSpec } from '../../test/contract/records.ts';
import { checkEngine, checkNames, planChanges } from './changes.ts';
import { type ColumnRow, toFoundTable } from './found-table.ts';

const names = { database: 'shop', view: 'orders', rows: 'orders_dbmazz_rows' };
const META = { dbmazz_op_type: 'LowCardinality(String)', dbmazz_is_deleted: 'UInt8', dbmazz_synced_at: "DateTime64(6, 'UTC')", dbmazz_cdc_version: 'UInt64' };

interface Given {
  readonly name?: string;
  readonly engine?: string;
  readonly columns?: Readonly<Record<string, string>>;
  readonly sortingKey?: readonly string[];
  readonly defaults?: readonly string[];
}

function found({
  name = names.rows,
  engine = 'ReplacingMergeTree(dbmazz_cdc_version, dbmazz_is_deleted)',
  columns = {},
  sortingKey = ['id'],
  defaults = [],
}: Given = {}) {
  const rows = Object.entries({ id: 'Int64', ...columns, ...META }).map(([column, type]): ColumnRow => {
    return {
      table: name,
      name: column,
      type,
      default_kind: defaults.includes(column) ? 'DEFAULT' : '',
      is_in_sorting_key: sortingKey.includes(column) ? 1 : 0,
    };
  });
  return toFoundTable({ name, engine: engine.replace(/\(.*/, ''), engine_full: `${engine} ORDER BY id`, comment: '' }, rows);
}

const schemaOf = (columns: TableSpec['columns']) => tableOf({ name: 'orders', columns, key: ['id'] });
const policy = { deleteMode: 'hard', schemaChanges: 'apply' } as const;

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof CdcError ? error.code : String(error);
  }
  return 'none';
}

describe('statements that make a table ready', () => {
  test.each<[string, TableSpec['columns'], Given, readonly string[]]>([
    ['nothing is missing', { id: 'int64', name: 'text' }, { columns: { name: 'Nullable(String)' } }, []],
    ['a column is missing', { id: 'int64', name: { type: { kind: 'text' }, nullable: false } }, {}, ['ADD COLUMN IF NOT EXISTS `name` Nullable(String)']],
    ['a column is too narrow', { id: 'int64', n: 'int64' }, { columns: { n: 'Nullable(Int32)' } }, ['MODIFY COLUMN `n` Nullable(Int64)']],
    ['a column that could not be null and is too narrow', { id: 'int64', n: 'int64' }, { columns: { n: 'Int32' } }, ['MODIFY COLUMN `n` Nullable(Int64)']],
    ['a column is wider', { id: 'int32', n: 'int16' }, { columns: { n: 'Nullable(Int64)' } }, []],
    [
      'a column may be null now',
      { id: 'int64', n: 'text' },
      { columns: { n: 'LowCardinality(String)' } },
      ['MODIFY COLUMN `n` LowCardinality(Nullable(String))'],
    ],
    ['a column was dropped', { id: 'int64' }, { columns: { gone: 'Int32' } }, ['MODIFY COLUMN `gone` Nullable(Int32)']],
    ['a column of the user has a default', { id: 'int64' }, { columns: { loaded: 'DateTime' }, defaults: ['loaded'] }, []],
    ['a table of the user has a column more', { id: 'int64' }, { name: 'orders', columns: { extra: 'Int32' } }, []],
  ])('where %s', (_label, columns, given, expected) => {
    const target = given.name ?? names.rows;
    const built = planChanges({ schema: schemaOf(columns), names, found: found(given), policy });
    expect(built).toEqual(expected.map((change) => `ALTER TABLE \`shop\`.\`${target}\` ${change}`));
  });

  test('meta columns are added to a table that was there before', () => {
    const bare = found();
    const columns = new Map([...bare.columns].filter(([name]) => name !== 'dbmazz_synced_at'));
    const built = planChanges({ schema: schemaOf({ id: 'int64' }), names, found: { ...bare, columns }, policy: { ...policy, schemaChanges: 'stop' } });
    expect(built).toEqual(["ALTER TABLE `shop`.`orders_dbmazz_rows` ADD COLUMN IF NOT EXISTS `dbmazz_synced_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')"]);
  });

  test.each<[string, { columns: TableSpec['columns']; given: Given }, 'apply' | 'ignore' | 'stop', string]>([
    ['a new column', { columns: { id: 'int64', n: 'text' }, given: {} }, 'stop', 'SCHEMA_INCOMPATIBLE'],
    ['a new column', { columns: { id: 'int64', n: 'text' }, given: {} }, 'ignore', 'none'],
    ['a wider type', { columns: { id: 'int64', n: 'int64' }, given: { columns: { n: 'Int32' } } }, 'ignore', 'SCHEMA_INCOMPATIBLE'],
    ['a wider type', { columns: { id: 'int64', n: 'int64' }, given: { columns: { n: 'Int32' } } }, 'stop', 'SCHEMA_INCOMPATIBLE'],
    ['another type', { columns: { id: 'int64', n: 'boolean' }, given: { columns: { n: 'Int32' } } }, 'apply', 'SCHEMA_INCOMPATIBLE'],
    ['another type of a key', { columns: { id: 'uuid' }, given: {} }, 'apply', 'SCHEMA_INCOMPATIBLE'],
  ])('%s, %o, SCHEMA_CHANGES=%s: %s', (_label, { columns, given }, schemaChanges, code) => {
    expect(codeOf(() => planChanges({ schema: schemaOf(columns), names, found: found(given), policy: { ...policy, schemaChanges } }))).toBe(code);
  });
});

describe('an existing table', () => {
  const schema = schemaOf({ id: 'int64' });
  test.each<[string, Given, 'hard' | 'soft', string]>([
    ['of ours', {}, 'hard', 'none'],
    ['replicated', { engine: "ReplicatedReplacingMergeTree('/t', '{replica}', dbmazz_cdc_version, dbmazz_is_deleted)" }, 'hard', 'none'],
    ['with another engine', { engine: 'MergeTree' }, 'hard', 'SCHEMA_INCOMPATIBLE'],
    ['with another version column', { engine: 'ReplacingMergeTree(v)' }, 'hard', 'SCHEMA_INCOMPATIBLE'],
    ['with another key', { sortingKey: ['id', 'dbmazz_op_type'] }, 'hard', 'SCHEMA_INCOMPATIBLE'],
    ['that hides deleted rows', {}, 'soft', 'SCHEMA_INCOMPATIBLE'],
    ['that only marks deleted rows', { engine: 'ReplacingMergeTree(dbmazz_cdc_version)' }, 'soft', 'none'],
    ['that only marks deleted rows, behind our view', { engine: 'ReplacingMergeTree(dbmazz_cdc_version)' }, 'hard', 'none'],
    ['that only marks deleted rows, of the user', { name: 'orders', engine: 'ReplacingMergeTree(dbmazz_cdc_version)' }, 'hard', 'SCHEMA_INCOMPATIBLE'],
  ])('%s, %o, DELETE_MODE=%s: %s', (_label, given, deleteMode, code) => {
    expect(codeOf(() => checkEngine({ schema, names, found: found(given), policy: { ...policy, deleteMode } }))).toBe(code);
  });
});

describe('names', () => {
  test.each(['dbmazz_op_type', 'dbmazz_row_id'])('a column %s is refused', (column) => {
    expect(codeOf(() => checkNames(schemaOf({ id: 'int64', [column]: 'text' }), names))).toBe('SCHEMA_INCOMPATIBLE');
  });

  test('a target with the name of a table behind a view is refused', () => {
    expect(codeOf(() => checkNames(schemaOf({ id: 'int64' }), { ...names, view: 'x_dbmazz_rows' }))).toBe('CONFIG_INVALID');
  });
});
