import { ask, type FlexibleApi, type FlexibleReader, FlexibleWriter, knows } from './flexible-protocol.ts';
import type { Cluster } from './kafkajs-internals.ts';

/** It has topic ids from version 10 on. */
const METADATA: FlexibleApi = { name: 'Metadata', key: 3, version: 12 };
const NO_ERROR = 0;
const ID_BYTES = 16;
const BROKERLESS: ReadonlyMap<string, string> = new Map();

/**
 * The ids of topics: a topic that was deleted and made again has another one. Without an entry for topics that are not
 * there; empty where the broker is older than 3.0 and does not tell.
 */
export async function topicIdsOf(cluster: Cluster, topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const nodeId = cluster.getNodeIds()[0];
  if (nodeId === undefined || topics.length === 0) return BROKERLESS;
  const broker = await cluster.findBroker({ nodeId });
  if (!knows(broker, METADATA)) return BROKERLESS;
  const body = new FlexibleWriter();
  body.array(topics, (topic) => body.bytes(Buffer.alloc(ID_BYTES)).text(topic).tags());
  // No topic is created, no list of rights is asked for.
  body.bytes(Buffer.of(0, 0)).tags();
  return ask(broker, METADATA, body, readTopicIds);
}

/** Metadata response, version 12 (Kafka protocol guide). */
function readTopicIds(reader: FlexibleReader): ReadonlyMap<string, string> {
  reader.skip(4);
  reader.array(() => {
    reader.skip(4);
    reader.text();
    reader.skip(4);
    reader.text();
    reader.tags();
  });
  reader.text();
  reader.skip(4);
  const ids = new Map<string, string>();
  reader.array(() => {
    const error = reader.int16();
    const topic = reader.text();
    const id = reader.bytes(ID_BYTES).toString('hex');
    reader.skip(1);
    reader.array(() => skipPartition(reader));
    reader.skip(4);
    reader.tags();
    if (error === NO_ERROR && topic !== null) ids.set(topic, id);
  });
  return ids;
}

function skipPartition(reader: FlexibleReader): void {
  reader.skip(2 + 4 + 4 + 4);
  for (let list = 0; list < 3; list++) reader.array(() => reader.skip(4));
  reader.tags();
}
