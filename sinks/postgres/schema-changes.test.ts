import { describe, expect, test } from 'vitest';
import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { tableOf } from '../../test/contract/records.ts';
import { checkTable, planChanges, type TargetTable } from './schema-changes.ts';
import { buildCreateTable } from './setup-statements.ts';

const table = tableOf({ name: 'orders', columns: { id: 'int64', name: 'text', amount: 'decimal' }, key: ['id'] });
const target = { schema: 'shop', name: 'orders' };

const CATEGORIES: Readonly<Record<string, string>> = { text: 'S', boolean: 'B', 'timestamp with time zone': 'D' };

function existing(columns: Readonly<Record<string, string>>, indexes: readonly (readonly string[])[] = [['id']]): TargetTable {
  const meta = {
    [META_COLUMNS.opType]: 'text',
    [META_COLUMNS.isDeleted]: 'boolean',
    [META_COLUMNS.syncedAt]: 'timestamp with time zone',
    [META_COLUMNS.version]: 'bigint',
  };
  const all = Object.entries({ ...columns, ...meta }).filter(([, type]) => type !== '');
  return {
    ...target,
    hasTriggers: false,
    columns: all.map(([name, type]) => ({
      name,
      type,
      baseType: type.replace(/\(.*\)/, ''),
      category: CATEGORIES[type] ?? 'N',
      isGenerated: false,
      isIdentityAlways: false,
    })),
    uniqueIndexes: indexes.map((names, index) => ({ isPrimary: index === 0, isPartial: false, columns: names })),
  };
}

const whole = { id: 'bigint', name: 'text', amount: 'numeric(12,2)' };

test('a new table has the columns of the source, ours, and the key', () => {
  expect(buildCreateTable(target, table).join('')).toBe(`CREATE TABLE "shop"."orders" (
  "id" bigint,
  "name" text,
  "amount" numeric(12,2),
  "dbmazz_op_type" text,
  "dbmazz_is_deleted" boolean NOT NULL DEFAULT false,
  "dbmazz_synced_at" timestamp with time zone,
  "dbmazz_cdc_version" bigint NOT NULL DEFAULT 0,
  PRIMARY KEY ("id")
)`);
});

test('a table that fits is left alone, in any mode', () => {
  for (const mode of ['apply', 'ignore', 'stop'] as const) expect(planChanges(existing(whole), table, mode)).toEqual([]);
});

describe('a missing column', () => {
  const lacking = existing({ id: 'bigint', name: 'text' });

  test('is added, left out or refused', () => {
    expect(planChanges(lacking, table, 'apply')).toEqual(['ALTER TABLE "shop"."orders" ADD COLUMN "amount" numeric(12,2)']);
    expect(planChanges(lacking, table, 'ignore')).toEqual([]);
    expect(() => planChanges(lacking, table, 'stop')).toThrow(expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE' }));
  });

  test('of the key cannot be left out', () => {
    const keyless = existing({ name: 'text', amount: 'numeric' }, []);
    expect(() => planChanges(keyless, table, 'ignore')).toThrow(/lacks the column id/);
  });
});

describe('a narrower column', () => {
  const narrow = existing({ ...whole, amount: 'numeric(8,2)' });
  const rounding = existing({ ...whole, amount: 'numeric(12,1)' });

  test('is widened, and the values that are there are kept', () => {
    expect(planChanges(narrow, table, 'apply')).toEqual(['ALTER TABLE "shop"."orders" ALTER COLUMN "amount" TYPE numeric(12,2) USING "amount"::numeric(12,2)']);
  });

  test('stays where changes are ignored and the server refuses what does not fit', () => {
    expect(planChanges(narrow, table, 'ignore')).toEqual([]);
    expect(() => planChanges(rounding, table, 'ignore')).toThrow(expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE' }));
  });

  test('is refused where changes stop the table', () => {
    expect(() => planChanges(narrow, table, 'stop')).toThrow(/numeric\(8,2\)/);
  });
});

test('our own columns are added to a table that is not ours, and not taken from another use', () => {
  const foreign = existing({ ...whole, ...Object.fromEntries(Object.values(META_COLUMNS).map((name) => [name, ''])) });
  const plainTable = { ...foreign, columns: foreign.columns.filter(({ name }) => !name.startsWith('dbmazz_')) };
  expect(planChanges(plainTable, table, 'stop').length).toBe(4);
  const misused = {
    ...plainTable,
    columns: [
      ...plainTable.columns,
      { name: META_COLUMNS.version, type: 'text', baseType: 'text', category: 'S', isGenerated: false, isIdentityAlways: false },
    ],
  };
  expect(() => planChanges(misused, table, 'apply')).toThrow(/dbmazz_cdc_version is text/);
});

describe('the index of the key', () => {
  test('may be any unique index of its columns', () => {
    expect(planChanges(existing(whole, [['name'], ['id']]), table, 'stop')).toEqual([]);
  });

  test('is made where there is no primary key, and refused where there is another', () => {
    expect(planChanges(existing(whole, []), table, 'stop')).toEqual(['ALTER TABLE "shop"."orders" ADD PRIMARY KEY ("id")']);
    expect(() => planChanges(existing(whole, [['name']]), table, 'apply')).toThrow(/primary key is not \(id\)/);
  });

  test('of a table without a key is on the version', () => {
    const keyless = tableOf({ name: 'orders', columns: { id: 'int64', name: 'text', amount: 'decimal' } });
    expect(planChanges(existing(whole), keyless, 'stop')).toEqual([
      expect.stringMatching(/^CREATE UNIQUE INDEX "dbmazz_version_[0-9a-f]{16}" ON "shop"\."orders" \("dbmazz_cdc_version"\) WHERE "dbmazz_cdc_version" > 0$/),
    ]);
  });
});

test('names that are ours, or that PostgreSQL would cut, are refused', () => {
  const refused = expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE' });
  expect(() => checkTable({ schema: 'shop', name: 'dbmazz_tables' }, table)).toThrow(refused);
  expect(() => checkTable({ schema: 'shop', name: 'x'.repeat(64) }, table)).toThrow(refused);
  expect(() => checkTable(target, tableOf({ name: 'orders', columns: { id: 'int64', dbmazz_op_type: 'text' }, key: ['id'] }))).toThrow(refused);
  expect(() => checkTable(target, tableOf({ name: 'orders', columns: { id: 'int64', ['ü'.repeat(32)]: 'text' }, key: ['id'] }))).toThrow(refused);
  expect(() => checkTable(target, table)).not.toThrow();
});
