import { afterEach, expect, test, vi } from 'vitest';
import { SessionPool } from './session-pool.ts';

class FakeSession {
  openedAtMs = performance.now();
  isUsable = true;
  isEnded = false;
  readonly kinds = new Set<string>();

  knows(kind: string): boolean {
    return this.kinds.has(kind);
  }

  async end(): Promise<void> {
    this.isUsable = false;
    this.isEnded = true;
  }
}

function poolOf(limit: number) {
  const opened: FakeSession[] = [];
  const open = async () => {
    const session = new FakeSession();
    opened.push(session);
    return session;
  };
  return { pool: new SessionPool({ limit, open }), opened };
}

afterEach(() => vi.useRealTimers());

test('a connection is used again', async () => {
  const { pool, opened } = poolOf(4);
  for (let count = 0; count < 3; count++) await pool.use('a', async () => count);
  expect(opened.length).toBe(1);
});

test('tasks beyond the limit wait, and come in their order', async () => {
  const { pool, opened } = poolOf(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const task = async (index: number) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    order.push(index);
    running--;
  };
  await Promise.all([1, 2, 3, 4, 5].map(async (index) => pool.use('a', async () => task(index))));
  expect({ most, order, opened: opened.length }).toEqual({ most: 2, order: [1, 2, 3, 4, 5], opened: 2 });
});

test('a task gets the connection that knows its kind', async () => {
  const { pool } = poolOf(2);
  await Promise.all([pool.use('a', async (session) => session.kinds.add('a')), pool.use('b', async (session) => session.kinds.add('b'))]);
  expect(await pool.use('a', async (session) => [...session.kinds])).toEqual(['a']);
  expect(await pool.use('b', async (session) => [...session.kinds])).toEqual(['b']);
});

test('a failure costs the connection, and is passed on', async () => {
  const { pool, opened } = poolOf(1);
  await expect(pool.use('a', async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await pool.use('a', async () => undefined);
  expect(opened.map(({ isEnded }) => isEnded)).toEqual([true, false]);
});

test('a connection that broke while idle is not used', async () => {
  const { pool, opened } = poolOf(1);
  await pool.use('a', async (session) => session.kinds.add('a'));
  for (const session of opened) session.isUsable = false;
  await pool.use('a', async () => undefined);
  expect(opened.length).toBe(2);
});

test('a connection that could not be opened leaves room for the next attempt', async () => {
  let attempts = 0;
  const open = async () => {
    if (++attempts === 1) throw new Error('refused');
    return new FakeSession();
  };
  const pool = new SessionPool({ limit: 1, open });
  await expect(pool.use('a', async () => undefined)).rejects.toThrow('refused');
  expect(await pool.use('a', async () => 'fine')).toBe('fine');
});

test('closing waits for the tasks, then ends the connections', async () => {
  const { pool, opened } = poolOf(2);
  const { promise, resolve } = Promise.withResolvers<void>();
  let isDone = false;
  const task = pool.use('a', async () => promise.then(() => (isDone = true)));
  const closed = pool.close();
  expect(opened.every(({ isEnded }) => !isEnded)).toBe(true);
  resolve();
  await Promise.all([task, closed]);
  expect({ isDone, ended: opened.map(({ isEnded }) => isEnded) }).toEqual({ isDone: true, ended: [true] });
});

test('a connection that is idle for long is ended', async () => {
  vi.useFakeTimers();
  const { pool, opened } = poolOf(2);
  await pool.use('a', async () => undefined);
  await vi.advanceTimersByTimeAsync(9 * 60_000);
  expect(opened.map(({ isEnded }) => isEnded)).toEqual([false]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(opened.map(({ isEnded }) => isEnded)).toEqual([true]);
});

test('a connection that is old is not used again', async () => {
  const { pool, opened } = poolOf(1);
  await pool.use('a', async (session) => (session.openedAtMs -= 3_600_001));
  await pool.use('a', async () => undefined);
  expect(opened.map(({ isEnded }) => isEnded)).toEqual([true, false]);
});
