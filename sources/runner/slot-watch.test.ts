import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { createMemoryLog } from '../../test/memory-logger.ts';
import type { SlotHealth } from '../../shared/connector/source.ts';
import { SlotWatch } from './slot-watch.ts';
import { SourceMetrics } from './source-metrics.ts';

const MIB = 1024 * 1024;
const HEALTHY: SlotHealth = {
  name: 'dbmazz_shop',
  isActive: true,
  current: 100 * MIB,
  confirmed: 100 * MIB,
  restart: 100 * MIB,
  safeBytes: 100 * MIB,
  budgetBytes: 100 * MIB,
  status: 'reserved',
  invalidation: null,
  remedy: 'Raise max_slot_wal_keep_size.',
};

function newWatch() {
  const registry = new Registry();
  const logger = createMemoryLog();
  const watch = new SlotWatch(logger.log, new SourceMetrics(registry));
  let now = 0;
  return {
    watch,
    registry,
    said: () => logger.lines,
    /** The slot as it is a second later. */
    see: (health: Partial<SlotHealth>, seconds = 1) => {
      now += seconds * 1000;
      watch.update({ ...HEALTHY, ...health }, now);
      return watch.view;
    },
    used: (share: number) => ({ restart: HEALTHY.current - share * 100 * MIB, safeBytes: (1 - share) * 100 * MIB }),
  };
}

describe('the budget of a slot', () => {
  test('is warned of once a step, from the half on, with what to do', () => {
    const { see, used, said } = newWatch();
    for (const share of [0.1, 0.49, 0.5, 0.6, 0.74, 0.8, 0.89, 0.7, 0.85, 0.95, 0.99]) see(used(share));
    expect(said().map(({ level, msg }) => [level, /has used (\d+) %/.exec(msg)?.[1]])).toEqual([
      ['warn', '50'],
      ['warn', '80'],
      ['warn', '95'],
    ]);
    expect(said()[0]).toMatchObject({ remedy: 'Raise max_slot_wal_keep_size.', budgetUsed: 0.5 });
  });

  test('that was passed at once is said once, with the highest step; after a recovery the steps count anew', () => {
    const { see, used, said } = newWatch();
    for (const share of [0.92, 0.95, 0.3, 0.55]) see(used(share));
    expect(said().map(({ msg }) => /has used (\d+) %/.exec(msg)?.[1])).toEqual(['92', '55']);
  });

  test('is not spoken of where the server has none', () => {
    const { see, said } = newWatch();
    expect(see({ restart: 0, safeBytes: null, budgetBytes: null })).toMatchObject({ budgetUsed: null, retainedBytes: 100 * MIB });
    expect(said()).toEqual([]);
  });
});

describe('a slot in danger', () => {
  test('is an error, said once of each state', () => {
    const { see, said } = newWatch();
    const behind = { restart: 0, safeBytes: null };
    for (const status of ['extended', 'unreserved', 'unreserved', 'lost', 'lost']) see({ ...behind, status });
    see({ ...behind, status: 'lost', invalidation: 'idle_timeout' });
    expect(said().map(({ level, msg }) => [level, msg.replace('replication slot dbmazz_shop ', '')])).toEqual([
      ['error', 'is about to be lost: the server may remove the log it needs at any time'],
      ['error', 'is lost'],
      ['error', 'is lost'],
    ]);
  });
});

describe('the lag of a slot', () => {
  test('in seconds is the age of the place that is confirmed, as seen from here', () => {
    const { see } = newWatch();
    expect(see({ current: 10, confirmed: 10 })).toMatchObject({ lagBytes: 0, lagSeconds: 0 });
    expect(see({ current: 20, confirmed: 10 })).toMatchObject({ lagBytes: 10, lagSeconds: 1 });
    expect(see({ current: 30, confirmed: 10 })).toMatchObject({ lagBytes: 20, lagSeconds: 2 });
    expect(see({ current: 40, confirmed: 25 })).toMatchObject({ lagBytes: 15, lagSeconds: 2 });
    expect(see({ current: 40, confirmed: 40 })).toMatchObject({ lagBytes: 0, lagSeconds: 0 });
  });

  test('of one that does not move grows for as long as it is watched, and no longer list than that of an hour is kept', () => {
    const { see } = newWatch();
    for (let second = 0; second < 2000; second++) see({ current: 100 + second, confirmed: 50 });
    expect(see({ current: 5000, confirmed: 50 })).toMatchObject({ lagSeconds: 2000 });
  });

  test('the place from which the log is kept has an age, since it last moved', () => {
    const { see } = newWatch();
    see({ restart: 5 });
    expect(see({ restart: 5 }, 9)).toMatchObject({ restartAgeSeconds: 9 });
    expect(see({ restart: 6 })).toMatchObject({ restartAgeSeconds: 0 });
  });
});

test('all of it is in the metrics, in bytes and seconds', async () => {
  const { see, registry, used } = newWatch();
  see({ ...used(0.5), confirmed: 60 * MIB, status: 'extended' });
  see({ ...used(0.5), confirmed: 60 * MIB, status: 'extended' }, 4);
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('dbmazz_source_slot_'));
  expect(lines).toEqual([
    'dbmazz_source_slot_lag_bytes 41943040',
    'dbmazz_source_slot_lag_seconds 4',
    'dbmazz_source_slot_retained_bytes 52428800',
    'dbmazz_source_slot_safe_bytes 52428800',
    'dbmazz_source_slot_budget_bytes 104857600',
    'dbmazz_source_slot_budget_used_ratio 0.5',
    'dbmazz_source_slot_restart_age_seconds 4',
    'dbmazz_source_slot_active 1',
    'dbmazz_source_slot_wal_status{status="extended"} 1',
  ]);
  see({ status: 'lost', invalidation: 'wal_removed', safeBytes: null });
  expect(await registry.metrics()).toContain('dbmazz_source_slot_invalidated{reason="wal_removed"} 1');
});
