import avsc from 'avsc';
import '../../topics/kafka/quiet-timers.ts';
import kafkajs, { type EachBatchPayload } from 'kafkajs';

/** Where the topics are. */
export interface TopicPlace {
  readonly brokers: string;
  readonly registryUrl: string;
  /** SOURCE_NAME, which begins all their names. */
  readonly source: string;
}

/** A record's value as a consumer that knows nothing of this product decodes it; null for a tombstone. */
export type OnTopicRecord = (topic: string, partition: number, value: unknown) => void;

/** 64 bits exactly: a number while it is a safe integer, a bigint beyond. */
const LONG = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => toNumber(bytes.readBigInt64LE()),
  toBuffer: (value: number | bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: Number,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint' || Number.isSafeInteger(value),
  compare: (a: number, b: number) => Number(a > b) - Number(a < b),
});

function toNumber(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function typeHook(schema: unknown): avsc.Type | undefined {
  const name = typeof schema === 'object' && schema !== null ? (schema as { readonly type?: unknown }).type : schema;
  return name === 'long' ? LONG : undefined;
}

/** Reads the table topics of a source and its transaction topic to their end, as a `read_committed` consumer. */
export async function readTopics(place: TopicPlace, onRecord: OnTopicRecord): Promise<void> {
  const client = new kafkajs.Kafka({ clientId: 'audit', brokers: place.brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const types = new SchemaTypes(place.registryUrl);
  const { topics, ends } = await findEnds(client, place.source);
  await consume(client, topics, ends, async (topic, partition, bytes) => {
    onRecord(topic, partition, bytes === null ? null : (await types.of(bytes.readInt32BE(1))).fromBuffer(bytes.subarray(5)));
  });
}

class SchemaTypes {
  readonly #url: string;
  readonly #types = new Map<number, avsc.Type>();

  constructor(url: string) {
    this.#url = url;
  }

  async of(id: number): Promise<avsc.Type> {
    const known = this.#types.get(id);
    if (known !== undefined) return known;
    const response = await fetch(`${this.#url}/schemas/ids/${id}`);
    const { schema } = (await response.json()) as { schema: string };
    const type = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema, { typeHook: typeHook as NonNullable<avsc.ForSchemaOptions['typeHook']> });
    this.#types.set(id, type);
    return type;
  }
}

type Client = InstanceType<typeof kafkajs.Kafka>;

async function findEnds(client: Client, source: string): Promise<{ readonly topics: string[]; readonly ends: Map<string, number> }> {
  const admin = client.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${source}.`) && !/\.(positions|heartbeat|signals|schema-changes)$/.test(topic));
  const ends = new Map<string, number>();
  for (const topic of topics) {
    for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) if (high !== low) ends.set(`${topic}/${partition}`, Number(high));
  }
  await admin.disconnect();
  return { topics, ends };
}

type OnBytes = (topic: string, partition: number, value: Buffer | null) => Promise<void>;

async function consume(client: Client, topics: readonly string[], ends: Map<string, number>, onBytes: OnBytes): Promise<void> {
  const consumer = client.consumer({ groupId: `audit-${process.pid}-${Math.random()}`, readUncommitted: false, maxWaitTimeInMs: 100 });
  const done = Promise.withResolvers<void>();
  const next = new Map<string, number>();
  const reached = (topic: string, partition: number, lastOffset: string) => {
    if (Number(lastOffset) + 1 >= (ends.get(`${topic}/${partition}`) ?? Infinity)) ends.delete(`${topic}/${partition}`);
    if (ends.size === 0) done.resolve();
  };
  // A broker that has only just started is asked again by the client itself, which then begins anew.
  consumer.on(consumer.events.CRASH, ({ payload }) => (payload.restart ? undefined : done.reject(payload.error)));
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => reached(payload.topic, payload.partition, payload.lastOffset));
  const eachBatch = async ({ batch }: EachBatchPayload) => {
    const place = `${batch.topic}/${batch.partition}`;
    for (const { offset, value } of batch.messages) {
      if (Number(offset) < (next.get(place) ?? 0)) continue;
      next.set(place, Number(offset) + 1);
      await onBytes(batch.topic, batch.partition, value);
    }
  };
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  await consumer.run({ eachBatch, autoCommit: false });
  await done.promise;
  await consumer.disconnect();
}
