import { describe, expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { createMetrics } from '../../shared/observe/metrics.ts';
import type { Commit } from '../../topics/publisher.ts';
import { Gate } from './source-runner.ts';
import { SourceStatus } from './source-status.ts';

const COMMIT: Commit = { position: { transaction: '00000000/0000000A', ordinal: 3 }, snapshot: null, records: 5, changes: 3, bytes: 100, committedAtMicros: 0 };

const newStatus = () => new SourceStatus('shop', createMetrics('source', 'shop'));
const table = (state: 'running' | 'done') => ({ state, rows: 1, expectedRows: 2, lastKey: ['1'], note: null });

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
