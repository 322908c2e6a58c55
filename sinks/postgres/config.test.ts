import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readOptions } from '../../shared/config/options.ts';
import { SINK_OPTIONS } from '../../shared/config/sink-options.ts';
import { POSTGRES_SINK_OPTIONS, resolveConfig } from './config.ts';

function configOf(environment: Readonly<Record<string, string>>) {
  const { settings, problems } = readOptions({ ...SINK_OPTIONS, ...POSTGRES_SINK_OPTIONS }, { SINK_NAME: 'lake', SINK_TOPICS: 'shop.*', ...environment });
  expect(problems).toEqual([]);
  return resolveConfig(settings);
}

describe('the address', () => {
  test('comes from SINK_URL', () => {
    const config = configOf({ SINK_URL: 'postgresql://ann:s%40cret@db.example:6432/shop?sslmode=require' });
    expect(config).toMatchObject({
      host: 'db.example:6432',
      database: 'shop',
      user: 'ann',
      hasPassword: true,
      schema: 'public',
      connections: 4,
      tombstoneDays: 30,
    });
    expect(config.url.reveal()).toBe('postgresql://ann:s%40cret@db.example:6432/shop');
  });

  test('is overridden by single settings', () => {
    const single = { SINK_PORT: '7000', SINK_DATABASE: 'a b', SINK_USER: 'bob', SINK_PASSWORD: 'p@ss/wörd%' };
    const config = configOf({ SINK_URL: 'postgres://ann:secret@db.example:6432/shop', ...single });
    expect(config).toMatchObject({ host: 'db.example:7000', database: 'a b', user: 'bob' });
    expect(config.url.reveal()).toBe('postgres://bob:p%40ss%2Fw%C3%B6rd%25@db.example:7000/a%20b');
  });

  test('may be a host alone, and is localhost without one', () => {
    expect(configOf({ SINK_URL: 'db.example', SINK_DATABASE: 'shop', SINK_USER: 'ann' }).host).toBe('db.example');
    expect(configOf({ SINK_DATABASE: 'shop', SINK_USER: 'ann' })).toMatchObject({ host: 'localhost:5432', hasPassword: false });
  });

  test('is never printed with its password', () => {
    const config = configOf({ SINK_URL: 'postgres://ann:hunter2@db.example/shop' });
    expect(inspect(config) + JSON.stringify(config)).not.toContain('hunter2');
  });
});

describe('what is wrong is said by name, all at once', () => {
  test.each([
    [{}, ['SINK_DATABASE', 'SINK_USER']],
    [{ SINK_URL: 'postgres://db.example' }, ['SINK_DATABASE', 'SINK_USER']],
    [{ SINK_URL: 'http://db.example/shop' }, ['SINK_URL']],
    [{ SINK_URL: 'postgres://:5432:x/' }, ['SINK_URL']],
    [{ SINK_URL: 'postgres://ann@db.example/shop?sslmode=on' }, ['SINK_URL has sslmode=on: expected one of: disable']],
    [{ SINK_URL: 'postgres://ann@db.example/shop?sslrootcert=/not/there' }, ['SINK_URL has sslrootcert=/not/there, which cannot be read (ENOENT)']],
    [{ SINK_URL: 'postgres://db.example/shop', SINK_SCHEMA: 'ü'.repeat(32) }, ['SINK_USER', 'SINK_SCHEMA']],
  ])('%o', (environment, names) => {
    const attempt = () => configOf(environment);
    expect(attempt).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    for (const name of names) expect(attempt).toThrow(name);
  });
});
