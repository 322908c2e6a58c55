import type { RecordBatch, SnapshotProgress } from '../shared/connector/source.ts';
import { stopsTable, type StoppedTables, toStoppedTable } from '../shared/connector/stopped-table.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import { failAt } from '../shared/process/failpoint.ts';
import { comparePositions, formatPosition, type SourcePosition } from '../shared/record/position.ts';
import {
  type BeginRecord,
  type CdcRecord,
  type CommitRecord,
  isRowRecord,
  type RowRecord,
  type SchemaChangeRecord,
  type TruncateRecord,
} from '../shared/record/record.ts';
import type { TableSchema } from '../shared/record/table-schema.ts';
import type { ControlRecords } from './avro/control-schemas.ts';
import { EnvelopeEncoder, type EnvelopeScope } from './envelope-encoder.ts';
import type { Compression } from './kafka/compression.ts';
import { rangeOf } from './kafka/record-batch.ts';
import type { RecordAppender } from './kafka/transactional-producer.ts';
import { isLarge, makeRoom, ROOMY_BYTES } from './large-records.ts';
import { type StoredPosition, toPositionValue } from './positions.ts';
import { countOf, isKeyChange, type OpenTransaction, type TablePublisher } from './table-publisher.ts';
import type { ControlKind, TopicCatalog } from './topic-catalog.ts';

export interface WriterOptions {
  readonly sourceName: string;
  readonly instance: string;
  readonly publishTransactions: boolean;
  readonly publishTruncate: boolean;
  readonly highestVersion: () => number;
  /** `carryingOf` the settings. */
  readonly carrying: string;
  readonly compression: Compression;
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
  #stopped: StoppedTables = {};
  #log: string | undefined;
  /** Records that were passed over here, by table. The source passes over what comes behind a stop by itself, once it knows of it. */
  readonly #passedOver = new Map<string, number>();
  #transaction: OpenTransaction | null = null;
  #isBeginWritten = false;
  #scope: EnvelopeScope | undefined;
  #readScope: EnvelopeScope | undefined;

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

  get stopped(): StoppedTables {
    return this.#stopped;
  }

  get log(): string | undefined {
    return this.#log;
  }

  get passedOver(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#passedOver);
  }

  resume(stored: StoredPosition | undefined): void {
    this.#position = this.#skipUpTo = stored?.position ?? null;
    this.#snapshot = stored?.snapshot ?? null;
    this.#stopped = stored?.stopped ?? {};
    this.#log = stored?.log;
    for (const name of Object.keys(this.#stopped)) this.#passedOver.set(name, 0);
  }

  /** Appends a batch's messages to the producer. */
  async write(batch: RecordBatch): Promise<WrittenBatch> {
    const nowMs = Date.now();
    const hasLarge = batch.bytes > ROOMY_BYTES;
    let [changes, committedAtMicros] = [0, 0];
    this.#beginAnew(batch);
    if (this.#catalog.hasExpected) await this.#catalog.addTables(this.#firstOf(batch));
    for (const record of batch.records) {
      if (record.kind === 'commit') committedAtMicros = record.committedAtMicros;
      else if (record.kind !== 'begin' && record.kind !== 'heartbeat') changes++;
      try {
        if (record.kind === 'schemaChange') await this.#changeSchema(record, nowMs);
        else if (hasLarge && isRowRecord(record) && isLarge(record)) await this.#writeLarge(record, nowMs);
        else this.#writeRecord(record, nowMs);
      } catch (error) {
        this.#stopTable(record, error);
      }
      if (this.#producer.needsFlush) await this.#flush();
    }
    if (batch.reads !== undefined) changes += await this.#writeReads(batch.reads, { nowMs, hasLarge });
    if (batch.snapshot !== undefined) this.#snapshot = batch.snapshot;
    if (batch.log !== undefined) this.#log = batch.log;
    if (batch.isPastSetup === true) await this.#catalog.addExpected();
    this.#takeStops(batch);
    return { changes, committedAtMicros };
  }

  async #writeReads(reads: NonNullable<RecordBatch['reads']>, { nowMs, hasLarge }: { readonly nowMs: number; readonly hasLarge: boolean }): Promise<number> {
    for (const record of reads) {
      try {
        if (hasLarge && isLarge(record)) await this.#writeLarge(record, nowMs);
        else this.#writeRead(record, nowMs);
      } catch (error) {
        this.#stopTable(record, error);
      }
      if (this.#producer.needsFlush) await this.#flush();
    }
    return reads.length;
  }

  /** Whether schemas are registered before, or with, this batch. */
  hasToRegister(batch: RecordBatch): boolean {
    return this.#catalog.hasExpected && (batch.isPastSetup === true || this.#firstOf(batch).length > 0);
  }

  /** The tables that have their first record in this batch; but not one that an older schema of the same table stands before. */
  #firstOf({ records, reads = [] }: RecordBatch): readonly TableSchema[] {
    const first = new Map<string, TableSchema>();
    const [read] = reads;
    for (const record of read === undefined ? records : [...records, read]) {
      if ('table' in record && !first.has(record.table.qualifiedName)) first.set(record.table.qualifiedName, record.table);
    }
    return [...first.values()].filter((table) => this.#catalog.isExpected(table));
  }

  async #flush(): Promise<void> {
    await this.#producer.flush();
    failAt('after-flush');
  }

  /** Appends where the source stands: the last record of each Kafka transaction. */
  writePosition(nowMs: number): void {
    const { highestVersion, instance } = this.#options;
    const standing = { position: this.#position, snapshot: this.#snapshot, stopped: this.#stopped, log: this.#log };
    const stored = { ...standing, rowVersion: highestVersion(), instance };
    this.#control('positions', { source: this.#options.sourceName }, toPositionValue(stored, nowMs), nowMs);
  }

  async #writeLarge(record: RowRecord, nowMs: number): Promise<void> {
    try {
      if (!this.#isSkipped(record) && !this.#isStopped(record)) {
        const scope = this.#transaction === null ? this.#scopeOfRead(record) : this.#scopeOf(this.#transaction);
        await makeRoom(record, scope, { catalog: this.#catalog, producer: this.#producer, compression: this.#options.compression });
      }
      this.#writeRecord(record, nowMs);
    } finally {
      EnvelopeEncoder.forgetLarge();
    }
  }

  /** What one table cannot help stops that table, from this record on; anything else is thrown on. */
  #stopTable(record: CdcRecord, error: unknown): void {
    if (!('table' in record) || !stopsTable(error)) throw error;
    const name = record.table.qualifiedName;
    this.#stopped = { ...this.#stopped, [name]: toStoppedTable(error, record.position, this.#options.carrying) };
    this.#passedOver.set(name, 0);
    if (record.kind !== 'schemaChange') this.#isPassedOver(record);
    if (record.kind !== 'schemaChange' && record.kind !== 'read' && this.#transaction !== null) this.#advance(record.position);
  }

  #beginAnew({ stopped = {} }: RecordBatch): void {
    for (const [name, stop] of Object.entries(stopped)) {
      if (stop !== null) continue;
      const { [name]: _ended, ...others } = this.#stopped;
      this.#stopped = others;
      this.#passedOver.delete(name);
    }
  }

  #takeStops({ stopped = {} }: RecordBatch): void {
    for (const [name, stop] of Object.entries(stopped)) {
      if (stop === null) continue;
      this.#stopped = { [name]: stop, ...this.#stopped };
      this.#passedOver.set(name, this.#passedOver.get(name) ?? 0);
    }
  }

  /** Whether the record is passed over; then it is counted, and that is all. */
  #isPassedOver(record: RowRecord | TruncateRecord): boolean {
    if (this.#passedOver.size === 0 || !this.#isStopped(record)) return false;
    const { qualifiedName } = record.table;
    this.#passedOver.set(qualifiedName, (this.#passedOver.get(qualifiedName) ?? 0) + 1);
    return true;
  }

  /** Whether the record's table has stopped, and not behind it. */
  #isStopped({ kind, position, table }: RowRecord | TruncateRecord): boolean {
    const stop = this.#stopped[table.qualifiedName];
    if (stop === undefined) return false;
    return kind === 'read' || this.#transaction === null || comparePositions(position, stop.position) >= 0;
  }

  #writeRecord(record: Exclude<CdcRecord, SchemaChangeRecord>, nowMs: number): void {
    switch (record.kind) {
      case 'insert':
      case 'update':
      case 'delete':
        return this.#writeChange(record, nowMs);
      case 'read':
        return this.#writeRead(record, nowMs);
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

  #writeRead(record: RowRecord, nowMs: number): void {
    if (!this.#isPassedOver(record)) this.#publisherOf(record).publish(record, this.#scopeOfRead(record), null, nowMs);
  }

  #writeChange(record: RowRecord, nowMs: number): void {
    const transaction = this.#openTransaction();
    if (this.#isPassedOver(record)) return this.#advance(record.position);
    if (this.#isSkipped(record)) return this.#countSkipped(record, transaction, isKeyChange(record) ? 2 : 1);
    const publisher = this.#publisherOf(record);
    if (!this.#isBeginWritten) this.#writeBegin(transaction, nowMs);
    publisher.publish(record, this.#scopeOf(transaction), transaction, nowMs);
    this.#advance(record.position);
  }

  #writeTruncate(record: TruncateRecord, nowMs: number): void {
    if (this.#transaction === null && this.#isPassedOver(record)) return;
    if (this.#transaction === null) return this.#publisherOf(record).publishTruncate(record, this.#scopeOfRead(record), null, nowMs);
    const transaction = this.#transaction;
    if (this.#options.publishTruncate) {
      if (this.#isPassedOver(record)) return this.#advance(record.position);
      if (this.#isSkipped(record)) return this.#countSkipped(record, transaction, 1);
      const publisher = this.#publisherOf(record);
      if (!this.#isBeginWritten) this.#writeBegin(transaction, nowMs);
      publisher.publishTruncate(record, this.#scopeOf(transaction), transaction, nowMs);
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
