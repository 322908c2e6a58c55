import { describe, expect, test } from 'vitest';
import { COMMON_OPTIONS } from './common-options.ts';
import { type Environment, readOptions } from './options.ts';
import { SINK_OPTIONS, targetTableName } from './sink-options.ts';
import { SOURCE_OPTIONS } from './source-options.ts';

const KAFKA = { KAFKA_BROKERS: 'b:9092', SCHEMA_REGISTRY_URL: 'http://r:8081' };
const SOURCE = { ...KAFKA, SOURCE_NAME: 'shop', SOURCE_URL: 'postgres://h/d', TABLES: 'public.*' };

const readSource = (environment: Environment) => readOptions({ ...COMMON_OPTIONS, ...SOURCE_OPTIONS }, environment);
const readSink = (environment: Environment) => readOptions({ ...COMMON_OPTIONS, ...SINK_OPTIONS }, environment);

describe('defaults are those of the contract', () => {
  test('of both sides', () => {
    expect(readOptions(COMMON_OPTIONS, KAFKA).settings).toMatchObject({
      KAFKA_SSL: false,
      KAFKA_SASL_MECHANISM: 'none',
      KAFKA_COMPRESSION: 'none',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: 0,
      LOG_LEVEL: 'info',
      LOG_FORMAT: 'auto',
    });
  });

  test('of a source', () => {
    expect(readSource(SOURCE)).toMatchObject({
      problems: [],
      settings: {
        SNAPSHOT_MODE: 'initial',
        SNAPSHOT_CHUNK_SIZE: 50_000,
        SNAPSHOT_PARALLEL_WORKERS: 2,
        TOPIC_PARTITIONS: 4,
        TOPIC_REPLICATION: undefined,
        TOPIC_CLEANUP_POLICY: 'delete',
        TOMBSTONES: true,
        PUBLISH_TRUNCATE: true,
        PUBLISH_TRANSACTIONS: true,
        DECIMAL_HANDLING: 'decimal',
        TIME_PRECISION: 'micros',
        HEARTBEAT_INTERVAL_MS: 10_000,
        EXCLUDE_COLUMNS: [],
      },
    });
  });

  test('of a sink', () => {
    expect(readSink({ ...KAFKA, SINK_NAME: 'lake', SINK_TOPICS: 'shop.*' })).toMatchObject({
      problems: [],
      settings: {
        SINK_TABLE: '{table}',
        FLUSH_SIZE: 10_000,
        FLUSH_BYTES: 32 * 1024 * 1024,
        FLUSH_INTERVAL_MS: 5000,
        DELETE_MODE: 'hard',
        ON_BAD_RECORD: 'stop',
        SCHEMA_CHANGES: 'apply',
      },
    });
  });
});

test('what is required is asked for, all of it at once', () => {
  expect(readSource({}).problems.map(({ name }) => name)).toEqual(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'SOURCE_NAME', 'SOURCE_URL', 'TABLES']);
  expect(readSink({}).problems.map(({ name }) => name)).toEqual(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'SINK_NAME', 'SINK_TOPICS']);
});

describe('what is wrong is told', () => {
  const cases: readonly (readonly [name: string, given: string, message: string])[] = [
    ['TOPIC_CLEANUP_POLICY', 'compact,delete', 'expected one of: delete, compact'],
    ['KAFKA_BROKERS', 'localhost', 'expected host:port'],
    ['KAFKA_BROKERS', 'a:1,http://b:2', 'expected host:port'],
    ['SCHEMA_REGISTRY_URL', 'localhost:8081', 'expected http://'],
    ['SCHEMA_REGISTRY_URL', 'not an address', 'expected http://'],
    ['SOURCE_NAME', 'my.shop', 'expected 1 to 100 letters'],
    ['SOURCE_NAME', 'größe', 'expected 1 to 100 letters'],
    ['TOPIC_PARTITIONS', '0', 'from 1 to 10000'],
    ['HTTP_PORT', '70000', 'from 0 to 65535'],
    ['SNAPSHOT_MODE', 'always', 'initial, never, only'],
    ['MASK_COLUMNS', 'public.t.c', 'this kind of source does not have it'],
    ['ROW_FILTER', 'public.t: x > 1', 'this kind of source does not have it'],
    ['MESSAGE_KEY_COLUMNS', 'public.t:x', 'this kind of source does not have it'],
  ];
  for (const [name, given, message] of cases) {
    test(`${name}=${given}`, () => {
      const { problems } = readSource({ ...SOURCE, [name]: given });
      expect(problems).toEqual([{ name, message: expect.stringContaining(message) }]);
    });
  }

  test('the address of the registry may hold a login, which is not told', () => {
    expect(readSource({ ...SOURCE, SCHEMA_REGISTRY_URL: 'https://u:geheim@r:8081/' }).problems).toEqual([]);
    expect(JSON.stringify(readSource({ ...SOURCE, SCHEMA_REGISTRY_URL: 'ftp://u:geheim@r' }).problems)).not.toContain('geheim');
  });
});

test('every setting has a description, and every secret is marked as one', () => {
  for (const [name, option] of Object.entries({ ...COMMON_OPTIONS, ...SOURCE_OPTIONS, ...SINK_OPTIONS })) {
    expect(option.description.length, name).toBeGreaterThan(5);
    if (/PASSWORD|TOKEN|SECRET|^SOURCE_URL|^SINK_URL/.test(name)) expect((option as { isSecret?: boolean }).isSecret, name).toBe(true);
  }
});

test('the name of a target table is made of its pattern', () => {
  const table = { schema: 'public', name: 'orders' };
  expect(['{table}', '{schema}_{table}', 'x', '{table}{table}', '{schema}.{other}'].map((pattern) => targetTableName(pattern, table))).toEqual([
    'orders',
    'public_orders',
    'x',
    'ordersorders',
    'public.{other}',
  ]);
  expect(targetTableName('{schema}.{table}', { schema: '{table}', name: 'a$$b$&' })).toBe('{table}.a$$b$&');
});
