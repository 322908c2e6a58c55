import { describe, expect, test } from 'vitest';
import type { Signal, SnapshotProgress, TableProgress } from '../../shared/connector/source.ts';
import { applySignal, openTables, refuseTable, withTable } from './requests.ts';

const done: TableProgress = { state: 'done', rows: 9, expectedRows: 9, rest: [], startsOver: false, note: null };
const running: TableProgress = { ...done, state: 'running', rest: null };
const BEFORE: SnapshotProgress = { tables: { 'public.a': done, 'public.b': done } };

const signal = (id: string, more: Partial<Signal> = {}): Signal => ({ id, type: 'snapshot', tables: [], where: null, keys: [], offset: 4, ...more });
const ask = (progress: SnapshotProgress, id: string, tables: readonly string[], where: string | null = null) =>
  applySignal(progress, signal(id, { tables, where }), { tables }, 0);
const states = (progress: SnapshotProgress) => Object.fromEntries((progress.requests ?? []).map(({ id, state }) => [id, state]));
const end = (progress: SnapshotProgress, name: string, rows = 3) =>
  withTable(progress, name, { ...(progress.tables[name] as TableProgress), state: 'done', rows, rest: [] });

describe('a request', () => {
  test('for keys keeps them until it is over, and makes no snapshot of a table that had none', () => {
    const keys = [{ id: '7' }];
    const before: SnapshotProgress = { tables: {} };
    const begun = applySignal(before, signal('one', { tables: ['public.a'], keys }), { tables: ['public.a'] }, 0);
    expect([begun.tables['public.a']?.keys, begun.requests?.[0]?.keys]).toEqual([keys, keys]);
    const over = end(begun, 'public.a', 1);
    expect([over.tables, over.requests]).toEqual([{}, [expect.objectContaining({ state: 'done', rows: 1 })]]);
    expect(over.requests?.[0]).not.toHaveProperty('keys');
    expect(end(applySignal(BEFORE, signal('two', { tables: ['public.a'], keys }), { tables: ['public.a'] }, 0), 'public.a').tables).toEqual({
      ...BEFORE.tables,
      'public.a': { ...done, rows: 3 },
    });
  });

  test('begins at once where its tables are at rest, and notes the place of its signal', () => {
    const progress = ask(BEFORE, 'one', ['public.a'], 'id > 3');
    expect(progress.tables['public.a']).toMatchObject({ state: 'running', rows: 0, rest: null, where: 'id > 3' });
    expect([openTables(progress), states(progress), progress.nextSignal]).toEqual([['public.a'], { one: 'running' }, 5]);
  });

  test('is done with the last of its tables, and has counted their rows', () => {
    const half = end(ask(BEFORE, 'one', ['public.a', 'public.b']), 'public.a');
    expect(states(half)).toEqual({ one: 'running' });
    const whole = end(half, 'public.b', 4);
    expect([whole.requests?.[0], whole.tables]).toMatchObject([{ state: 'done', rows: 7 }, { 'public.a': { state: 'done' } }]);
    expect(whole.tables['public.a']).not.toHaveProperty('request');
  });

  test('waits for the first snapshot of its table, and for requests before it', () => {
    const progress = ask(ask({ tables: { 'public.a': running, 'public.b': done } }, 'one', ['public.a']), 'two', ['public.a', 'public.b']);
    expect(states(progress)).toEqual({ one: 'waiting', two: 'waiting' });
    const first = end(progress, 'public.a');
    expect(states(first)).toEqual({ one: 'running', two: 'waiting' });
    expect(states(end(first, 'public.a'))).toEqual({ one: 'done', two: 'running' });
  });

  test('that is refused changes nothing but the place of its signal', () => {
    const progress = applySignal(BEFORE, signal('one', { tables: ['public.x'] }), { refused: 'the source has no table public.x' }, 0);
    expect(progress.tables).toEqual(BEFORE.tables);
    expect(progress.requests).toMatchObject([{ id: 'one', state: 'refused', tables: ['public.x'], reason: 'the source has no table public.x' }]);
  });

  test('that cannot be done lets its other tables go too', () => {
    const progress = refuseTable(ask(BEFORE, 'one', ['public.a', 'public.b'], '1/id > 0'), 'public.b', 'its condition fails');
    expect([openTables(progress), progress.requests]).toMatchObject([[], [{ state: 'refused', reason: 'its condition fails' }]]);
  });

  test('for a part of a table that was never read does not make it read', () => {
    const progress = end(ask({ tables: {} }, 'one', ['public.a'], 'id > 3'), 'public.a');
    expect([progress.tables, states(progress)]).toEqual([{}, { one: 'done' }]);
    expect(end(ask({ tables: {} }, 'one', ['public.a']), 'public.a').tables).toMatchObject({ 'public.a': { state: 'done' } });
  });
});

describe('a request for a table that had stopped', () => {
  const asked = (progress: SnapshotProgress, tables: readonly string[]) => applySignal(progress, signal('one', { tables }), { tables, anew: ['public.c'] }, 0);

  test('begins it as a first snapshot, behind a truncate, which no stop ends; then it is done, with its rows', () => {
    const begun = asked(BEFORE, ['public.c']);
    expect([begun.tables['public.c'], states(begun)]).toMatchObject([{ state: 'running', startsOver: true, rest: null }, { one: 'waiting' }]);
    const stopped = applySignal(begun, signal('two', { type: 'stop' }), { tables: [] }, 0);
    expect([openTables(stopped), states(stopped)]).toEqual([['public.c'], { one: 'stopped', two: 'done' }]);
    expect(end(begun, 'public.c', 5).requests).toMatchObject([{ state: 'done', rows: 5 }]);
  });

  test('and for others reads these once it is whole, and it but once', () => {
    const whole = end(asked(BEFORE, ['public.a', 'public.c']), 'public.c', 5);
    expect([openTables(whole), states(whole)]).toEqual([['public.a'], { one: 'running' }]);
    expect(end(whole, 'public.a', 2).requests).toMatchObject([{ state: 'done', rows: 7 }]);
  });

  test('is refused where that stops again', () => {
    expect(refuseTable(asked(BEFORE, ['public.c']), 'public.c', 'public.c was stopped').requests).toMatchObject([
      { state: 'refused', reason: 'public.c was stopped' },
    ]);
  });
});

describe('a stop', () => {
  test('ends requests that are open, and no first snapshot', () => {
    const asked = ask(ask({ tables: { 'public.a': running, 'public.b': done } }, 'one', ['public.a']), 'two', ['public.b']);
    const progress = applySignal(asked, signal('three', { type: 'stop' }), { tables: [] }, 0);
    expect([openTables(progress), states(progress)]).toEqual([['public.a'], { one: 'stopped', two: 'stopped', three: 'done' }]);
  });
});

test('a pause holds until a resume', () => {
  const paused = applySignal(BEFORE, signal('one', { type: 'pause' }), { tables: [] }, 0);
  expect(paused.isPaused).toBe(true);
  expect(applySignal(paused, signal('two', { type: 'resume' }), { tables: [] }, 0).isPaused).toBe(false);
});

test('of many requests the latest are kept, and those that are open', () => {
  let progress = ask({ tables: { 'public.a': running } }, 'open', ['public.a']);
  for (let n = 0; n < 50; n++) progress = applySignal(progress, signal(`r${n}`, { type: 'pause' }), { tables: [] }, 0);
  expect(progress.requests?.length).toBeLessThan(25);
  expect(states(progress)).toMatchObject({ open: 'waiting', r49: 'done' });
});
