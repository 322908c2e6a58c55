import type { BeginRecord, RowRecord, TruncateRecord } from '../shared/record/record.ts';
import type { Row } from '../shared/record/row.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import { EnvelopeEncoder, type EncoderIdentity, type EnvelopeFields, type EnvelopeScope } from './envelope-encoder.ts';
import { ABSENT, type ByteRange, type RecordHeader } from './kafka/record-batch.ts';
import type { RecordAppender } from './kafka/transactional-producer.ts';
import { partitionOf } from './murmur2.ts';
import type { PublishedTails } from './published-tails.ts';

const LONGEST_NUMBERS = {
  ordinal: 0x7fffffff,
  handledAtMs: 2 ** 52 - 1,
  rowVersion: 2 ** 52 - 1,
  totalOrder: 2 ** 52 - 1,
  collectionOrder: 2 ** 52 - 1,
};
const NO_HEADERS: readonly RecordHeader[] = [];
const NEW_KEY = '__debezium.newkey';
const OLD_KEY = '__debezium.oldkey';

/** The transaction under way, as the transaction topic will tell of it. */
export interface OpenTransaction {
  readonly begin: BeginRecord;
  readonly id: string;
  totalOrder: number;
  /** Records a table, by `schema.table`: its schema may change in the midst of a transaction. */
  readonly counts: Map<string, CollectionCount>;
}

export interface CollectionCount {
  count: number;
}

/** The counter of a table in a transaction. */
export function countOf({ counts }: OpenTransaction, { qualifiedName }: TableSchema): CollectionCount {
  let count = counts.get(qualifiedName);
  if (count === undefined) {
    count = { count: 0 };
    counts.set(qualifiedName, count);
  }
  return count;
}

export interface TablePublisherOptions extends EncoderIdentity {
  readonly topic: string;
  readonly partitions: number;
  readonly tombstones: boolean;
  /** Of truncates: absent, but where the topic is compacted. */
  readonly truncateKey: ByteRange;
  readonly nextVersion: () => number;
  readonly tails: PublishedTails;
}

/** Whether an update moves its row to another key: then it travels as a delete of the old and an insert of the new. */
export function isKeyChange({ kind, table, before, after }: RowRecord): boolean {
  if (kind !== 'update' || before === null || after === null || table.key.length === 0) return false;
  return before.keyText() !== after.keyText();
}

/** Turns one table's records into messages: envelope, key, partition, tombstones, and the two halves of a changed key. */
export class TablePublisher {
  readonly topic: string;
  readonly table;
  readonly #options: TablePublisherOptions;
  readonly #encoder: EnvelopeEncoder;
  readonly #producer: RecordAppender;
  #countedIn: OpenTransaction | undefined;
  #count: CollectionCount = { count: 0 };
  readonly #fields: EnvelopeFields = { op: 'c', before: null, after: null, ordinal: 0, handledAtMs: 0, rowVersion: 0, totalOrder: 0, collectionOrder: 0 };

  constructor(options: TablePublisherOptions, producer: RecordAppender) {
    this.topic = options.topic;
    this.table = options.table;
    this.#options = options;
    this.#encoder = new EnvelopeEncoder(options);
    this.#producer = producer;
  }

  /** Appends the messages of one record to the producer. */
  publish(record: RowRecord, scope: EnvelopeScope, transaction: OpenTransaction | null, nowMs: number): void {
    switch (record.kind) {
      case 'insert':
        return this.#message(record, 'c', null, record.after, scope, transaction, nowMs);
      case 'read':
        if (record.after === null) return this.#delete(record, scope, null, nowMs, NO_HEADERS);
        return this.#message(record, 'r', null, record.after, scope, null, nowMs);
      case 'update':
        return this.#update(record, scope, transaction, nowMs);
      case 'delete':
        return this.#delete(record, scope, transaction, nowMs, NO_HEADERS);
    }
  }

  /** What the record's messages weigh at most, in bytes, or what a compression makes of that. */
  weigh(record: RowRecord, scope: EnvelopeScope, compress: (bytes: Buffer) => number): number {
    const { before, after } = record;
    const [op, images]: [EnvelopeFields['op'], readonly (readonly [Row | null, Row | null])[]] = isKeyChange(record)
      ? [
          'd',
          [
            [before, null],
            [null, after],
          ],
        ]
      : ['u', [[before, after]]];
    let bytes = 0;
    for (const [old, row] of images) {
      Object.assign(this.#fields, { op, before: old, after: row, ...LONGEST_NUMBERS });
      const value = this.#encoder.value(scope, this.#fields);
      bytes += compress((value.bytes as Buffer).subarray(value.start, value.end));
      if (this.table.key.length === 0) continue;
      const key = this.#encoder.key((row ?? old) as Row);
      bytes += (key.end - key.start) * images.length;
    }
    return bytes;
  }

  /** A truncate stands once in each partition. */
  publishTruncate(record: TruncateRecord, scope: EnvelopeScope, transaction: OpenTransaction | null, nowMs: number): void {
    this.#number('t', null, null, record.position.ordinal, transaction, nowMs);
    const value = this.#encoder.value(scope, this.#fields);
    const key = this.#options.truncateKey;
    for (let partition = 0; partition < this.#options.partitions; partition++) {
      if (!this.#isPublished(partition, record)) this.#producer.append(this.topic, partition, nowMs, key, value, NO_HEADERS);
    }
  }

  #update(record: RowRecord, scope: EnvelopeScope, transaction: OpenTransaction | null, nowMs: number): void {
    const { before, after } = record;
    if (!isKeyChange(record)) return this.#message(record, 'u', before, after, scope, transaction, nowMs);
    this.#delete(record, scope, transaction, nowMs, [{ key: NEW_KEY, value: copyOf(this.#encoder.key(after as Row)) }]);
    this.#message(record, 'c', null, after, scope, transaction, nowMs, [{ key: OLD_KEY, value: copyOf(this.#encoder.key(before as Row)) }]);
  }

  #delete(record: RowRecord, scope: EnvelopeScope, transaction: OpenTransaction | null, nowMs: number, headers: readonly RecordHeader[]): void {
    this.#message(record, 'd', record.before, null, scope, transaction, nowMs, headers);
  }

  #message(
    record: RowRecord,
    op: EnvelopeFields['op'],
    before: Row | null,
    after: Row | null,
    scope: EnvelopeScope,
    transaction: OpenTransaction | null,
    nowMs: number,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): void {
    this.#number(op, before, after, record.position.ordinal, transaction, nowMs);
    const row = (after ?? before) as Row;
    const isKeyed = this.table.key.length > 0;
    const key = isKeyed ? this.#encoder.key(row) : ABSENT;
    const partition = key.bytes === null ? 0 : partitionOf(key.bytes, key.start, key.end, this.#options.partitions);
    if (this.#isPublished(partition, record)) return;
    this.#producer.append(this.topic, partition, nowMs, key, this.#encoder.value(scope, this.#fields), headers);
    if (op === 'd' && isKeyed && this.#options.tombstones) this.#producer.append(this.topic, partition, nowMs, key, ABSENT, NO_HEADERS);
  }

  /** Whether the record is in the topic already; can be so only right after a restart. */
  #isPublished(partition: number, record: RowRecord | TruncateRecord): boolean {
    return this.#options.tails.isActive && this.#options.tails.has(this.topic, partition, record);
  }

  #number(op: EnvelopeFields['op'], before: Row | null, after: Row | null, ordinal: number, transaction: OpenTransaction | null, nowMs: number): void {
    const fields = this.#fields;
    fields.op = op;
    fields.before = before;
    fields.after = after;
    fields.ordinal = ordinal;
    fields.handledAtMs = nowMs;
    fields.rowVersion = this.#options.nextVersion();
    if (transaction === null) return;
    if (transaction !== this.#countedIn) {
      this.#countedIn = transaction;
      this.#count = countOf(transaction, this.table);
    }
    fields.totalOrder = ++transaction.totalOrder;
    fields.collectionOrder = ++this.#count.count;
  }
}

function copyOf({ bytes, start, end }: ByteRange): Buffer {
  return Buffer.from((bytes as Buffer).subarray(start, end));
}
