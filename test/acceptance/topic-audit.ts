import avsc from 'avsc';
import { setTimeout as delay } from 'node:timers/promises';
import '../../topics/kafka/quiet-timers.ts';
import kafkajs, { type EachBatchPayload } from 'kafkajs';

const POLL_MS = 100;

/** One record of a table topic, as a consumer that knows nothing of this product decodes it. */
interface Envelope {
  readonly op: string;
  readonly source: { readonly position: string; readonly snapshot: string };
  readonly transaction: { readonly id: string; readonly total_order: number } | null;
  readonly row_version: number;
}

interface TransactionMark {
  readonly status: 'BEGIN' | 'END';
  readonly id: string;
  readonly event_count: number | null;
}

export interface Audit {
  /** Records with a value, of all table topics. */
  readonly records: number;
  readonly snapshotReads: number;
  readonly transactions: number;
  /** Changes that the transaction topic counts. */
  readonly counted: number;
  /** What is not as it must be; empty when all is well. */
  readonly faults: readonly string[];
}

/**
 * Reads all topics of a source to their end as a `read_committed` consumer, and checks what exactly once means: each
 * transaction has one BEGIN and one END, its records are numbered 1 to its event count without a gap or a repeat, and in
 * each partition row_version only grows.
 */
export async function auditTopics(brokers: string, registryUrl: string, source: string): Promise<Audit> {
  const reader = new TopicAuditor(registryUrl, source);
  await readToEnd(brokers, source, (topic, partition, value) => reader.add(topic, partition, value));
  return reader.finish();
}

class TopicAuditor {
  readonly #registryUrl: string;
  readonly #source: string;
  readonly #types = new Map<number, avsc.Type>();
  readonly #orders = new Map<string, number[]>();
  readonly #marks = new Map<string, { begins: number; ends: number; count: number }>();
  readonly #versions = new Map<string, number>();
  readonly #faults: string[] = [];
  #records = 0;
  #reads = 0;

  constructor(registryUrl: string, source: string) {
    this.#registryUrl = registryUrl;
    this.#source = source;
  }

  async add(topic: string, partition: number, value: Buffer | null): Promise<void> {
    if (value === null) return;
    const decoded: unknown = (await this.#type(value.readInt32BE(1))).fromBuffer(value.subarray(5));
    if (topic === `${this.#source}.transaction`) this.#addMark(decoded as TransactionMark);
    else if (topic.split('.').length > 2) this.#addRecord(`${topic}/${partition}`, decoded as Envelope);
  }

  finish(): Audit {
    let counted = 0;
    for (const [id, { begins, ends, count }] of this.#marks) {
      counted += count;
      if (begins !== 1 || ends !== 1) this.#faults.push(`transaction ${id} has ${begins} BEGIN and ${ends} END`);
      const orders = (this.#orders.get(id) ?? []).toSorted((a, b) => a - b);
      if (orders.length !== count || orders.some((order, index) => order !== index + 1))
        this.#faults.push(`transaction ${id} says ${count} records and has ${orders.length}`);
    }
    for (const id of this.#orders.keys()) if (!this.#marks.has(id)) this.#faults.push(`transaction ${id} has records and no END`);
    return { records: this.#records, snapshotReads: this.#reads, transactions: this.#marks.size, counted, faults: this.#faults };
  }

  #addMark({ id, status, event_count: count }: TransactionMark): void {
    const mark = this.#marks.get(id) ?? { begins: 0, ends: 0, count: 0 };
    this.#marks.set(id, mark);
    if (status === 'BEGIN') mark.begins++;
    else {
      mark.ends++;
      mark.count = Number(count);
    }
  }

  #addRecord(partition: string, { op, transaction, row_version: version }: Envelope): void {
    this.#records++;
    if ((this.#versions.get(partition) ?? 0) >= version) this.#faults.push(`row_version does not grow in ${partition}`);
    this.#versions.set(partition, version);
    if (op === 'r') this.#reads++;
    if (transaction === null) return;
    const orders = this.#orders.get(transaction.id) ?? [];
    orders.push(transaction.total_order);
    this.#orders.set(transaction.id, orders);
  }

  async #type(id: number): Promise<avsc.Type> {
    const known = this.#types.get(id);
    if (known !== undefined) return known;
    const response = await fetch(`${this.#registryUrl}/schemas/ids/${id}`);
    const { schema } = (await response.json()) as { schema: string };
    const type = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema);
    this.#types.set(id, type);
    return type;
  }
}

type OnRecord = (topic: string, partition: number, value: Buffer | null) => Promise<void>;

async function readToEnd(brokers: string, source: string, onRecord: OnRecord): Promise<void> {
  const client = new kafkajs.Kafka({ clientId: 'audit', brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${source}.`) && !/\.(positions|heartbeat|signals|schema-changes)$/.test(topic));
  const missing = new Set<string>();
  for (const topic of topics) {
    for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) if (high !== low) missing.add(`${topic}/${partition}/${high}`);
  }
  await admin.disconnect();
  await consume(client, topics, missing, onRecord);
}

async function consume(client: InstanceType<typeof kafkajs.Kafka>, topics: readonly string[], missing: Set<string>, onRecord: OnRecord): Promise<void> {
  const ends = new Map([...missing].map((entry) => [entry.slice(0, entry.lastIndexOf('/')), Number(entry.slice(entry.lastIndexOf('/') + 1))]));
  const consumer = client.consumer({ groupId: `audit-${process.pid}-${Math.random()}`, readUncommitted: false, maxWaitTimeInMs: 100 });
  const done = Promise.withResolvers<void>();
  const reached = (topic: string, partition: number, lastOffset: string) => {
    if (Number(lastOffset) + 1 >= (ends.get(`${topic}/${partition}`) ?? Infinity)) ends.delete(`${topic}/${partition}`);
    if (ends.size === 0) done.resolve();
  };
  consumer.on(consumer.events.CRASH, ({ payload }) => done.reject(payload.error));
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => reached(payload.topic, payload.partition, payload.lastOffset));
  const eachBatch = async ({ batch }: EachBatchPayload) => {
    for (const { value } of batch.messages) await onRecord(batch.topic, batch.partition, value);
  };
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  await consumer.run({ eachBatch, autoCommit: false });
  await done.promise;
  await consumer.disconnect();
}

/** Resolves when consumer groups have committed the end of every partition of a source's table topics. */
export async function groupsAtEnd(brokers: string, source: string, groups: readonly string[]): Promise<void> {
  const client = new kafkajs.Kafka({ clientId: 'audit', brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${source}.`) && topic.split('.').length > 2);
  for (const groupId of groups) {
    for (const topic of topics) {
      const ends = (await admin.fetchTopicOffsets(topic)).filter(({ high, low }) => high !== low);
      for (;;) {
        const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
        const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
        if (ends.every(({ partition, high }) => (at.get(partition) ?? -1) >= Number(high))) break;
        await delay(POLL_MS);
      }
    }
  }
  await admin.disconnect();
}
