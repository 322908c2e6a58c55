import { expect, test } from 'vitest';
import { toProperties, workerSettings } from '../../stack/connect/settings.ts';
import { connectorSettings, type DebeziumJob, jvmFlags, publicConfig, topicsOf } from './debezium-settings.ts';

const JOB: DebeziumJob = {
  postgresUrl: 'postgres://me:p%40ss@db.example:6432/shop',
  kafkaBrokers: '127.0.0.1:9092',
  registryUrl: 'http://127.0.0.1:8081/apis/ccompat/v7',
  slot: 's1',
  publication: 'p1',
  tables: ['public.orders', 'public.items'],
  topicPrefix: 'run-1',
  tuning: 'defaults',
};

test('the connector is given the parts of the database URL, decoded', () => {
  expect(connectorSettings(JOB)).toMatchObject({
    'database.hostname': 'db.example',
    'database.port': '6432',
    'database.user': 'me',
    'database.password': 'p@ss',
    'database.dbname': 'shop',
  });
});

test('it reads the slot and the publication that are there, and takes no snapshot', () => {
  expect(connectorSettings(JOB)).toMatchObject({
    'slot.name': 's1',
    'publication.name': 'p1',
    'publication.autocreate.mode': 'disabled',
    'snapshot.mode': 'no_data',
    'table.include.list': 'public.orders,public.items',
  });
});

test.each([JOB.registryUrl, `${JOB.registryUrl}/`])("the converter is given the registry's own API instead of %s", (registryUrl) => {
  expect(connectorSettings({ ...JOB, registryUrl })).toMatchObject({ 'value.converter.apicurio.registry.url': 'http://127.0.0.1:8081/apis/registry/v2' });
});

test('a registry that is not Apicurio is refused', () => {
  expect(() => connectorSettings({ ...JOB, registryUrl: 'http://127.0.0.1:8081' })).toThrow('/apis/ccompat/v7');
});

test('tuning adds settings and takes none away', () => {
  const tuned = connectorSettings({ ...JOB, tuning: 'tuned' });

  expect(tuned).toMatchObject({ ...connectorSettings(JOB), 'max.batch.size': '16384', 'producer.override.compression.type': 'lz4' });
  expect(jvmFlags('tuned')).toContain('-Xmx3G');
});

test('what is published holds every setting but no password, and no place of this machine', () => {
  const worker = workerSettings(JOB.kafkaBrokers, { restPort: 8083, offsetsFile: '/tmp/offsets' });

  const config = publicConfig(JOB, worker);

  expect(config).toMatchObject({ 'worker bootstrap.servers': '127.0.0.1:9092', 'connector slot.name': 's1', 'connector database.password': '********' });
  expect(Object.values(config).join()).not.toContain('p@ss');
  expect(config['worker offset.storage.file.filename']).toBe('********');
});

test('topics are named as Debezium names them', () => {
  expect(topicsOf(JOB)).toEqual(['run-1.public.orders', 'run-1.public.items']);
});

test.each([
  ['plain', 'plain'],
  ['a\\b', 'a\\\\b'],
  [' led by a blank', '\\ led by a blank'],
  ['two\nlines', 'two\\u000alines'],
  ['pässword€', 'p\\u00e4ssword\\u20ac'],
  ['#!=:', '#!=:'],
])('a value in a properties file: %j', (value, expected) => {
  expect(toProperties({ key: value })).toBe(`key=${expected}\n`);
});
