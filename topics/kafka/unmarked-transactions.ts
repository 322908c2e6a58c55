import { ask, type FlexibleApi, type FlexibleReader, FlexibleWriter, knows } from './flexible-protocol.ts';
import type { Broker, Cluster, TopicPartitions } from './kafkajs-internals.ts';

/** Kafka 3.0 and later. */
const DESCRIBE_TRANSACTIONS: FlexibleApi = { name: 'DescribeTransactions', key: 65, version: 0 };
const DESCRIBE_PRODUCERS: FlexibleApi = { name: 'DescribeProducers', key: 61, version: 0 };
/** Answers of a broker that is not the one to ask, or not ready: as kafkajs names them. */
const ASK_AGAIN: Readonly<Record<number, string>> = {
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_FOR_PARTITION',
  14: 'GROUP_LOAD_IN_PROGRESS',
  15: 'GROUP_COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR_FOR_GROUP',
};
const OUTCOMES: ReadonlyMap<string, Outcome> = new Map([
  ['PrepareCommit', 'commit'],
  ['CompleteCommit', 'commit'],
  ['Ongoing', 'abort'],
  ['PrepareAbort', 'abort'],
  ['PrepareEpochFence', 'abort'],
  ['CompleteAbort', 'abort'],
]);

/** How the last transaction of a transactional id ended, or is bound to end. */
export type Outcome = 'commit' | 'abort';

/** Asks its coordinator, before `init` makes it forget. Unknown where it has none, or is too old to say. */
export async function outcomeOf(coordinator: Broker, transactionalId: string): Promise<Outcome | 'unknown'> {
  if (!knows(coordinator, DESCRIBE_TRANSACTIONS)) return 'unknown';
  const body = new FlexibleWriter();
  body.array([transactionalId], (id) => body.text(id)).tags();
  return ask(coordinator, DESCRIBE_TRANSACTIONS, body, readOutcome);
}

/** DescribeTransactions response, version 0 (Kafka protocol guide): of the one that was asked for. */
function readOutcome(reader: FlexibleReader): Outcome | 'unknown' {
  reader.skip(4);
  const [state] = reader.array(() => {
    askAgainAt(reader.int16());
    reader.text();
    const name = reader.text();
    reader.skip(4 + 8 + 8 + 2);
    reader.array(() => {
      reader.text();
      reader.array(() => reader.skip(4));
      reader.tags();
    });
    reader.tags();
    return name;
  });
  return OUTCOMES.get(state ?? '') ?? 'unknown';
}

/**
 * Partitions that still hold a transaction of a producer open, though the coordinator has nothing of it under way: the
 * call is for a producer that has just begun. A broker that finds no leader for a partition takes it for deleted, and
 * ends the transaction without its marker there (seen with Kafka 4.4 when a broker comes back from a crash): what
 * readers of committed records see ends there then, and who begins anew does not see what was committed.
 *
 * Nothing is found where the right to ask is missing (READ on the topic), or where the broker is older than 3.0.
 */
export async function unmarkedPartitions(cluster: Cluster, topics: readonly string[], producerId: string): Promise<readonly TopicPartitions[]> {
  await cluster.addMultipleTargetTopics(topics);
  const places = topics.flatMap((topic) => cluster.findTopicPartitionMetadata(topic).map((found) => ({ topic, ...found })));
  const byLeader = Map.groupBy(places, ({ leader }) => leader);
  const found: TopicPartitions[] = [];
  for (const [nodeId, led] of byLeader) {
    const broker = await cluster.findBroker({ nodeId });
    if (!knows(broker, DESCRIBE_PRODUCERS)) continue;
    const body = new FlexibleWriter();
    body.array([...Map.groupBy(led, ({ topic }) => topic)], ([topic, partitions]) => {
      body
        .text(topic)
        .array(partitions, ({ partitionId }) => body.int32(partitionId))
        .tags();
    });
    found.push(...(await ask(broker, DESCRIBE_PRODUCERS, body.tags(), (reader) => readOpen(reader, BigInt(producerId)))));
  }
  return found.filter(({ partitions }) => partitions.length > 0);
}

/** DescribeProducers response, version 0 (Kafka protocol guide): the partitions in which this producer has a transaction open. */
function readOpen(reader: FlexibleReader, producerId: bigint): readonly TopicPartitions[] {
  reader.skip(4);
  return reader.array(() => {
    const topic = reader.text() ?? '';
    const partitions: number[] = [];
    reader.array(() => {
      const partition = reader.int32();
      askAgainAt(reader.int16());
      reader.text();
      if (reader.array(() => readProducer(reader, producerId)).includes(true)) partitions.push(partition);
      reader.tags();
    });
    reader.tags();
    return { topic, partitions };
  });
}

function readProducer(reader: FlexibleReader, producerId: bigint): boolean {
  const isAsked = reader.int64() === producerId;
  reader.skip(4 + 4 + 8 + 4);
  const openSince = reader.int64();
  reader.tags();
  return isAsked && openSince >= 0n;
}

/** The client's own errors of these kinds, so that callers go on as with the requests that it knows. */
function askAgainAt(code: number): void {
  const type = ASK_AGAIN[code];
  if (type !== undefined) throw Object.assign(new Error(`The broker answers ${type}.`), { type, retriable: true });
}
