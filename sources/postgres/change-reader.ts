import { CdcError } from '../../shared/errors/cdc-error.ts';
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

/** What a record weighs in memory beside its rows' bytes. */
const RECORD_OVERHEAD_BYTES = 200;
/** Where the first tuple of a row change lies: behind the kind, the relation's id, and the tuple's mark. */
const TUPLE_AT = 6;

/** What the reader asks of its surroundings. */
export interface ReaderHooks {
  /** The rows' layout after a Relation message in a transaction; null for a table that was not asked for. A promise suspends reading. */
  resolve(message: RelationMessage, xid: number): Relation | null | Promise<Relation | null>;
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
 */
export class ChangeReader {
  readonly #hooks: ReaderHooks;
  readonly #writer = new RowWriter();
  readonly #relations = new Map<number, Relation | null>();
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

  /** Says that rows of a table have a new schema from here on. */
  announce(table: TableSchema): void {
    this.#push({ kind: 'schemaChange', table, position: this.#position() }, 0);
  }

  /**
   * Reads one message, from `start` to `end`. A promise means: hand in no more until it is resolved.
   * Throws `PARSE_FAILED`, `VALUE_OUT_OF_RANGE`.
   */
  read(bytes: Buffer, start = 0, end = bytes.length): Promise<void> | undefined {
    try {
      return this.#read(bytes, start, end);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new CdcError('PARSE_FAILED', 'The replication stream is broken: a message ends too early.', { cause: error });
    }
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
    const resolved = this.#hooks.resolve(message, this.#xid);
    if (!(resolved instanceof Promise)) {
      this.#relations.set(message.id, resolved);
      return undefined;
    }
    return resolved.then((relation) => void this.#relations.set(message.id, relation));
  }

  #insert(bytes: Buffer, start: number, end: number): void {
    const relation = this.#relationAt(bytes, start);
    if (relation === null) return this.#pass();
    const after = relation.readTuple(bytes, start + TUPLE_AT, end, this.#writer);
    this.#change('insert', relation, null, after);
  }

  #update(bytes: Buffer, start: number, end: number): void {
    const relation = this.#relationAt(bytes, start);
    if (relation === null) return this.#pass();
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
    if (relation === null) return this.#pass();
    this.#change('delete', relation, relation.readTuple(bytes, start + TUPLE_AT, end, this.#writer), null);
  }

  #truncate(bytes: Buffer): void {
    for (const id of parseTruncate(bytes).relationIds) {
      const relation = this.#relations.get(id);
      if (relation === undefined) throw this.#unknownRelation(id);
      this.#ordinal++;
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

  /** A change that is not wanted. */
  #pass(): void {
    this.#ordinal++;
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
    const id = bytes.readUInt32BE(start + 1);
    const relation = this.#relations.get(id);
    if (relation === undefined) throw this.#unknownRelation(id);
    return relation;
  }

  #unknownRelation(id: number): CdcError {
    return new CdcError('PARSE_FAILED', `The replication stream is broken: a change of table ${id} came before its description.`);
  }
}
