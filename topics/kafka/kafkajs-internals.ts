import { createRequire } from 'node:module';
import type { KafkaConfig } from 'kafkajs';
// First, so that what is loaded below is the kafkajs of the topics.
import './fast-fetch.ts';
import type { FetchedRecord, PackedRecords } from './fetched-record.ts';
import { promptSockets } from './prompt-sockets.ts';

/**
 * The layer of kafkajs below its public clients: connections, metadata, and single protocol requests.
 *
 * The publisher writes record batches itself (`record-batch.ts`) and the log reader reads single ranges; kafkajs offers
 * neither in public. Its release is pinned to the letter in package.json, and `kafka.integration.test.ts` guards what is used here.
 */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number; readonly leader: number }[];
  getNodeIds(): readonly number[];
  findBroker(options: { readonly nodeId: number | string }): Promise<Broker>;
  findGroupCoordinator(options: { readonly groupId: string; readonly coordinatorType: number }): Promise<Broker>;
  fetchTopicsOffset(
    topics: readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number }[]; readonly fromBeginning: boolean }[],
  ): Promise<readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]>;
}

export interface Broker {
  readonly nodeId: number;
  /** By the number of the request; known once it is connected. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null;
  readonly connectionPool: { send(request: ProtocolRequest): Promise<unknown> };
  initProducerId(request: { transactionalId: string; transactionTimeout: number }): Promise<ProducerIdentity>;
  addPartitionsToTxn(request: ProducerIdentity & { transactionalId: string; topics: readonly TopicPartitions[] }): Promise<unknown>;
  endTxn(request: ProducerIdentity & { transactionalId: string; transactionResult: boolean }): Promise<unknown>;
  offsetCommit(request: OffsetCommitRequest): Promise<unknown>;
  fetch(request: FetchRequest): Promise<{ readonly responses: readonly FetchedTopic[] }>;
}

export interface ProducerIdentity {
  /** A 64-bit id as decimal text. */
  readonly producerId: string;
  readonly producerEpoch: number;
}

export interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface ProtocolRequest {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<unknown>;
  };
  readonly response: { decode(payload: Buffer): Promise<unknown>; parse(data: unknown): Promise<unknown> };
}

interface OffsetCommitRequest {
  readonly groupId: string;
  readonly groupGenerationId: number;
  readonly memberId: string;
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: string | null }[];
  }[];
}

interface FetchRequest {
  readonly isolationLevel: number;
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly topics: readonly { topic: string; partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[] }[];
}

interface FetchedTopic {
  readonly topicName: string;
  readonly partitions: readonly FetchedPartition[];
}

export interface FetchedPartition {
  readonly partition: number;
  readonly messages: PackedRecords;
  readonly highWatermark: string;
}

/** What those look at who read single records. */
export type FetchedMessage = Pick<FetchedRecord, 'offset' | 'key' | 'value'>;

interface FetchedBatch {
  readonly messages: PackedRecords;
  lastOffset(): string;
  isEmptyIncludingFiltered(): boolean;
}

export const READ_UNCOMMITTED = 0;
export const READ_COMMITTED = 1;
export const GROUP_COORDINATOR = 0;
export const TRANSACTION_COORDINATOR = 1;

const require = createRequire(import.meta.url);

type ClusterConstructor = new (options: Record<string, unknown>) => Cluster;
const ClusterClass = require('kafkajs/src/cluster/index.js') as ClusterConstructor;
const createKafkaLogger = (require('kafkajs/src/loggers/index.js') as { createLogger: (options: object) => unknown }).createLogger;

/** Reads and checks a Produce response, version 7. */
export const produceResponse = require('kafkajs/src/protocol/requests/produce/v7/response.js') as ProtocolRequest['response'];

/** One partition of a fetch, without aborted and control records where it was read committed. */
export const KafkaBatch = require('kafkajs/src/consumer/batch.js') as new (topic: string, fetchedOffset: string, partition: FetchedPartition) => FetchedBatch;

export function createCluster(config: KafkaConfig): Cluster {
  return new ClusterClass({
    ...config,
    logger: createKafkaLogger({ level: config.logLevel, logCreator: config.logCreator }),
    socketFactory: promptSockets(),
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    isolationLevel: READ_COMMITTED,
    enforceRequestTimeout: true,
  });
}
