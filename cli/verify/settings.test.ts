import { expect, test } from 'vitest';
import { readVerifySettings } from './settings.ts';

const SETTINGS = {
  SOURCE_URL: 'postgres://u:secret@h/shop',
  TABLES: 'public.*',
  SINK_TYPE: 'clickhouse',
  SINK_URL: 'http://u:secret@h:8123',
  SINK_DATABASE: 'shop',
};

test('the settings of a source and of a sink are enough; names of either are not needed', () => {
  expect(readVerifySettings(SETTINGS).source.tablePatterns).toEqual(['public.*']);
  expect(() =>
    readVerifySettings({ ...SETTINGS, SOURCE_NAME: 'shop', SINK_NAME: 'warehouse', KAFKA_BROKERS: 'h:9092', HTTP_PORT: '8080', FLUSH_SIZE: '1' }),
  ).not.toThrow();
});

test('all problems are said at once, and no secret', () => {
  expect(() => readVerifySettings({ SINK_TYPE: 'mongodb', SINK_PASSWORT: 'secret', TABLES: 'public.*' })).toThrow(
    /^3 settings are not right:\n {2}SINK_TYPE is "mongodb".*\n {2}SOURCE_URL is missing.*\n {2}SINK_PASSWORT is not a setting of ours; did you mean SINK_PASSWORD\?$/,
  );
});
