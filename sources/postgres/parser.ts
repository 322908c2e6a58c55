import { CdcError } from '../../shared/errors/cdc-error.ts';

/** Fields of a Relation message: a version of a table as the log has it from here on. */
export interface RelationMessage {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly replicaIdentity: string;
  readonly columns: readonly RelationMessageColumn[];
}

export interface RelationMessageColumn {
  readonly isKey: boolean;
  readonly name: string;
  readonly typeId: number;
  readonly typeModifier: number;
}

export interface BeginMessage {
  /** Where the commit record lies, as `hi` and `lo` halves of its LSN. */
  readonly commitLsn: Lsn;
  readonly committedAtMicros: number;
  readonly xid: number;
}

export interface CommitMessage {
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly committedAtMicros: number;
}

export interface LogicalMessage {
  readonly isTransactional: boolean;
  readonly lsn: Lsn;
  readonly prefix: string;
  /** As text; empty where it is longer than any that we write. */
  readonly content: string;
}

export interface TruncateMessage {
  readonly relationIds: readonly number[];
}

export interface Lsn {
  readonly high: number;
  readonly low: number;
}

/** Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's clock starts. */
export const EPOCH_MICROS = 946_684_800_000_000;

/** Of a logical message that may be one of ours: anybody may write others, of up to a gigabyte, and of any bytes. */
const LONGEST_CONTENT = 1024;

/** First bytes of the messages of pgoutput (PostgreSQL manual, 54.9 "Logical Replication Message Formats"). */
export const MESSAGE = {
  begin: 0x42,
  commit: 0x43,
  origin: 0x4f,
  relation: 0x52,
  type: 0x59,
  insert: 0x49,
  update: 0x55,
  delete: 0x44,
  truncate: 0x54,
  message: 0x4d,
} as const;

/** Marks before a tuple. */
export const TUPLE = { new: 0x4e, key: 0x4b, old: 0x4f } as const;

export function parseBegin(bytes: Buffer): BeginMessage {
  const reader = new MessageReader(bytes);
  return { commitLsn: reader.lsn(), committedAtMicros: reader.timestamp(), xid: reader.uint32() };
}

export function parseCommit(bytes: Buffer): CommitMessage {
  const reader = new MessageReader(bytes);
  reader.byte();
  return { commitLsn: reader.lsn(), endLsn: reader.lsn(), committedAtMicros: reader.timestamp() };
}

export function parseRelation(bytes: Buffer): RelationMessage {
  const reader = new MessageReader(bytes);
  const [id, schema, name] = [reader.uint32(), reader.text(), reader.text()];
  const replicaIdentity = String.fromCharCode(reader.byte());
  const columns = Array.from({ length: reader.uint16() }, () => ({
    isKey: (reader.byte() & 1) === 1,
    name: reader.text(),
    typeId: reader.uint32(),
    typeModifier: reader.int32(),
  }));
  // An empty schema name stands for pg_catalog.
  return { id, schema: schema === '' ? 'pg_catalog' : schema, name, replicaIdentity, columns };
}

export function parseTruncate(bytes: Buffer): TruncateMessage {
  const reader = new MessageReader(bytes);
  const count = reader.uint32();
  reader.byte();
  if (count > bytes.length) throw broken();
  return { relationIds: Array.from({ length: count }, () => reader.uint32()) };
}

export function parseLogicalMessage(bytes: Buffer): LogicalMessage {
  const reader = new MessageReader(bytes);
  const isTransactional = (reader.byte() & 1) === 1;
  const [lsn, prefix] = [reader.lsn(), reader.text()];
  return { isTransactional, lsn, prefix, content: reader.sizedText(LONGEST_CONTENT) };
}

/** `XXXXXXXX/XXXXXXXX`: PostgreSQL takes it as an LSN, and later ones compare greater as text. */
export function formatLsn({ high, low }: Lsn): string {
  return `${hex8(high)}/${hex8(low)}`;
}

export function parseLsn(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function toBigLsn({ high, low }: Lsn): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

export function formatBigLsn(lsn: bigint): string {
  return formatLsn({ high: Number(lsn >> 32n), low: Number(lsn & 0xffffffffn) });
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

function broken(cause?: unknown): CdcError {
  return new CdcError('PARSE_FAILED', 'The replication stream is broken: a message ends too early.', { cause });
}

/** Reads the fixed fields of a message behind its first byte. Throws `PARSE_FAILED` at its end. */
class MessageReader {
  readonly #bytes: Buffer;
  #at = 1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw broken();
    return value;
  }

  uint16(): number {
    return this.#read(2, (at) => this.#bytes.readUInt16BE(at));
  }

  uint32(): number {
    return this.#read(4, (at) => this.#bytes.readUInt32BE(at));
  }

  int32(): number {
    return this.#read(4, (at) => this.#bytes.readInt32BE(at));
  }

  lsn(): Lsn {
    return { high: this.uint32(), low: this.uint32() };
  }

  timestamp(): number {
    return Number(this.#read(8, (at) => this.#bytes.readBigInt64BE(at))) + EPOCH_MICROS;
  }

  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw broken();
    const text = this.#bytes.utf8Slice(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** Passes over what is longer than `longest`. */
  sizedText(longest: number): string {
    const length = this.uint32();
    return this.#read(length, (at) => (length > longest ? '' : this.#bytes.utf8Slice(at, at + length)));
  }

  #read<T>(size: number, read: (at: number) => T): T {
    if (this.#at + size > this.#bytes.length) throw broken();
    const value = read(this.#at);
    this.#at += size;
    return value;
  }
}
