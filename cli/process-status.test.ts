import { expect, test } from 'vitest';
import { parseStatus } from './process-status.ts';

test('what a source says is taken over', () => {
  const raw = {
    kind: 'source',
    name: 'shop',
    state: 'streaming',
    position: '00000000/01#3',
    records: 7,
    lag: { bytes: 12, seconds: 0.5 },
    tables: ['public.a', 'public.b'],
    snapshot: { tables: { 'public.a': { state: 'done' }, 'public.b': { state: 'running' } } },
    lastError: { code: 'TIMEOUT', message: 'Late.' },
    slot: { name: 'dbmazz_shop', walStatus: 'extended', retainedBytes: 512, budgetUsed: 0.256, invalidation: null },
    stopped: { 'public.b': { code: 'VALUE_OUT_OF_RANGE', message: 'NaN.', remedy: 'Exclude it.', passedOver: 4 } },
  };
  expect(parseStatus(raw)).toEqual({
    kind: 'source',
    name: 'shop',
    state: 'streaming',
    records: 7,
    position: '00000000/01#3',
    lagSeconds: 0.5,
    lagRecords: undefined,
    lagBytes: 12,
    lastError: 'TIMEOUT: Late.',
    snapshot: { done: 1, tables: 2 },
    slot: 'dbmazz_shop: extended, 512 bytes of log are kept for it, 25 % of what the server keeps at most',
    stopped: [{ table: 'public.b', reason: 'VALUE_OUT_OF_RANGE: NaN.', remedy: 'Exclude it.', passedOver: 4 }],
    tables: [],
    raw,
  });
});

test('what a sink says of its tables is taken over', () => {
  const stopped = { state: 'stopped', blockedBy: { partition: 3, offset: '17' }, error: { code: 'RECORD_REJECTED', message: 'No.' } };
  const { tables } = parseStatus({ kind: 'sink', tables: { 'shop.public.a': { state: 'running', blockedBy: null, error: null }, 'shop.public.b': stopped } });
  expect(tables).toEqual([
    { topic: 'shop.public.a', state: 'running', blockedBy: undefined, error: undefined },
    { topic: 'shop.public.b', state: 'stopped', blockedBy: 'partition 3, offset 17', error: 'RECORD_REJECTED: No.' },
  ]);
});

test.each([null, 'text', 7, {}, { lag: null, tables: 'x', lastError: 3, records: 'many' }])('an answer of another kind (%j) is no error', (raw) => {
  expect(parseStatus(raw)).toMatchObject({ state: 'unknown', records: 0, position: undefined, lastError: undefined, snapshot: undefined });
});
