import { checked, flag, integer, list, oneOf, optionalSecret, optionalText, text, type Settings } from './options.ts';

/** Settings of both sides. */
export const COMMON_OPTIONS = {
  KAFKA_BROKERS: checked(
    list({ description: 'broker addresses, host:port,host:port' }),
    (brokers) => brokers.every((broker) => /^[^\s/]+:\d+$/.test(broker)),
    'expected host:port',
  ),
  KAFKA_SSL: flag({ description: 'TLS to the brokers', default: false }),
  KAFKA_SSL_CA: optionalText({ description: 'PEM file of the authority that signed the certificates of the brokers; those that Node knows if not set' }),
  KAFKA_SSL_CERT: optionalText({ description: 'PEM file of our own certificate, for brokers that ask for one' }),
  KAFKA_SSL_KEY: optionalText({ description: 'PEM file of the key of KAFKA_SSL_CERT, without a passphrase' }),
  KAFKA_SASL_MECHANISM: oneOf(['none', 'plain', 'scram-sha-256', 'scram-sha-512'], {
    description: 'how to log in to the brokers: none, plain, scram-sha-256, scram-sha-512',
    default: 'none',
  }),
  KAFKA_SASL_USERNAME: optionalText({ description: 'user at the brokers' }),
  KAFKA_SASL_PASSWORD: optionalSecret({ description: 'password at the brokers' }),
  KAFKA_COMPRESSION: oneOf(['none', 'gzip', 'snappy', 'lz4', 'zstd'], {
    description: 'compression of the topics: none, gzip, snappy, lz4, zstd',
    default: 'none',
  }),
  SCHEMA_REGISTRY_URL: checked(
    text({ description: 'address of the schema registry, Confluent-compatible' }),
    isHttpUrl,
    'expected http://host:port or https://…',
  ),
  SCHEMA_REGISTRY_USERNAME: optionalText({ description: 'user at the registry' }),
  SCHEMA_REGISTRY_PASSWORD: optionalSecret({ description: 'password at the registry' }),
  HTTP_HOST: text({ description: 'address of the HTTP endpoints', default: '127.0.0.1' }),
  HTTP_PORT: integer({ description: 'port of the HTTP endpoints, 0 for none', default: 0, max: 65535 }),
  HTTP_TOKEN: optionalSecret({ description: 'bearer token of the HTTP endpoints, needed once the host is not loopback' }),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error'], { description: 'least level that is logged', default: 'info' }),
  LOG_FORMAT: oneOf(['auto', 'pretty', 'json'], { description: 'auto: pretty on a terminal, json otherwise', default: 'auto' }),
} as const;

function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

export type CommonSettings = Settings<typeof COMMON_OPTIONS>;
