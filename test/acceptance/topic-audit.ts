import { setTimeout as delay } from 'node:timers/promises';
import '../../topics/kafka/quiet-timers.ts';
import kafkajs from 'kafkajs';
import { readTopics, type TopicPlace } from './topic-reader.ts';

const POLL_MS = 100;
/** Beyond what a restart, a rebalance and a busy machine take together. */
const STALL_MS = 120_000;

/** One record of a table topic. */
export interface Envelope {
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
  readonly op: string;
  readonly source: { readonly position: string; readonly snapshot: string; readonly schema: string; readonly table: string };
  readonly transaction: { readonly id: string; readonly total_order: number } | null;
  readonly row_version: number;
  readonly unchanged: readonly string[] | null;
}

interface TransactionMark {
  readonly status: 'BEGIN' | 'END';
  readonly id: string;
  readonly event_count: number | null;
  readonly data_collections: readonly { readonly data_collection: string; readonly event_count: number }[] | null;
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
  const auditor = new TopicAuditor(source);
  await readTopics({ brokers, registryUrl, source } satisfies TopicPlace, (topic, partition, value) => auditor.add(topic, partition, value));
  return auditor.finish();
}

interface Transaction {
  begins: number;
  ends: number;
  count: number;
  /** Records a table, as END tells them. */
  readonly told: Map<string, number>;
  readonly found: Map<string, number>;
  readonly orders: number[];
}

export class TopicAuditor {
  readonly #source: string;
  readonly #transactions = new Map<string, Transaction>();
  readonly #versions = new Map<string, number>();
  readonly #truncates = new Map<string, Set<number>>();
  readonly #partitions = new Map<string, Set<number>>();
  readonly #faults: string[] = [];
  #records = 0;
  #reads = 0;

  constructor(source: string) {
    this.#source = source;
  }

  add(topic: string, partition: number, value: unknown): void {
    if (value === null) return;
    if (topic === `${this.#source}.transaction`) this.#addMark(value as TransactionMark);
    else if (topic.split('.').length > 2) this.#addRecord(topic, partition, value as Envelope);
  }

  finish(): Audit {
    let counted = 0;
    for (const [id, transaction] of this.#transactions) {
      counted += transaction.count;
      this.#check(id, transaction);
    }
    for (const [id, partitions] of this.#truncates) {
      const topic = id.slice(0, id.indexOf(' '));
      if (!(this.#partitions.get(topic) ?? new Set()).isSubsetOf(partitions)) this.#faults.push(`truncate ${id} is not in every partition`);
    }
    return { records: this.#records, snapshotReads: this.#reads, transactions: this.#transactions.size, counted, faults: this.#faults };
  }

  /** Records of each table in a transaction, as its END tells them. */
  get told(): ReadonlyMap<string, ReadonlyMap<string, number>> {
    return new Map([...this.#transactions].map(([id, { told }]) => [id, told]));
  }

  #check(id: string, { begins, ends, count, orders, told, found }: Transaction): void {
    if (begins !== 1 || ends !== 1) this.#faults.push(`transaction ${id} has ${begins} BEGIN and ${ends} END`);
    const sorted = orders.toSorted((a, b) => a - b);
    if (sorted.length !== count || sorted.some((order, index) => order !== index + 1))
      this.#faults.push(`transaction ${id} says ${count} records and has ${sorted.length}`);
    for (const [table, records] of told)
      if (found.get(table) !== records) this.#faults.push(`transaction ${id} says ${records} records of ${table} and has ${found.get(table) ?? 0}`);
  }

  #addMark({ id, status, event_count: count, data_collections: tables }: TransactionMark): void {
    const transaction = this.#transaction(id);
    if (status === 'BEGIN') transaction.begins++;
    else {
      transaction.ends++;
      transaction.count = Number(count);
      for (const { data_collection: table, event_count: records } of tables ?? []) transaction.told.set(table, records);
    }
  }

  #addRecord(topic: string, partition: number, { op, transaction, row_version: version, source }: Envelope): void {
    const place = `${topic}/${partition}`;
    this.#records++;
    if ((this.#versions.get(place) ?? 0) >= version) this.#faults.push(`row_version does not grow in ${place}`);
    this.#versions.set(place, version);
    if (op === 'r') this.#reads++;
    this.#seen(this.#partitions, topic, partition);
    if (op === 't' && !this.#seen(this.#truncates, `${topic} ${source.position}`, partition)) return;
    if (transaction === null) return;
    const { orders, found } = this.#transaction(transaction.id);
    const table = `${source.schema}.${source.table}`;
    orders.push(transaction.total_order);
    found.set(table, (found.get(table) ?? 0) + 1);
  }

  /** Adds to a set; whether it is the first there. */
  #seen(sets: Map<string, Set<number>>, name: string, member: number): boolean {
    const known = sets.get(name);
    if (known === undefined) sets.set(name, new Set([member]));
    else known.add(member);
    return known === undefined;
  }

  #transaction(id: string): Transaction {
    let transaction = this.#transactions.get(id);
    if (transaction === undefined) {
      transaction = { begins: 0, ends: 0, count: 0, told: new Map(), found: new Map(), orders: [] };
      this.#transactions.set(id, transaction);
    }
    return transaction;
  }
}

/**
 * Resolves when consumer groups have committed the end of every partition of a source's table topics. Rejects where one of them
 * moves no further for so long, with the topic and the places: of a table that has stopped the end never comes.
 */
export async function groupsAtEnd(brokers: string, source: string, groups: readonly string[], stallMs = STALL_MS): Promise<void> {
  const client = new kafkajs.Kafka({ clientId: 'audit', brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${source}.`) && topic.split('.').length > 2);
    for (const groupId of groups) for (const topic of topics) await groupAtEnd(admin, { groupId, topic, stallMs });
  } finally {
    await admin.disconnect();
  }
}

interface Waiting {
  readonly groupId: string;
  readonly topic: string;
  readonly stallMs: number;
}

async function groupAtEnd(admin: ReturnType<InstanceType<typeof kafkajs.Kafka>['admin']>, { groupId, topic, stallMs }: Waiting): Promise<void> {
  const ends = (await admin.fetchTopicOffsets(topic)).filter(({ high, low }) => high !== low);
  let [last, since] = ['', performance.now()];
  for (;;) {
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    const behind = ends.filter(({ partition, high }) => (at.get(partition) ?? -1) < Number(high));
    if (behind.length === 0) return;
    const places = behind.map(({ partition, high }) => `${partition}: ${at.get(partition) ?? -1} of ${high}`).join(', ');
    if (places !== last) [last, since] = [places, performance.now()];
    if (performance.now() - since > stallMs) throw new Error(`group ${groupId} has not moved for ${stallMs} ms in topic ${topic} (${places})`);
    await delay(POLL_MS);
  }
}
