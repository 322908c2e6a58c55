import { describe, expect, test } from 'vitest';
import { tableOf } from '../../test/contract/records.ts';
import { bind } from './binding.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { StagedBatch } from './staging.ts';
import { Tables } from './tables.ts';

const config = (tombstoneDays: number) => ({ tombstoneDays }) as PostgresSinkConfig;
const table = tableOf({ name: 'orders', columns: { id: 'int64' }, key: ['id'] });
const columns = [{ name: 'id', type: 'bigint', baseType: 'bigint', category: 'N', isGenerated: false, isIdentityAlways: false }];
const binding = bind(table, { schema: 'public', name: 'orders', columns });
const staged = (parts: Partial<StagedBatch>): StagedBatch => ({
  truncatedBelow: 0,
  rows: [],
  changes: 0,
  removals: 0,
  hasUnchanged: false,
  newestRemoval: 0,
  allNewFrom: 0,
  ...parts,
});

test('a target belongs to one table of the source', () => {
  const tables = new Tables(config(30));
  tables.claim('orders', table);
  expect(() => tables.claim('orders', table)).not.toThrow();
  const other = tableOf({ schema: 'sales', name: 'orders', columns: { id: 'int64' }, key: ['id'] });
  expect(() => tables.claim('orders', other)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('another version of a table is bound anew once the target has changed', () => {
  const tables = new Tables(config(30));
  const wider = tableOf({ name: 'orders', columns: { id: 'int64', name: 'text' }, key: ['id'] });
  tables.remember(table, binding);
  expect(tables.bindingOf(table)).toBe(binding);
  tables.remember(wider, bind(wider, { schema: 'public', name: 'orders', columns }));
  expect(tables.bindingOf(table)).toBeUndefined();
});

describe('new rows', () => {
  const inserts = staged({ allNewFrom: 5 });

  test('are tried directly, and ever more rarely where that fails', () => {
    const tables = new Tables(config(30));
    const attempts = Array.from({ length: 20 }, () => {
      const isTried = tables.mayBeNew(binding, inserts);
      tables.learn(binding, { bytes: 0, way: isTried ? 'conflict' : 'staged' });
      return isTried ? 'x' : '.';
    });
    expect(attempts.join('')).toBe('x.x..x....x........x');
    tables.learn(binding, { bytes: 0, way: 'direct' });
    expect(tables.mayBeNew(binding, inserts)).toBe(true);
  });

  test('are not tried where they are not all new, or where the target has other types', () => {
    const tables = new Tables(config(30));
    expect(tables.mayBeNew(binding, staged({ allNewFrom: 0 }))).toBe(false);
    expect(tables.mayBeNew({ ...binding, isDirect: false }, inserts)).toBe(false);
  });
});

describe('deletes of long ago', () => {
  const deletes = staged({ removals: 1 });
  const now = 1_700_000_000_000;

  test('are forgotten about once an hour, by batches that delete', () => {
    const tables = new Tables(config(30));
    expect(tables.isForgetting(binding, staged({}), now)).toBe(false);
    expect([0, 1, 3_600_001].map((later) => tables.isForgetting(binding, deletes, now + later))).toEqual([true, false, true]);
  });

  test('are never forgotten with 0 days', () => {
    expect(new Tables(config(0)).isForgetting(binding, deletes, now)).toBe(false);
  });
});
