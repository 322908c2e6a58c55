import { describe, expect, test } from 'vitest';
import { COMMON_OPTIONS } from '../../shared/config/common-options.ts';
import { readOptions } from '../../shared/config/options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { kafkaConfig, kafkaErrorType, toKafkaError } from './connection.ts';
// Behind the line above, which puts parts of ours in place of the client's.
import kafkajs from 'kafkajs';

function protocolError(type: string): Error {
  return new kafkajs.KafkaJSProtocolError(Object.assign(new Error(`the broker says ${type}`), { type, code: 1 }));
}

/** As the client hands an error on after its own retries. */
function retried(cause: Error): Error {
  return Object.assign(new Error(cause.message, { cause }), { name: 'KafkaJSNumberOfRetriesExceeded', retriable: true });
}

function settingsOf(environment: Readonly<Record<string, string>> = {}) {
  return readOptions(COMMON_OPTIONS, { KAFKA_BROKERS: 'a:1,b:2', SCHEMA_REGISTRY_URL: 'http://r', ...environment }).settings;
}

describe('an error of the client becomes ours by the protocol’s name', () => {
  const cases: readonly (readonly [type: string, code: string])[] = [
    ['SASL_AUTHENTICATION_FAILED', 'AUTH_FAILED'],
    ['TOPIC_AUTHORIZATION_FAILED', 'AUTH_FAILED'],
    ['GROUP_AUTHORIZATION_FAILED', 'AUTH_FAILED'],
    ['CLUSTER_AUTHORIZATION_FAILED', 'AUTH_FAILED'],
    ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'AUTH_FAILED'],
    ['INVALID_PRODUCER_EPOCH', 'FENCED'],
    ['PRODUCER_FENCED', 'FENCED'],
    ['MESSAGE_TOO_LARGE', 'VALUE_OUT_OF_RANGE'],
    ['RECORD_LIST_TOO_LARGE', 'VALUE_OUT_OF_RANGE'],
    ['INVALID_REPLICATION_FACTOR', 'CONFIG_INVALID'],
    ['INVALID_TOPIC_EXCEPTION', 'CONFIG_INVALID'],
    ['INVALID_PARTITIONS', 'CONFIG_INVALID'],
    ['INVALID_CONFIG', 'CONFIG_INVALID'],
    ['POLICY_VIOLATION', 'CONFIG_INVALID'],
    ['NOT_LEADER_FOR_PARTITION', 'KAFKA_UNAVAILABLE'],
    ['REQUEST_TIMED_OUT', 'KAFKA_UNAVAILABLE'],
    ['UNKNOWN', 'KAFKA_UNAVAILABLE'],
  ];
  for (const [type, code] of cases) {
    test(`${type} is ${code}, however deep it is wrapped`, () => {
      for (const error of [protocolError(type), retried(protocolError(type)), retried(retried(protocolError(type)))]) {
        const ours = toKafkaError(error, 'publishing records');
        expect([ours.code, ours.context['kafkaError'], ours.cause]).toEqual([code, type, error]);
        expect(ours.message).toContain('while publishing records');
      }
    });
  }

  test('also where several topics were asked for at once', () => {
    const error = new kafkajs.KafkaJSAggregateError('Topic creation errors', [protocolError('INVALID_PARTITIONS')] as never);
    expect(kafkaErrorType(error)).toBe('INVALID_PARTITIONS');
  });
});

describe('errors without a name in the protocol', () => {
  test('a refused login is AUTH_FAILED', () => {
    expect(toKafkaError(Object.assign(new Error('no'), { name: 'KafkaJSSASLAuthenticationError' }), 'connecting').code).toBe('AUTH_FAILED');
  });

  test('a certificate that is not trusted is TLS_FAILED, also where the client has wrapped it', () => {
    const refused = new kafkajs.KafkaJSConnectionError('Connection error', { broker: 'a:1', code: 'SELF_SIGNED_CERT_IN_CHAIN' });
    for (const error of [refused, retried(refused)]) expect(toKafkaError(error, 'connecting').code).toBe('TLS_FAILED');
    expect(toKafkaError(new kafkajs.KafkaJSConnectionError('closed', { broker: 'a:1', code: 'ECONNREFUSED' }), 'connecting').code).toBe('KAFKA_UNAVAILABLE');
  });

  test('a lost connection is KAFKA_UNAVAILABLE', () => {
    for (const error of [new kafkajs.KafkaJSConnectionError('closed'), new Error('boom'), 'a text', undefined])
      expect(toKafkaError(error, 'connecting').code).toBe('KAFKA_UNAVAILABLE');
  });

  test('our own stay as they are, also where the client has wrapped them', () => {
    const own = new CdcError('PARSE_FAILED', 'our own words');
    expect(toKafkaError(own, 'reading')).toBe(own);
    expect(toKafkaError(retried(own), 'reading')).toBe(own);
  });
});

describe('the configuration of the client', () => {
  test('has the brokers, and no login unless one is asked for', () => {
    const config = kafkaConfig(settingsOf(), 'me', silentLogger());
    expect(config).toMatchObject({ brokers: ['a:1', 'b:2'], clientId: 'me', ssl: false });
    expect(config.sasl).toBeUndefined();
  });

  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    test(`logs in by ${mechanism}`, () => {
      const config = kafkaConfig(
        settingsOf({ KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p', KAFKA_SSL: 'true' }),
        'me',
        silentLogger(),
      );
      expect(config).toMatchObject({ ssl: true, sasl: { mechanism, username: 'u', password: 'p' } });
    });
  }

  describe('for TLS', () => {
    const settings = (rest: Readonly<Record<string, string>>) => () => kafkaConfig(settingsOf({ KAFKA_SSL: 'true', ...rest }), 'me', silentLogger());
    const here = import.meta.filename;

    test.each<[string, Record<string, string>, string]>([
      ['an authority without TLS', { KAFKA_SSL: 'false', KAFKA_SSL_CA: here }, 'KAFKA_SSL_CA set, and KAFKA_SSL is false'],
      ['a certificate without its key', { KAFKA_SSL_CERT: here }, 'belong together'],
      ['a file that is not there', { KAFKA_SSL_CA: '/nowhere/ca.pem' }, 'KAFKA_SSL_CA is "/nowhere/ca.pem"'],
      ['a file that holds no certificate', { KAFKA_SSL_CA: here }, 'with a certificate'],
    ])('%s is a mistake in the configuration', (_, rest, message) => {
      expect(settings(rest)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }));
    });
  });

  test('a login without user or password is refused, and the password is not said', () => {
    for (const rest of [{ KAFKA_SASL_USERNAME: 'u' }, { KAFKA_SASL_PASSWORD: 'geheim' }]) {
      const read = () => kafkaConfig(settingsOf({ KAFKA_SASL_MECHANISM: 'plain', ...rest } as Record<string, string>), 'me', silentLogger());
      expect(read).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.not.stringContaining('geheim') }));
    }
  });
});
