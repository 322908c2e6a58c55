import { describe, expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { createMetrics } from '../../shared/observe/metrics.ts';
import type { Commit } from '../../topics/publisher.ts';
import { Gate } from './source-runner.ts';
import { SourceStatus } from './source-status.ts';

const COMMIT: Commit = {
  position: { transaction: '00000000/0000000A', ordinal: 3 },
  snapshot: null,
  stopped: {},
  passedOver: {},
  records: 5,
  changes: 3,
  bytes: 100,
  committedAtMicros: 0,
};

const newStatus = () => new SourceStatus('shop', createMetrics('source', 'shop'));
const table = (state: 'running' | 'done') => ({ state, rows: 1, expectedRows: 2, rest: null, startsOver: false, note: null });

describe('the state of a source', () => {
  test('is not ready before it streams, nor while it waits for a server, and says why', () => {
    const status = newStatus();
    expect(status.notReady()).toBe('the source is starting');
    status.state = 'streaming';
    expect(status.notReady()).toBeUndefined();
    status.failed(new CdcError('CONNECTION_LOST', 'gone'));
    expect(status.notReady()).toBe('the source is waiting');
  });

  test('is a snapshot while a table is not read, and streaming afterwards', () => {
    const status = newStatus();
    status.state = 'streaming';
    status.committed({ ...COMMIT, snapshot: { tables: { 'public.t': table('done'), 'public.u': table('running') } } });
    expect([status.state, status.notReady()]).toEqual(['snapshot', undefined]);
    status.committed({ ...COMMIT, snapshot: { tables: { 'public.t': table('done'), 'public.u': table('done') } } });
    expect(status.state).toBe('streaming');
  });

  test('is paused while an operator holds it, but not while it waits for a server', () => {
    const status = newStatus();
    status.isPaused = true;
    expect(status.state).toBe('starting');
    status.state = 'streaming';
    expect([status.state, status.notReady()]).toEqual(['paused', undefined]);
    status.isPaused = false;
    expect(status.state).toBe('streaming');
  });

  test('counts what was committed, and forgets an error once something is', () => {
    const status = newStatus();
    status.failed(new CdcError('CONNECTION_LOST', 'gone'));
    status.committed(COMMIT);
    status.committed(COMMIT);
    status.lag(42);
    expect(JSON.parse(JSON.stringify(status))).toMatchObject({
      position: '00000000/0000000A#3',
      records: 10,
      changes: 6,
      bytes: 200,
      transactions: 2,
      lag: { bytes: 42 },
      lastError: null,
    });
  });
});

describe('a stopped table', () => {
  const stop = {
    code: 'VALUE_OUT_OF_RANGE',
    message: 'NaN.',
    remedy: 'Exclude it.',
    position: { transaction: '00000000/0000000A', ordinal: 2 },
    stoppedAtMs: 0,
    settings: 's',
  } as const;

  test('is told with what to do and with what was passed over, by topics and source, until it begins anew', async () => {
    const metrics = createMetrics('source', 'shop');
    const status = new SourceStatus('shop', metrics);
    status.state = 'streaming';
    status.committed({ ...COMMIT, stopped: { 'public.t': stop }, passedOver: { 'public.t': 2 } });
    status.passedOver({ 'public.t': 3, 'public.other': 1 });
    expect(JSON.parse(JSON.stringify(status))).toMatchObject({
      state: 'streaming',
      stopped: {
        'public.t': {
          code: 'VALUE_OUT_OF_RANGE',
          message: 'NaN.',
          remedy: 'Exclude it.',
          position: '00000000/0000000A#2',
          since: '1970-01-01T00:00:00.000Z',
          passedOver: 5,
        },
      },
    });
    expect(await metrics.registry.metrics()).toContain('dbmazz_source_stopped_table_passed_over_records{table="public.t",source="shop"} 5');
    status.committed(COMMIT);
    expect(JSON.parse(JSON.stringify(status))).toMatchObject({ stopped: {} });
    expect(await metrics.registry.metrics()).not.toContain('table="public.t"');
  });
});

describe('a gate', () => {
  test('lets through while it is open, and holds until it is opened again', async () => {
    const gate = new Gate();
    expect(gate.passage).toBeUndefined();
    gate.close();
    const { passage } = gate;
    gate.close();
    expect(gate.passage).toBe(passage);
    gate.open();
    await passage;
    expect(gate.passage).toBeUndefined();
  });
});
