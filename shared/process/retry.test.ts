import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CdcError } from '../errors/cdc-error.ts';
import { createMemoryLog } from '../../test/memory-logger.ts';
import { keepTrying } from './retry.ts';
import { pause } from './run-process.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Runs attempts that fail as told, one after the other; notes when each began. */
class Attempts {
  readonly startedAt: number[] = [];
  readonly errors: string[] = [];
  readonly stop = new AbortController();
  readonly logger = createMemoryLog();
  readonly #attempt: (index: number, healthy: () => void) => Promise<void>;

  constructor(attempt: (index: number, healthy: () => void) => Promise<void>) {
    this.#attempt = attempt;
  }

  run(): Promise<void> {
    const onError = (error: CdcError) => void this.errors.push(error.code);
    const run = keepTrying(
      (healthy) => {
        this.startedAt.push(Date.now());
        return this.#attempt(this.startedAt.length, healthy);
      },
      { log: this.logger.log, signal: this.stop.signal, onError },
    );
    run.catch(() => undefined);
    return run;
  }

  get waits(): number[] {
    return this.startedAt.slice(1).map((at, index) => at - (this.startedAt[index] ?? 0));
  }
}

const lost = () => new CdcError('CONNECTION_LOST', 'The connection is lost.');

describe('what trying again can mend', () => {
  test('is tried again ever more slowly, up to 15 seconds', async () => {
    const attempts = new Attempts(async (index) => {
      if (index < 9) throw lost();
    });
    const run = attempts.run();
    await vi.runAllTimersAsync();
    await expect(run).resolves.toBeUndefined();
    expect(attempts.waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    expect(attempts.errors).toEqual(Array.from({ length: 8 }, () => 'CONNECTION_LOST'));
  });

  test('begins anew with short waits once it has worked', async () => {
    const attempts = new Attempts(async (index, healthy) => {
      if (index === 4) healthy();
      if (index < 6) throw lost();
    });
    const run = attempts.run();
    await vi.runAllTimersAsync();
    await run;
    expect(attempts.waits).toEqual([500, 1000, 2000, 500, 1000]);
    expect(attempts.logger.lines.map(({ msg }) => msg)).toContain('all is well again');
  });

  test('is told once, and again after a minute, not at every try', async () => {
    const attempts = new Attempts(async (index) => {
      if (index < 13) throw lost();
    });
    const run = attempts.run();
    await vi.runAllTimersAsync();
    await run;
    expect(attempts.logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });

  test('is told at once when it is something else', async () => {
    const attempts = new Attempts(async (index) => {
      if (index === 1) throw lost();
      if (index === 2) throw new CdcError('TIMEOUT', 'Late.');
    });
    const run = attempts.run();
    await vi.runAllTimersAsync();
    await run;
    expect(attempts.logger.lines.map(({ level }) => level)).toEqual(['warn', 'warn']);
  });
});

test('what trying again cannot mend is thrown at once', async () => {
  const attempts = new Attempts(async () => {
    throw new CdcError('POSITION_LOST', 'Gone.');
  });
  await expect(attempts.run()).rejects.toMatchObject({ code: 'POSITION_LOST' });
  expect([attempts.startedAt.length, attempts.errors]).toEqual([1, ['POSITION_LOST']]);
});

test('what nobody expected is thrown at once, as a bug', async () => {
  const attempts = new Attempts(async () => {
    throw new TypeError('x');
  });
  await expect(attempts.run()).rejects.toMatchObject({ code: 'INVARIANT_BROKEN' });
});

describe('being told to stop', () => {
  test('ends the waiting at once, without an error', async () => {
    const attempts = new Attempts(async () => {
      throw lost();
    });
    const run = attempts.run();
    await vi.advanceTimersByTimeAsync(100);
    attempts.stop.abort();
    await vi.advanceTimersByTimeAsync(0);
    await expect(run).resolves.toBeUndefined();
    expect(attempts.startedAt).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('before the first attempt means that there is none', async () => {
    const attempts = new Attempts(async () => undefined);
    attempts.stop.abort();
    await attempts.run();
    expect(attempts.startedAt).toEqual([]);
  });

  test('while an attempt fails is no reason to warn', async () => {
    const attempts = new Attempts(async () => {
      attempts.stop.abort();
      throw lost();
    });
    await attempts.run();
    expect(attempts.logger.lines).toEqual([]);
  });
});

describe('a pause', () => {
  test('leaves nothing behind at the signal, however often it is taken', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    for (let turn = 0; turn < 3; turn++) {
      const over = pause(10, signal);
      await vi.advanceTimersByTimeAsync(10);
      await over;
    }
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([3, 3]);
  });

  test('does not begin after the signal', async () => {
    const stop = new AbortController();
    stop.abort();
    await pause(10_000, stop.signal);
    expect(vi.getTimerCount()).toBe(0);
  });
});
