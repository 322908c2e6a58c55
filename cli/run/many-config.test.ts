import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { toCdcError } from '../../shared/errors/cdc-error.ts';
import { readMany } from './many-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'dbmazz-many-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TWO = `
kafka_brokers: broker:9092
schema_registry_url: http://registry:8081
flush_size: 500
http_port: 8080
sources:
  - source_type: postgres
    source_name: shop
    source_url: postgres://me:secret@here/shop
    tables: [public.*, other.t]
  - source_type: postgres
    source_name: billing
    source_url: postgres://me:secret@here/billing
    tables: public.*
    kafka_brokers: elsewhere:9092
sinks:
  - sink_type: clickhouse
    sink_name: warehouse
    sink_topics: shop.*
    sink_url: http://target:8123
    flush_size: 7
  - sink_type: postgres
    sink_name: copy
    sink_topics: [shop.*, billing.*]
    sink_url: postgres://me:secret@there/copy
`;

function read(yaml: string, environment: Readonly<Record<string, string>> = {}) {
  const path = join(folder, 'many.yaml');
  writeFileSync(path, yaml);
  return readMany(path, environment);
}

function faultOf(yaml: string, environment: Readonly<Record<string, string>> = {}) {
  try {
    read(yaml, environment);
  } catch (error) {
    return toCdcError(error);
  }
  throw new Error('it was taken');
}

describe('a file with several sources and sinks', () => {
  test('gives each its own settings over those for all', () => {
    const { sources, sinks, process: own } = read(TWO);
    expect(sources.map(({ settings }) => [settings.SOURCE_NAME, settings.TABLES, settings.KAFKA_BROKERS])).toEqual([
      ['shop', ['public.*', 'other.t'], ['broker:9092']],
      ['billing', ['public.*'], ['elsewhere:9092']],
    ]);
    expect(sinks.map(({ type, settings }) => [type, settings.SINK_TOPICS, settings.FLUSH_SIZE])).toEqual([
      ['clickhouse', ['shop.*'], 7],
      ['postgres', ['shop.*', 'billing.*'], 500],
    ]);
    expect(own.HTTP_PORT).toBe(8080);
  });

  test('gives way to the environment in what both sides know, and to nothing else of it', () => {
    const { sources, sinks, process: own } = read(TWO, { KAFKA_BROKERS: 'given:9092', HTTP_PORT: '9090', SOURCE_NAME: 'other', FLUSH_SIZE: '1' });
    expect(sources.map(({ settings }) => [settings.SOURCE_NAME, settings.KAFKA_BROKERS])).toEqual([
      ['shop', ['given:9092']],
      ['billing', ['given:9092']],
    ]);
    expect(sinks[1]?.settings.FLUSH_SIZE).toBe(500);
    expect(own.HTTP_PORT).toBe(9090);
  });

  test('has all its faults reported at once, each with its place, and no secret among them', () => {
    const failure = faultOf(`
schema_registry_url: registry
sources:
  - source_type: postgres
    source_name: shop
    source_url: mysql://me:hush@here/shop
    tabels: public.*
  - source_name: billing
sinks:
  - sink_type: postgres
    sink_name: copy
    sink_topics: shop.*
    http_port: 1
  - nothing
`);
    expect(failure.exitCode).toBe(2);
    for (const said of [
      'source 1 (shop): ',
      'TABELS is not a setting of ours; did you mean TABLES?',
      'source 2 (billing): ',
      'SOURCE_TYPE',
      'KAFKA_BROKERS is missing',
    ])
      expect(failure.message).toContain(said);
    for (const said of ['sink 1 (copy): ', 'HTTP_PORT belongs to the process', 'sink 2 of']) expect(failure.message).toContain(said);
    expect(failure.message).not.toContain('hush');
  });

  test('has contradictions of one entry found before anything starts', () => {
    expect(faultOf(TWO.replace('postgres://me:secret@there/copy', 'mysql://there/copy')).message).toContain(
      'sink 2 (copy): One setting is not right:\n    SINK_URL',
    );
  });

  test.each([
    ['a name twice', TWO.replace('source_name: billing', 'source_name: shop'), 'SOURCE_NAME shop is given more than once'],
    ['nothing to run', 'kafka_brokers: broker:9092\n', 'neither "sources:" nor "sinks:" lists anything'],
    ['what is no list', 'sources:\n  source_name: shop\n', '"sources:" is not a list'],
    ['a mistyped setting above', TWO.replace('flush_size: 500', 'flush_sice: 500'), 'FLUSH_SICE is not a setting of ours; did you mean FLUSH_SIZE?'],
    ['endpoints for all the world without a token', `http_host: 0.0.0.0\n${TWO}`, 'HTTP_TOKEN must be set'],
  ])('is refused with %s', (_what, yaml, said) => {
    expect(faultOf(yaml)).toMatchObject({ exitCode: 2, message: expect.stringContaining(said) });
  });
});
