import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cacheFolder, fillerOf, provide } from './cache.ts';

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'dbmazz-cache-test-'));
  vi.stubEnv('XDG_CACHE_HOME', base);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true });
});

test('a download is filled once, even if two ask for it at the same time', async () => {
  let fillings = 0;
  const fill = async (folder: string): Promise<void> => {
    fillings++;
    writeFileSync(join(folder, 'file'), 'content');
  };

  const [first, second] = await Promise.all([provide('thing-1', fill), provide('thing-1', fill)]);

  expect(fillings).toBe(1);
  expect(second).toBe(first);
  expect(readFileSync(join(first, 'file'), 'utf8')).toBe('content');
  expect(readdirSync(cacheFolder())).toEqual(['thing-1']);
});

test('a download that fails leaves nothing and may be tried again', async () => {
  await expect(provide('thing-1', async () => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
  expect(readdirSync(cacheFolder())).toEqual([]);

  await provide('thing-1', async () => undefined);

  expect(readdirSync(cacheFolder())).toEqual(['thing-1']);
});

test("a lock and a half-filled folder of a process that is gone are in nobody's way", async () => {
  await provide('other-1', async () => undefined);
  writeFileSync(join(cacheFolder(), 'thing-1.lock'), JSON.stringify({ pid: 1, startTime: 'long ago' }));
  writeFileSync(join(cacheFolder(), 'thing-1.tmp-1-long%20ago-0123abcd'), '');

  await provide('thing-1', async () => undefined);

  expect(readdirSync(cacheFolder()).toSorted()).toEqual(['other-1', 'thing-1']);
});

test('a temporary folder names the process that fills it', () => {
  expect(fillerOf('kafka-4.4.0.tmp-12-boot%3A99-0123abcd')).toEqual({ pid: 12, startTime: 'boot:99' });
  expect(fillerOf('kafka-4.4.0')).toBeUndefined();
});
