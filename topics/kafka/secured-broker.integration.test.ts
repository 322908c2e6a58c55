import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { SourceProcess } from '../../test/contract/source-process.ts';
import { liveConfig, readCommitted, uniqueName, withAdmin } from '../../test/live-topics.ts';
import { KAFKA_USER, OwnKafka, type SecuredKafka } from '../../test/own-kafka.ts';
import { rangeOf } from './record-batch.ts';
import { TransactionalProducer } from './transactional-producer.ts';

let kafka: SecuredKafka;
let bench: PostgresBench;

beforeAll(async () => {
  [kafka, bench] = await Promise.all([OwnKafka.startSecured(), PostgresBench.open()]);
  await bench.query('CREATE TABLE t (id int PRIMARY KEY)');
}, 120_000);
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await kafka.broker[Symbol.asyncDispose]();
});

type Settings = Readonly<Record<string, string>>;

const overTls = (): Settings => ({ KAFKA_BROKERS: `localhost:${kafka.saslPort}`, KAFKA_SSL: 'true', KAFKA_SSL_CA: kafka.ca });
const withLogin = (mechanism: string): Settings => ({
  ...overTls(),
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: KAFKA_USER.name,
  KAFKA_SASL_PASSWORD: KAFKA_USER.password,
});
const withCertificate = (): Settings => ({
  KAFKA_BROKERS: `localhost:${kafka.mutualPort}`,
  KAFKA_SSL: 'true',
  KAFKA_SSL_CA: kafka.ca,
  KAFKA_SSL_CERT: kafka.clientCertificate,
  KAFKA_SSL_KEY: kafka.clientKey,
});

/** Publishes in a transaction, and reads it as a member of a group. */
async function roundTrip(settings: Settings): Promise<readonly string[]> {
  const config = liveConfig(settings);
  const topic = uniqueName('secured');
  await withAdmin(config, (admin) => admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true }));
  const producer = new TransactionalProducer({ config, transactionalId: topic, transactionTimeoutMs: 30_000, compression: 'lz4' });
  try {
    await producer.init();
    await producer.addTopics([topic]);
    for (const text of ['one', 'two']) producer.append(topic, 0, Date.now(), rangeOf(Buffer.from('key')), rangeOf(Buffer.from(text)), []);
    await producer.commit();
  } finally {
    await producer.close();
  }
  return (await readCommitted(config, [topic])).map(({ value }) => String(value));
}

describe('a broker that wants a login over TLS', () => {
  test.each(['plain', 'scram-sha-256', 'scram-sha-512'])('is written and read by %s', async (mechanism) => {
    expect(await roundTrip(withLogin(mechanism))).toEqual(['one', 'two']);
  });
});

test('a broker that wants a certificate of ours is written and read with one', async () => {
  expect(await roundTrip(withCertificate())).toEqual(['one', 'two']);
});

describe('a source that is not let in, or does not trust the broker, ends with 3 and says what to do', () => {
  test.each<[string, () => Settings, readonly string[]]>([
    ['a wrong password', () => ({ ...withLogin('plain'), KAFKA_SASL_PASSWORD: 'wrong-one' }), ['AUTH_FAILED', 'KAFKA_SASL_PASSWORD']],
    ['a wrong password of SCRAM', () => ({ ...withLogin('scram-sha-256'), KAFKA_SASL_PASSWORD: 'wrong-one' }), ['AUTH_FAILED', 'KAFKA_SASL_PASSWORD']],
    ['an authority that is not known', () => omit(withLogin('plain'), 'KAFKA_SSL_CA'), ['TLS_FAILED', 'KAFKA_SSL_CA']],
    [
      'a name that the certificate is not for',
      () => ({ ...withLogin('plain'), KAFKA_BROKERS: `127.0.0.1:${kafka.saslPort}` }),
      ['TLS_FAILED', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ],
    ['no certificate of ours where one is wanted', () => omit(withCertificate(), 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'), ['TLS_FAILED', 'KAFKA_SSL_CERT']],
  ])('%s', async (_, settings, sentences) => {
    const { SCHEMA_REGISTRY_URL = '' } = process.env;
    const source = { SOURCE_TYPE: 'postgres', SOURCE_NAME: bench.name, SOURCE_URL: bench.url, TABLES: 'public.t' };
    await using run = new SourceProcess({ ...source, SCHEMA_REGISTRY_URL, LOG_FORMAT: 'json', ...settings() });
    const code = await run.ended();
    expect({ code, log: run.log }).toEqual({ code: 3, log: expect.any(String) as string });
    for (const sentence of sentences) expect(run.log).toContain(sentence);
    expect(run.log).not.toContain('wrong-one');
    expect(run.log).not.toContain(KAFKA_USER.password);
  });
});

function omit(settings: Settings, ...names: readonly string[]): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
}
