import type { RecordBatch, SnapshotProgress } from '../shared/connector/source.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import { comparePositions, formatPosition, type SourcePosition } from '../shared/record/position.ts';
import type { BeginRecord, CdcRecord, CommitRecord, RowRecord, SchemaChangeRecord, TruncateRecord } from '../shared/record/record.ts';
import type { ControlRecords } from './avro/control-schemas.ts';
import type { EnvelopeScope } from './envelope-encoder.ts';
import { rangeOf } from './kafka/record-batch.ts';
import type { RecordAppender } from './kafka/transactional-producer.ts';
import { type StoredPosition, toPositionValue } from './positions.ts';
import { countOf, isKeyChange, type OpenTransaction, type TablePublisher } from './table-publisher.ts';
import type { ControlKind, TopicCatalog } from './topic-catalog.ts';

export interface WriterOptions {
  readonly sourceName: string;
  readonly instance: string;
  readonly publishTransactions: boolean;
  readonly publishTruncate: boolean;
  readonly highestVersion: () => number;
}

export interface WrittenBatch {
  /** Row changes, snapshot reads and what else speaks of a table. */
  readonly changes: number;
  /** When the last transaction that ended in it was committed; 0 for none. */
  readonly committedAtMicros: number;
}

/**
 * Turns a source's records into messages on its topics, and keeps the position that they reach.
 *
 * After a restart the source sends again what lies between its transaction's begin and the stored position; that is
 * counted, so that the transaction's totals come out right, and not written a second time.
 */
export class TopicWriter {
  readonly #options: WriterOptions;
  readonly #catalog: TopicCatalog;
  readonly #producer: RecordAppender;
  #skipUpTo: SourcePosition | null = null;
  #position: SourcePosition | null = null;
  #snapshot: SnapshotProgress | null = null;
  #transaction: OpenTransaction | null = null;
  #isBeginWritten = false;
  #scope: EnvelopeScope | undefined;
  #readScope: EnvelopeScope | undefined;
  #scopeSerial = 0;

  constructor(options: WriterOptions, catalog: TopicCatalog, producer: RecordAppender) {
    this.#options = options;
    this.#catalog = catalog;
    this.#producer = producer;
  }

  get position(): SourcePosition | null {
    return this.#position;
  }

  get snapshot(): SnapshotProgress | null {
    return this.#snapshot;
  }

  resume(stored: StoredPosition | undefined): void {
    this.#position = this.#skipUpTo = stored?.position ?? null;
    this.#snapshot = stored?.snapshot ?? null;
  }

  /** Appends a batch's messages to the producer. */
  async write(batch: RecordBatch): Promise<WrittenBatch> {
    const nowMs = Date.now();
    let [changes, committedAtMicros] = [0, 0];
    for (const record of batch.records) {
      if (record.kind === 'commit') committedAtMicros = record.committedAtMicros;
      else if (record.kind !== 'begin' && record.kind !== 'heartbeat') changes++;
      if (record.kind === 'schemaChange') await this.#changeSchema(record, nowMs);
      else this.#writeRecord(record, nowMs);
      if (this.#producer.needsFlush) await this.#producer.flush();
    }
    if (batch.snapshot !== undefined) this.#snapshot = batch.snapshot;
    return { changes, committedAtMicros };
  }

  /** Appends where the source stands: the last record of each Kafka transaction. */
  writePosition(nowMs: number): void {
    const stored = { position: this.#position, snapshot: this.#snapshot, rowVersion: this.#options.highestVersion(), instance: this.#options.instance };
    this.#control('positions', { source: this.#options.sourceName }, toPositionValue(stored, nowMs), nowMs);
  }

  #writeRecord(record: Exclude<CdcRecord, SchemaChangeRecord>, nowMs: number): void {
    switch (record.kind) {
      case 'insert':
      case 'update':
      case 'delete':
        return this.#writeChange(record, nowMs);
      case 'read':
        return this.#publisherOf(record).publish(record, this.#scopeOfRead(record), null, nowMs);
      case 'begin':
        return this.#begin(record);
      case 'commit':
        return this.#end(record, nowMs);
      case 'truncate':
        return this.#writeTruncate(record, nowMs);
      case 'heartbeat':
        this.#advance(record.position);
        return this.#control('heartbeat', { serverName: this.#options.sourceName }, { ts_ms: nowMs }, nowMs);
    }
  }

  #writeChange(record: RowRecord, nowMs: number): void {
    const transaction = this.#openTransaction();
    if (this.#isSkipped(record)) return this.#countSkipped(record, transaction, isKeyChange(record) ? 2 : 1);
    if (!this.#isBeginWritten) this.#writeBegin(transaction, nowMs);
    this.#publisherOf(record).publish(record, this.#scopeOf(transaction), transaction, nowMs);
    this.#advance(record.position);
  }

  #writeTruncate(record: TruncateRecord, nowMs: number): void {
    if (this.#transaction === null) return this.#publisherOf(record).publishTruncate(record, this.#scopeOfRead(record), null, nowMs);
    const transaction = this.#transaction;
    if (this.#options.publishTruncate) {
      if (this.#isSkipped(record)) return this.#countSkipped(record, transaction, 1);
      if (!this.#isBeginWritten) this.#writeBegin(transaction, nowMs);
      this.#publisherOf(record).publishTruncate(record, this.#scopeOf(transaction), transaction, nowMs);
    }
    this.#advance(record.position);
  }

  #begin(begin: BeginRecord): void {
    this.#transaction = { begin, id: `${begin.xid}:${begin.position.transaction}`, totalOrder: 0, counts: new Map() };
    this.#isBeginWritten = false;
    this.#scope = undefined;
  }

  #end(record: CommitRecord, nowMs: number): void {
    const { id, totalOrder, counts } = this.#openTransaction();
    if (this.#isBeginWritten && !this.#isSkipped(record)) {
      const collections = [...counts].map(([name, { count }]) => ({ data_collection: name, event_count: count }));
      this.#tell({ status: 'END', id, ts_ms: Math.floor(record.committedAtMicros / 1000), event_count: totalOrder, data_collections: collections }, nowMs);
    }
    this.#transaction = null;
    this.#advance(record.position);
  }

  #writeBegin({ id, begin }: OpenTransaction, nowMs: number): void {
    this.#isBeginWritten = true;
    this.#tell({ status: 'BEGIN', id, ts_ms: Math.floor(begin.committedAtMicros / 1000), event_count: null, data_collections: null }, nowMs);
  }

  #tell(value: ControlRecords['transaction']['value'], nowMs: number): void {
    if (this.#options.publishTransactions) this.#control('transaction', { id: value.id }, value, nowMs);
  }

  async #changeSchema(record: SchemaChangeRecord, nowMs: number): Promise<void> {
    const { table, position } = record;
    const isNews = this.#catalog.hasChanged(table) && !this.#isSkipped(record);
    await this.#catalog.addTables([table]);
    if (!isNews) return;
    const value = {
      ts_ms: nowMs,
      position: formatPosition(position),
      db: table.database,
      schema: table.schema,
      table: table.name,
      columns: JSON.stringify(table.columns),
    };
    this.#control('schema-changes', { table: table.qualifiedName }, value, nowMs);
  }

  #publisherOf(record: RowRecord | TruncateRecord): TablePublisher {
    return this.#catalog.publisherOf(record.table);
  }

  #openTransaction(): OpenTransaction {
    if (this.#transaction === null) throw new CdcError('INVARIANT_BROKEN', 'A change or a commit came outside of a transaction.');
    return this.#transaction;
  }

  #isSkipped(record: CdcRecord): boolean {
    return this.#skipUpTo !== null && comparePositions(record.position, this.#skipUpTo) <= 0;
  }

  #countSkipped({ table }: RowRecord | TruncateRecord, transaction: OpenTransaction, messages: number): void {
    this.#isBeginWritten = true;
    transaction.totalOrder += messages;
    countOf(transaction, table).count += messages;
  }

  #advance(position: SourcePosition): void {
    if (this.#skipUpTo !== null) {
      if (comparePositions(position, this.#skipUpTo) <= 0) return;
      this.#skipUpTo = null;
    }
    this.#position = position;
  }

  #scopeOf({ begin, id }: OpenTransaction): EnvelopeScope {
    this.#scope ??= {
      serial: ++this.#scopeSerial,
      xid: begin.xid,
      isSnapshot: false,
      committedAtMicros: begin.committedAtMicros,
      positionPrefix: begin.position.transaction,
      transactionId: this.#options.publishTransactions ? id : null,
    };
    return this.#scope;
  }

  #scopeOfRead({ position, committedAtMicros }: RowRecord | TruncateRecord): EnvelopeScope {
    if (this.#readScope?.positionPrefix !== position.transaction) {
      this.#readScope = {
        serial: ++this.#scopeSerial,
        xid: null,
        isSnapshot: true,
        committedAtMicros,
        positionPrefix: position.transaction,
        transactionId: null,
      };
    }
    return this.#readScope;
  }

  #control<K extends ControlKind>(kind: K, key: ControlRecords[K]['key'], value: ControlRecords[K]['value'], nowMs: number): void {
    const writer = this.#catalog.control(kind);
    this.#producer.append(writer.topic, 0, nowMs, rangeOf(writer.key(key)), rangeOf(writer.value(value)), []);
  }
}
