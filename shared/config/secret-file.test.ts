import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { COMMON_OPTIONS } from './common-options.ts';
import { loadEnvironment } from './load-environment.ts';
import { findUnknown, readOptions } from './options.ts';
import { settingNames } from './secret-file.ts';
import { SINK_OPTIONS } from './sink-options.ts';
import { SOURCE_OPTIONS } from './source-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'dbmazz-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function fileOf(text: string): string {
  const path = join(folder, `secret-${files++}`);
  writeFileSync(path, text);
  return path;
}

const OPTIONS = { SINK_PASSWORD: SINK_OPTIONS.SINK_PASSWORD, SOURCE_URL: SOURCE_OPTIONS.SOURCE_URL };
const URL = { SOURCE_URL: 'postgres://h/d' };

describe('a secret in a file', () => {
  test.each([
    ['as it is', 'geheim', 'geheim'],
    ['without the line break at its end', 'geheim\n', 'geheim'],
    ['without that of Windows', 'geheim\r\n', 'geheim'],
    ['with the blanks and other breaks that belong to it', ' ge\nheim \n\n', ' ge\nheim \n'],
  ])('is read %s', (_, text, expected) => {
    const { settings, problems } = readOptions(OPTIONS, { ...URL, SINK_PASSWORD_FILE: fileOf(text) });
    expect(problems).toEqual([]);
    expect(settings.SINK_PASSWORD?.reveal()).toBe(expected);
  });

  test('stands for a setting that is required', () => {
    const { settings, problems } = readOptions(OPTIONS, { SOURCE_URL_FILE: fileOf('postgres://u:p@h/d\n') });
    expect([problems, settings.SOURCE_URL.reveal()]).toEqual([[], 'postgres://u:p@h/d']);
  });

  test('and an empty variable of the plain name go together, as do an empty one of the file and the secret', () => {
    expect(readOptions(OPTIONS, { SOURCE_URL: '', SOURCE_URL_FILE: fileOf('postgres://h/d') }).problems).toEqual([]);
    expect(readOptions(OPTIONS, { ...URL, SOURCE_URL_FILE: '' }).problems).toEqual([]);
  });
});

describe('what is refused, with the name of the setting and never with the secret', () => {
  test('both the secret and a file of it', () => {
    const { problems } = readOptions(OPTIONS, { ...URL, SINK_PASSWORD: 'geheim', SINK_PASSWORD_FILE: fileOf('geheim') });
    expect(problems).toEqual([{ name: 'SINK_PASSWORD_FILE', message: 'is set, and so is SINK_PASSWORD: only one of them can hold' }]);
  });

  test('a file that is not there', () => {
    const { problems } = readOptions(OPTIONS, { SOURCE_URL_FILE: join(folder, 'none') });
    expect(problems).toEqual([{ name: 'SOURCE_URL_FILE', message: `names ${join(folder, 'none')}, which cannot be read (ENOENT)` }]);
  });

  test('an empty file', () => {
    const path = fileOf('\n');
    expect(readOptions(OPTIONS, { ...URL, SINK_PASSWORD_FILE: path }).problems).toEqual([
      { name: 'SINK_PASSWORD_FILE', message: `names ${path}, which is empty` },
    ]);
  });

  test('a file for what is no secret', () => {
    const known = settingNames({ ...COMMON_OPTIONS, ...SOURCE_OPTIONS });
    const names = ['SOURCE_URL_FILE', 'KAFKA_SASL_PASSWORD_FILE', 'SCHEMA_REGISTRY_PASSWORD_FILE', 'HTTP_TOKEN_FILE', 'SOURCE_NAME_FILE', 'KAFKA_BROKERS_FILE'];
    const unknown = findUnknown(Object.fromEntries(names.map((name) => [name, 'x'])), known);
    expect(unknown.map(({ name }) => name)).toEqual(['SOURCE_NAME_FILE', 'KAFKA_BROKERS_FILE']);
  });
});

test('the environment holds against a file of settings, whichever of the two ways each of them takes', () => {
  const config = join(folder, 'settings.yaml');
  writeFileSync(config, 'sink:\n  sink_url_file: /a\n  sink_password: b\n');
  const load = (environment: Readonly<Record<string, string>>) => loadEnvironment('sink', ['--config', config], environment);
  expect(load({})).toEqual({ SINK_URL_FILE: '/a', SINK_PASSWORD: 'b' });
  expect(load({ SINK_URL: 'x', SINK_PASSWORD_FILE: '/y' })).toEqual({ SINK_URL: 'x', SINK_PASSWORD_FILE: '/y' });
  expect(load({ SINK_URL: '', SINK_PASSWORD_FILE: '' })).toEqual({ SINK_URL_FILE: '/a', SINK_PASSWORD: 'b' });
});
