import { stopsTable } from '../../shared/connector/stopped-table.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { comparePositions, type SourcePosition } from '../../shared/record/position.ts';
import type { CdcRecord, RowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import {
  formatLsn,
  type LogicalMessage,
  MESSAGE,
  parseBegin,
  parseCommit,
  parseLogicalMessage,
  parseRelation,
  parseTruncate,
  type RelationMessage,
  TUPLE,
} from './parser.ts';
import type { Relation } from './relation.ts';

interface PassedOver {
  readonly table: string;
  count: number;
}

/** What a record weighs in memory beside its rows' bytes. */
const RECORD_OVERHEAD_BYTES = 200;
/** Where the first tuple of a row change lies: behind the kind, the relation's id, and the tuple's mark. */
const TUPLE_AT = 6;

/** What the reader asks of its surroundings. */
export interface ReaderHooks {
  /** The rows' layout after a Relation message in a transaction; null for a table that was not asked for. A promise suspends reading. */
  resolve(message: RelationMessage, xid: number): Relation | null | Promise<Relation | null>;
  /** Where a table that is published no further has stopped. */
  stopOf(table: string): SourcePosition | undefined;
  /** A table cannot be carried any further: what it stands for, from which change on, and why. */
  onStop(table: string, position: SourcePosition, error: CdcError): void;
  /** A logical message that somebody wrote into the log. */
  onMessage(message: LogicalMessage): void;
  /** A row change, before it is handed on. False leaves it out. */
  onChange(xid: number, commitPosition: string, relation: Relation, row: Row): boolean;
  /** A TRUNCATE, before it is handed on. False leaves it out. */
  onTruncate(xid: number, commitPosition: string, relation: Relation): boolean;
  /** A transaction has ended: its position, and where its commit ends in the log. */
  onCommit(position: string, ordinal: number, endLsn: string): void;
}

/** A record whose values are not all there: its place in the batch, and where to read its row again. */
export interface IncompleteRecord {
  readonly index: number;
  readonly xid: number;
  readonly relation: Relation;
  /** Text of the key columns, in key order. */
  readonly key: readonly string[];
}

/**
 * Reads the messages of pgoutput, protocol version 1, into records. Records gather in `records` until they are taken.
 * Changes of tables that were not asked for count in the ordinals, so that these stay when TABLES changes.
 *
 * A value that was not sent, but that the old row has (REPLICA IDENTITY FULL), is taken from there. An update that
 * changes the key and leaves large values out is noted in `incomplete`: nobody downstream could find them under the
 * new key, so the source reads them again.
 *
 * What cannot be carried of a table stops that table: its changes are then passed over and counted, and nothing else is.
 */
export class ChangeReader {
  readonly #hooks: ReaderHooks;
  readonly #writer = new RowWriter();
  readonly #relations = new Map<number, Relation | null>();
  /** Tables that have stopped, by their id. */
  readonly #stopped = new Map<number, PassedOver>();
  /** Tables that stop at a change that is still to come: after a restart the log begins before it. */
  readonly #stopsAhead = new Map<number, SourcePosition>();
  records: CdcRecord[] = [];
  incomplete: IncompleteRecord[] = [];
  bytes = 0;
  #xid = 0;
  #committedAtMicros = 0;
  #transaction = '';
  #ordinal = 0;
  #isOpen = false;

  constructor(hooks: ReaderHooks) {
    this.#hooks = hooks;
  }

  /** Whether the last message left a transaction open. */
  get isInTransaction(): boolean {
    return this.#isOpen;
  }

  take(): { readonly records: CdcRecord[]; readonly incomplete: IncompleteRecord[]; readonly bytes: number } {
    const taken = { records: this.records, incomplete: this.incomplete, bytes: this.bytes };
    this.records = [];
    this.incomplete = [];
    this.bytes = 0;
    return taken;
  }

  /** Changes of stopped tables that were passed over, by table. */
  get passedOver(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#stopped.values().map(({ table, count }) => [table, count]));
  }

  /** Where the next change will stand. */
  get nextPosition(): SourcePosition {
    return { transaction: this.#transaction, ordinal: this.#ordinal + 1 };
  }

  /** Passes over what comes of a table from here on. */
  stop(id: number, table: string): void {
    this.#relations.set(id, null);
    this.#stopsAhead.delete(id);
    if (!this.#stopped.has(id)) this.#stopped.set(id, { table, count: 0 });
  }

  /** Says that rows of a table have a new schema from here on. */
  announce(table: TableSchema): void {
    this.#push({ kind: 'schemaChange', table, position: this.#position() }, 0);
  }

  /**
   * Reads one message, from `start` to `end`. A promise means: hand in no more until it is resolved.
   * Throws `PARSE_FAILED`.
   */
  read(bytes: Buffer, start = 0, end = bytes.length): Promise<void> | undefined {
    try {
      return this.#read(bytes, start, end);
    } catch (error) {
      if (error instanceof RangeError) throw new CdcError('PARSE_FAILED', 'The replication stream is broken: a message ends too early.', { cause: error });
      this.#stopAtChange(bytes, start, error);
      return undefined;
    }
  }

  #stopAtChange(bytes: Buffer, start: number, error: unknown): void {
    if (!stopsTable(error)) throw error;
    const id = bytes.readUInt32BE(start + 1);
    const relation = this.#relations.get(id);
    if (relation == null) throw error;
    this.#stopTable(id, relation.table.qualifiedName, error);
    this.#pass(id);
  }

  #stopTable(id: number, table: string, error: CdcError): void {
    this.#hooks.onStop(table, this.nextPosition, error);
    this.stop(id, table);
  }

  #read(bytes: Buffer, start: number, end: number): Promise<void> | undefined {
    switch (bytes[start]) {
      case MESSAGE.insert:
        this.#insert(bytes, start, end);
        return undefined;
      case MESSAGE.update:
        this.#update(bytes, start, end);
        return undefined;
      case MESSAGE.delete:
        this.#delete(bytes, start, end);
        return undefined;
      default:
        return this.#readRare(bytes.subarray(start, end));
    }
  }

  #readRare(bytes: Buffer): Promise<void> | undefined {
    switch (bytes[0]) {
      case MESSAGE.begin:
        this.#begin(bytes);
        return undefined;
      case MESSAGE.commit:
        this.#commit(bytes);
        return undefined;
      case MESSAGE.relation:
        return this.#relation(bytes);
      case MESSAGE.truncate:
        this.#truncate(bytes);
        return undefined;
      case MESSAGE.message:
        this.#hooks.onMessage(parseLogicalMessage(bytes));
        return undefined;
      case MESSAGE.type:
      case MESSAGE.origin:
        return undefined;
      default:
        throw new CdcError('PARSE_FAILED', `The replication stream has a message of an unknown kind (${bytes[0]}).`);
    }
  }

  #begin(bytes: Buffer): void {
    const { commitLsn, committedAtMicros, xid } = parseBegin(bytes);
    this.#xid = xid;
    this.#committedAtMicros = committedAtMicros;
    this.#transaction = formatLsn(commitLsn);
    this.#ordinal = 0;
    this.#isOpen = true;
    this.#push({ kind: 'begin', xid: String(xid), committedAtMicros, position: this.#position() }, 0);
  }

  #commit(bytes: Buffer): void {
    const { endLsn, committedAtMicros } = parseCommit(bytes);
    this.#ordinal++;
    this.#isOpen = false;
    this.#push({ kind: 'commit', xid: String(this.#xid), committedAtMicros, position: this.#position() }, 0);
    this.#hooks.onCommit(this.#transaction, this.#ordinal, formatLsn(endLsn));
  }

  #relation(bytes: Buffer): Promise<void> | undefined {
    const message = parseRelation(bytes);
    const name = `${message.schema}.${message.name}`;
    const stop = this.#hooks.stopOf(name);
    if (stop !== undefined && comparePositions(this.nextPosition, stop) >= 0) {
      this.stop(message.id, name);
      return undefined;
    }
    const take = (relation: Relation | null) => {
      this.#relations.set(message.id, relation);
      if (stop !== undefined) this.#stopsAhead.set(message.id, stop);
    };
    const refuse = (error: unknown) => {
      if (!stopsTable(error)) throw error;
      this.#stopTable(message.id, String(error.context['table'] ?? name), error);
    };
    try {
      const resolved = this.#hooks.resolve(message, this.#xid);
      if (resolved instanceof Promise) return resolved.then(take, refuse);
      take(resolved);
    } catch (error) {
      refuse(error);
    }
    return undefined;
  }

  #insert(bytes: Buffer, start: number, end: number): void {
    const relation = this.#relationAt(bytes, start);
    if (relation === null) return this.#pass(bytes.readUInt32BE(start + 1));
    const after = relation.readTuple(bytes, start + TUPLE_AT, end, this.#writer);
    this.#change('insert', relation, null, after);
  }

  #update(bytes: Buffer, start: number, end: number): void {
    const relation = this.#relationAt(bytes, start);
    if (relation === null) return this.#pass(bytes.readUInt32BE(start + 1));
    const oldAt = start + TUPLE_AT;
    const mark = bytes[oldAt - 1];
    const before = mark === TUPLE.new ? null : relation.readTuple(bytes, oldAt, end, this.#writer);
    const newAt = before === null ? oldAt : relation.end + 1;
    const after = relation.readTuple(bytes, newAt, end, this.#writer, before);
    if (after.unchanged === null || before === null) return this.#change('update', relation, before, after);
    const completed = mark === TUPLE.old ? this.#complete(before, after) : after;
    const isKeyChanged = completed.unchanged !== null && before.keyText() !== after.keyText();
    if (isKeyChanged) this.#needRow(bytes, oldAt, newAt, relation);
    this.#change('update', relation, before, completed);
  }

  #delete(bytes: Buffer, start: number, end: number): void {
    const relation = this.#relationAt(bytes, start);
    if (relation === null) return this.#pass(bytes.readUInt32BE(start + 1));
    this.#change('delete', relation, relation.readTuple(bytes, start + TUPLE_AT, end, this.#writer), null);
  }

  #truncate(bytes: Buffer): void {
    for (const id of parseTruncate(bytes).relationIds) {
      const relation = this.#relationOf(id);
      if (relation === null) this.#pass(id);
      else this.#ordinal++;
      if (relation === null || !this.#hooks.onTruncate(this.#xid, this.#transaction, relation)) continue;
      this.#push({ kind: 'truncate', table: relation.table, position: this.#position(), committedAtMicros: this.#committedAtMicros, version: 0 }, 0);
    }
  }

  #change(kind: RowRecord['kind'], relation: Relation, before: Row | null, after: Row | null): void {
    this.#ordinal++;
    if (before !== null && !this.#hooks.onChange(this.#xid, this.#transaction, relation, before)) return;
    if (after !== null && !this.#hooks.onChange(this.#xid, this.#transaction, relation, after)) return;
    const bytes = (before?.byteLength ?? 0) + (after?.byteLength ?? 0);
    this.#push({ kind, table: relation.table, before, after, position: this.#position(), committedAtMicros: this.#committedAtMicros, version: 0 }, bytes);
  }

  /** A change that is not wanted, or of a table that has stopped. */
  #pass(id: number): void {
    this.#ordinal++;
    const stopped = this.#stopped.size === 0 ? undefined : this.#stopped.get(id);
    if (stopped !== undefined) stopped.count++;
  }

  #needRow(bytes: Buffer, oldAt: number, newAt: number, relation: Relation): void {
    const old = relation.keyTexts(bytes, oldAt);
    const key = relation.keyTexts(bytes, newAt).map((text, place) => text ?? old[place] ?? '');
    this.incomplete.push({ index: this.records.length, xid: this.#xid, relation, key });
  }

  /** Values that were not sent, from the whole old row. */
  #complete(before: Row, after: Row): Row {
    const known = before.values();
    const values = after.values().map((value, index) => (value === UNCHANGED ? (known[index] ?? null) : value));
    return this.#writer.row(after.table, values);
  }

  #push(record: CdcRecord, bytes: number): void {
    this.records.push(record);
    this.bytes += bytes + RECORD_OVERHEAD_BYTES;
  }

  #position() {
    return { transaction: this.#transaction, ordinal: this.#ordinal };
  }

  #relationAt(bytes: Buffer, start: number): Relation | null {
    return this.#relationOf(bytes.readUInt32BE(start + 1));
  }

  #relationOf(id: number): Relation | null {
    if (this.#stopsAhead.size > 0) this.#stopIfReached(id);
    const relation = this.#relations.get(id);
    if (relation === undefined) throw this.#unknownRelation(id);
    return relation;
  }

  #stopIfReached(id: number): void {
    const stop = this.#stopsAhead.get(id);
    if (stop !== undefined && comparePositions(this.nextPosition, stop) >= 0) this.stop(id, this.#relations.get(id)?.table.qualifiedName ?? String(id));
  }

  #unknownRelation(id: number): CdcError {
    return new CdcError('PARSE_FAILED', `The replication stream is broken: a change of table ${id} came before its description.`);
  }
}
