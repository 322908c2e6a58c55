import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { describeError } from '../observe/log.ts';
import { describeFailure } from '../process/run-process.ts';
import { toCdcError } from '../errors/cdc-error.ts';
import { loadEnvironment } from './load-environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'dbmazz-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function fileOf(yaml: string): string {
  const path = join(folder, `${files++}.yaml`);
  writeFileSync(path, yaml);
  return path;
}

function load(yaml: string, environment: Readonly<Record<string, string>> = {}) {
  return loadEnvironment('source', ['--config', fileOf(yaml)], environment);
}

describe('a file', () => {
  test('gives its settings in capitals; lists with commas', () => {
    expect(load('source:\n  source_name: shop\n  tables: [public.*, other.t]\nsink:\n  sink_name: x\n')).toEqual({
      SOURCE_NAME: 'shop',
      TABLES: 'public.*,other.t',
    });
  });

  test('is read as text, so that nothing is lost of passwords and numbers', () => {
    expect(load('source:\n  a: 007\n  b: 1.10\n  c: yes\n  d: 1e5\n  e: 0x1F\n  f: "x"\n  g:\n')).toEqual({
      A: '007',
      B: '1.10',
      C: 'yes',
      D: '1e5',
      E: '0x1F',
      F: 'x',
      G: '',
    });
  });

  test('yields to the environment, but not to empty variables', () => {
    expect(load('source:\n  source_name: shop\n  http_port: 8080\n', { SOURCE_NAME: 'other', HTTP_PORT: '', PATH: '/bin' })).toEqual({
      SOURCE_NAME: 'other',
      HTTP_PORT: '8080',
      PATH: '/bin',
    });
  });

  test('may be named with =', () => {
    expect(loadEnvironment('sink', [`--config=${fileOf('sink:\n  sink_name: lake\n')}`], {})).toEqual({ SINK_NAME: 'lake' });
  });
});

test('without a file the environment is taken as it is', () => {
  expect(loadEnvironment('source', [], { A: 'b' })).toEqual({ A: 'b' });
});

describe('what is refused as CONFIG_INVALID', () => {
  const cases: readonly (readonly [what: string, argv: () => readonly string[], message: RegExp])[] = [
    ['an argument that is none', () => ['--help'], /"--help" is not understood/],
    ['--config without a file', () => ['--config'], /"--config" is not understood/],
    ['two files', () => ['--config', 'a', 'b'], /is not understood/],
    ['a file that is not there', () => ['--config', join(folder, 'none.yaml')], /cannot be read/],
    ['a file that is no YAML', () => ['--config', fileOf('source: [')], /cannot be read as YAML/],
    ['an empty file', () => ['--config', fileOf('')], /has no settings/],
    ['a file of text', () => ['--config', fileOf('source')], /has no settings/],
    ['a file for the other side', () => ['--config', fileOf('sink:\n  sink_name: x\n')], /has no settings under "source:"/],
    ['a section that is a list', () => ['--config', fileOf('source: [a]')], /has no settings under "source:"/],
    ['settings within a setting', () => ['--config', fileOf('source:\n  kafka:\n    brokers: x\n')], /^kafka in .* has settings within it/],
  ];
  for (const [what, argv, message] of cases) {
    test(what, () => {
      expect(() => loadEnvironment('source', argv(), {})).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }));
    });
  }
});

test('a mistake in a file is not told with the lines around it, which may hold a password', () => {
  for (const yaml of [
    'source:\n  source_url: "postgres://u:geheim@h/d\n',
    'source:\n  source_password: geheim\n   tables: x\n',
    'source:\n  a: geheim\n  a: geheim\n',
    'source: &x geheim\n  - *y\n',
  ]) {
    let failure: unknown;
    try {
      load(yaml);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(`${describeFailure(toCdcError(failure))} ${JSON.stringify(describeError(failure))}`).not.toContain('geheim');
  }
});
