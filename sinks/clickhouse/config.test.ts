import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readOptions } from '../../shared/config/options.ts';
import { SINK_OPTIONS } from '../../shared/config/sink-options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { CLICKHOUSE_OPTIONS, resolveConfig, targetNames } from './config.ts';

function resolve(environment: Readonly<Record<string, string>>) {
  const { settings, problems } = readOptions({ ...SINK_OPTIONS, ...CLICKHOUSE_OPTIONS }, { SINK_NAME: 'x', SINK_TOPICS: 'x.*', ...environment });
  expect(problems).toEqual([]);
  return resolveConfig(settings);
}

function refusal(environment: Readonly<Record<string, string>>): CdcError {
  try {
    resolve(environment);
  } catch (error) {
    if (error instanceof CdcError) return error;
  }
  throw new Error('was not refused');
}

describe('the address', () => {
  test.each([
    ['http://ch', 'http://ch:8123', 'default', 'default', ''],
    ['https://ch', 'https://ch:8443', 'default', 'default', ''],
    ['http://me:s%40crt@ch:9123/shop', 'http://ch:9123', 'shop', 'me', 's@crt'],
    ['http://ch/?database=shop&user=me&password=pw', 'http://ch:8123', 'shop', 'me', 'pw'],
    ['http://a:1@ch:80', 'http://ch:80', 'default', 'a', '1'],
    ['https://ch:443/shop', 'https://ch:443', 'shop', 'default', ''],
    ['http://[::1]/', 'http://[::1]:8123', 'default', 'default', ''],
    ['http://[::1]:8123/', 'http://[::1]:8123', 'default', 'default', ''],
  ])('%s is taken apart', (url, ...expected) => {
    const config = resolve({ SINK_URL: url });
    expect([config.url, config.database, config.user, config.password.reveal()]).toEqual(expected);
  });

  test('gives way to the single settings', () => {
    const config = resolve({ SINK_URL: 'http://a:b@ch:1/c', SINK_PORT: '2', SINK_DATABASE: 'd', SINK_USER: 'e', SINK_PASSWORD: 'f' });
    expect([config.url, config.database, config.user, config.password.reveal()]).toEqual(['http://ch:2', 'd', 'e', 'f']);
  });

  test.each([
    [{}, 'SINK_URL is missing'],
    [{ SINK_URL: 'ch' }, 'SINK_URL is not a URL'],
    [{ SINK_URL: 'tcp://ch:9000' }, 'SINK_URL has the scheme tcp:'],
    [{ SINK_URL: 'http://ch/a/b' }, 'SINK_URL has a path of several parts'],
    [{ SINK_URL: 'http://ch/?compress=1' }, 'SINK_URL has the parameter compress'],
  ])('%o is refused', (environment, message) => {
    const error = refusal(environment as Record<string, string>);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(message);
  });
});

test('all problems are named at once, and no secret', () => {
  const error = refusal({ SINK_URL: 'tcp://me:hunter2@ch', SINK_SCHEMA: 'public', SINK_TABLE: '{table}_dbmazz_rows' });
  expect(error.message).toContain('SINK_URL');
  expect(error.message).toContain('SINK_SCHEMA');
  expect(error.message).toContain('SINK_TABLE');
  expect(error.message).not.toContain('hunter2');
});

test('a printed config shows no password', () => {
  expect(inspect(resolve({ SINK_URL: 'http://me:hunter2@ch' }))).not.toContain('hunter2');
});

test('the plain name is the view, and the table behind it has a name of its own', () => {
  expect(targetNames({ database: 'd', tablePattern: '{schema}_{table}' }, { schema: 'public', name: 'orders' })).toEqual({
    database: 'd',
    view: 'public_orders',
    rows: 'public_orders_dbmazz_rows',
  });
});
