import { type Broker, type Cluster, Encoder } from './kafkajs-internals.ts';

/** A request of the protocol's flexible form: kafkajs knows none of them. Metadata has topic ids from version 10 on. */
const METADATA_API_KEY = 3;
const METADATA_VERSION = 12;
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
  if (!knowsTopicIds(broker)) return BROKERLESS;
  const request = { apiKey: METADATA_API_KEY, apiVersion: METADATA_VERSION, apiName: 'Metadata', encode: async () => encodeMetadata(topics) };
  const response = { decode: async (payload: Buffer) => decodeTopicIds(payload), parse: async (data: unknown) => data };
  return (await broker.connectionPool.send({ request, response })) as ReadonlyMap<string, string>;
}

function knowsTopicIds({ versions }: Broker): boolean {
  return (versions?.[METADATA_API_KEY]?.maxVersion ?? 0) >= METADATA_VERSION;
}

function encodeMetadata(topics: readonly string[]): InstanceType<typeof Encoder> {
  const encoder = new Encoder(64 + topics.length * 64);
  // The header's tagged fields come first.
  const parts: Buffer[] = [Buffer.of(0), uvarint(topics.length + 1)];
  for (const topic of topics) {
    const name = Buffer.from(topic);
    parts.push(Buffer.alloc(ID_BYTES), uvarint(name.length + 1), name, Buffer.of(0));
  }
  // No topic is created, no list of rights is asked for.
  parts.push(Buffer.of(0, 0, 0));
  encoder.writeBufferInternal(Buffer.concat(parts));
  return encoder;
}

function uvarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Metadata response, version 12 (Kafka protocol guide). */
export function decodeTopicIds(payload: Buffer): ReadonlyMap<string, string> {
  const reader = new FlexibleReader(payload);
  reader.tags();
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

class FlexibleReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  bytes(count: number): Buffer {
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  text(): string | null {
    const length = this.#uvarint() - 1;
    return length < 0 ? null : this.bytes(length).toString();
  }

  array(read: () => void): void {
    const length = this.#uvarint() - 1;
    for (let index = 0; index < length; index++) read();
  }

  tags(): void {
    for (let left = this.#uvarint(); left > 0; left--) {
      this.#uvarint();
      this.skip(this.#uvarint());
    }
  }

  #uvarint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }
}
