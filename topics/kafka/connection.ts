import type { Kafka as KafkaClient, KafkaConfig, logCreator, SASLOptions } from 'kafkajs';
import type { CommonSettings } from '../../shared/config/common-options.ts';
import { CdcError, type ErrorContext } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { compress, decompress } from './compression.ts';
import { kafkajs } from './fast-fetch.ts';
import { promptSockets } from './prompt-sockets.ts';
import { tlsErrorCode, tlsOf } from './tls.ts';

export type { KafkaConfig, Producer } from 'kafkajs';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel, PartitionAssigners } = kafkajs;

export const { roundRobin } = PartitionAssigners;

/** kafkajs brings gzip alone, and leaves the other codecs to its users. */
for (const [type, codec] of [
  [CompressionTypes.Snappy, 'snappy'],
  [CompressionTypes.LZ4, 'lz4'],
  [CompressionTypes.ZSTD, 'zstd'],
] as const) {
  CompressionCodecs[type] = () => ({
    compress: async (encoder: { buffer: Buffer }) => compress(codec, encoder.buffer),
    decompress: async (buffer: Buffer) => decompress(codec, buffer),
  });
}

/** What every client of the broker is configured with. The client's own retries stay few: the runners retry. */
export function kafkaConfig(settings: CommonSettings, clientId: string, log: Logger): KafkaConfig {
  const sasl = saslOf(settings);
  return {
    clientId,
    brokers: [...settings.KAFKA_BROKERS],
    ssl: tlsOf(settings),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: 5000,
    requestTimeout: 30_000,
    retry: { initialRetryTime: 50, multiplier: 2, factor: 0.2, retries: 4, maxRetryTime: 2000 },
    logLevel: logLevel.WARN,
    logCreator: bridgeLog(log),
    socketFactory: promptSockets(),
  };
}

export function createKafka(config: KafkaConfig): KafkaClient {
  return new Kafka(config);
}

function saslOf(settings: CommonSettings): SASLOptions | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = settings;
  if (mechanism === 'none') return undefined;
  if (username === undefined || password === undefined) {
    throw new CdcError('CONFIG_INVALID', `KAFKA_SASL_MECHANISM is ${mechanism}, so KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD must be set.`);
  }
  const credentials = { username, password: password.reveal() };
  switch (mechanism) {
    case 'plain':
      return { mechanism: 'plain', ...credentials };
    case 'scram-sha-256':
      return { mechanism: 'scram-sha-256', ...credentials };
    case 'scram-sha-512':
      return { mechanism: 'scram-sha-512', ...credentials };
  }
}

/** The client's own lines are for debugging: what users need to know, the runners say. */
function bridgeLog(log: Logger): logCreator {
  return () =>
    ({ namespace, log: entry }) => {
      const { message, error } = entry as { message: string; error?: unknown };
      log.debug({ client: 'kafkajs', namespace, error }, message);
    };
}

const ACCESS_ERRORS = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
]);
const FENCED_ERRORS = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING', 'INVALID_TXN_STATE']);
/** Answers to what cannot be, however often it is asked for. */
const REFUSED_ERRORS = new Set(['INVALID_TOPIC_EXCEPTION', 'INVALID_PARTITIONS', 'INVALID_REPLICATION_FACTOR', 'INVALID_CONFIG', 'POLICY_VIOLATION']);
const TOO_LARGE_ERRORS = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

interface KafkaJsError {
  readonly name?: string;
  readonly type?: string;
  readonly cause?: unknown;
  readonly originalError?: unknown;
  readonly errors?: readonly unknown[];
}

/** The protocol's name of an error, however deep the client wrapped it; undefined for other errors. */
export function kafkaErrorType(error: unknown): string | undefined {
  for (let at = error as KafkaJsError | undefined, depth = 0; at != null && depth < 6; depth++) {
    if (typeof at.type === 'string' && /^[A-Z_]+$/.test(at.type)) return at.type;
    at = (at.originalError ?? at.errors?.[0] ?? at.cause) as KafkaJsError | undefined;
  }
  return undefined;
}

/** An error of ours that came through the client, however deep it wrapped it. */
function ownError(error: unknown): CdcError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) if (at instanceof CdcError) return at;
  return undefined;
}

/** A client's error as ours. */
export function toKafkaError(error: unknown, doing: string, context: ErrorContext = {}): CdcError {
  const own = ownError(error);
  if (own !== undefined) return own;
  const type = kafkaErrorType(error);
  const details = { cause: error, context: { ...context, kafkaError: type } };
  const name = (error as KafkaJsError | undefined)?.name;
  if (name === 'KafkaJSSASLAuthenticationError' || (type !== undefined && ACCESS_ERRORS.has(type))) {
    return new CdcError('AUTH_FAILED', `The broker refused access while ${doing}.`, {
      ...details,
      remedy: 'Check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, and the ACLs of that user.',
    });
  }
  const tls = tlsErrorCode(error);
  if (tls !== undefined) {
    return new CdcError('TLS_FAILED', `No encrypted connection to the broker came about (${tls}) while ${doing}.`, {
      ...details,
      remedy:
        'Check that KAFKA_SSL is as the broker wants it, that KAFKA_BROKERS has the names that its certificate is for, and KAFKA_SSL_CA, KAFKA_SSL_CERT and KAFKA_SSL_KEY.',
    });
  }
  if (type !== undefined && FENCED_ERRORS.has(type))
    return new CdcError('FENCED', `The broker no longer takes this producer's records (${type}) while ${doing}.`, details);
  if (type !== undefined && TOO_LARGE_ERRORS.has(type)) {
    return new CdcError('VALUE_OUT_OF_RANGE', `A record is larger than the broker takes, while ${doing}.`, {
      ...details,
      remedy: "Raise the topic's max.message.bytes.",
    });
  }
  if (type === 'INVALID_RECORD') {
    return new CdcError('CONFIG_INVALID', `The broker refuses a record while ${doing}: a compacted topic takes none without a key.`, {
      ...details,
      remedy: 'Set TOPIC_CLEANUP_POLICY=compact for topics that are compacted, and cleanup.policy=delete on the topics of tables without a key.',
    });
  }
  if (type !== undefined && REFUSED_ERRORS.has(type)) {
    return new CdcError('CONFIG_INVALID', `The broker refuses what it is asked for (${type}) while ${doing}.`, {
      ...details,
      remedy: 'Check SOURCE_NAME, TOPIC_PARTITIONS, TOPIC_REPLICATION and the policies of the broker.',
    });
  }
  return new CdcError('KAFKA_UNAVAILABLE', `The broker does not answer while ${doing}.`, details);
}
