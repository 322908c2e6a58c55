import { afterEach, describe, expect, test, vi } from 'vitest';
import { CdcError } from '../errors/cdc-error.ts';
import { describeFailure, runProcess } from './run-process.ts';

afterEach(() => void vi.restoreAllMocks());

describe('the exit code of a process', () => {
  test('is 0 when its work ends as asked', async () => {
    expect(await runProcess(async () => undefined)).toBe(0);
  });

  test('is that of its error, which is said on standard error', async () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const failure = new CdcError('POSITION_LOST', 'The slot is gone.', { remedy: 'Begin anew.' });
    expect(await runProcess(() => Promise.reject(failure))).toBe(4);
    expect(said.mock.calls.join('')).toContain('POSITION_LOST: The slot is gone.\n  remedy: Begin anew.');
  });

  test('is 70 for what nobody expected', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(await runProcess(() => Promise.reject(new TypeError('x')))).toBe(70);
  });
});

describe('a signal', () => {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    test(`${name} asks the work to end, and is listened to no more when it has`, async () => {
      const before = process.listenerCount(name);
      const code = await runProcess(async (signal) => {
        process.emit(name, name);
        expect(signal.aborted).toBe(true);
      });
      expect([code, process.listenerCount(name)]).toEqual([0, before]);
    });
  }

  test('that comes twice at once, from the terminal and from npm, is one; a second one later ends the process', async () => {
    const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never);
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    await runProcess(async () => {
      process.emit('SIGINT', 'SIGINT');
      now = 400;
      process.emit('SIGINT', 'SIGINT');
      expect(exit).not.toHaveBeenCalled();
      now = 600;
      process.emit('SIGINT', 'SIGINT');
      expect(exit).toHaveBeenCalledExactlyOnceWith(1);
    });
  });
});

describe('a failure is told', () => {
  test('with its remedy and the words of its cause', () => {
    const failure = new CdcError('TIMEOUT', 'No answer.', { remedy: 'Wait.', cause: new Error('ETIMEDOUT') });
    expect(describeFailure(failure)).toBe('TIMEOUT: No answer.\n  remedy: Wait.\n  cause: ETIMEDOUT');
  });

  test('with the place in the code only where it is a bug', () => {
    const cause = new Error('boom');
    expect(describeFailure(new CdcError('INVARIANT_BROKEN', 'Bug.', { cause }))).toContain('run-process.test.ts');
    expect(describeFailure(new CdcError('TIMEOUT', 'x', { cause }))).not.toContain('run-process.test.ts');
  });
});
