import { afterEach, expect, test, vi } from 'vitest';
import { armFailpoint, failAt } from './failpoint.ts';

afterEach(() => void vi.restoreAllMocks());

test('nothing happens at a point that is not armed', () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  armFailpoint(undefined);
  armFailpoint('');
  failAt('after-read');
  armFailpoint('after-read');
  failAt('after-decode');
  expect(kill).not.toHaveBeenCalled();
});

test('the process is killed when it comes by the armed point for the time that was named', () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  armFailpoint('after-read:3');
  failAt('after-read');
  failAt('after-read');
  expect(kill).not.toHaveBeenCalled();
  failAt('after-read');
  expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGKILL');
});

test.each(['nowhere', 'after-read:0', 'after-read:x'])('%s is refused', (text) => {
  expect(() => armFailpoint(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }) as Error);
});
