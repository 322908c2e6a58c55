import type { SourcePosition } from '../record/position.ts';
import type { CdcRecord, RowRecord } from '../record/record.ts';
import type { TableSchema } from '../record/table-schema.ts';
import type { Finding } from './finding.ts';
import type { StoppedTable, StoppedTables } from './stopped-table.ts';

/** Where a source stands, as the log keeps it: written in the same Kafka transaction as the records it speaks of. */
export interface Checkpoint {
  /** Every record up to and including this position is in the topics; null before the first. */
  readonly position: SourcePosition | null;
  readonly snapshot: SnapshotProgress | null;
  /** Tables that are published no further. */
  readonly stopped?: StoppedTables | undefined;
  /** Which log the position is one of, and how much of it was read, as the source writes it down; opaque to all others. */
  readonly log?: string | undefined;
}

/** How far the snapshot is, by `schema.table`, and what was asked of it since. */
export interface SnapshotProgress {
  readonly tables: Readonly<Record<string, TableProgress>>;
  /** Whether an operator holds the snapshot; the stream goes on. */
  readonly isPaused?: boolean | undefined;
  /** The latest requests, and what has become of each. */
  readonly requests?: readonly SnapshotRequest[] | undefined;
  /** Signals before this place of their topic were taken. */
  readonly nextSignal?: number | undefined;
}

/** A request from the signals topic. */
export interface Signal {
  readonly id: string;
  /** `snapshot`, `pause`, `resume`, `stop`; anything else is refused. */
  readonly type: string;
  /** As in TABLES: `schema.table`, `*` allowed. Of a snapshot alone. */
  readonly tables: readonly string[];
  /** A condition on the rows, in the database's own language; null for all of them. */
  readonly where: string | null;
  /** Of a snapshot of one table, instead of a condition: keys of which a delete is published where the table has no such row. None for a read of rows. */
  readonly keys: readonly KeyTexts[];
  /** Its place in the topic. */
  readonly offset: number;
}

/** The columns of a key by name, in the database's own text form. */
export type KeyTexts = Readonly<Record<string, string>>;

/** What a source made of a signal. */
export interface SnapshotRequest {
  readonly id: string;
  readonly type: string;
  readonly state: 'waiting' | 'running' | 'done' | 'stopped' | 'refused';
  readonly tables: readonly string[];
  /** Those of them that had stopped: they begin anew, and nothing else is read of them for it. */
  readonly anew?: readonly string[] | undefined;
  readonly where: string | null;
  /** Rows that were read for it; of one with keys, the deletes that were published. */
  readonly rows: number;
  /** Until it is over. */
  readonly keys?: readonly KeyTexts[] | undefined;
  /** Why it was refused. */
  readonly reason: string | null;
  readonly takenAtMs: number;
}

export interface TableProgress {
  readonly state: 'pending' | 'running' | 'done';
  readonly rows: number;
  /** The row count that the database's statistics expect; 0 where they say nothing. */
  readonly expectedRows: number;
  /** The parts that are still to be read; null before they are known. */
  readonly rest: readonly RangeProgress[] | null;
  /** What was published of it before does not count: a truncate comes first. */
  readonly startsOver: boolean;
  /** What else the source has to know of it; opaque to all others. */
  readonly note: string | null;
  /** The request for which it is read again. */
  readonly request?: string | undefined;
  readonly where?: string | undefined;
  /** It is not read, but asked for these rows: those that are not there are told as deleted. */
  readonly keys?: readonly KeyTexts[] | undefined;
  /** The condition is that of a partition, so the way to its rows is by key. */
  readonly isPart?: boolean | undefined;
}

/** A part of a table: what lies behind `after`, up to and including `end`; null for the beginning and the end of the table. */
export interface RangeProgress {
  /** In what order, as the source writes it down: of a key, or of the places in a file. */
  readonly of: string;
  readonly after: readonly string[] | null;
  readonly end: readonly string[] | null;
}

export interface RecordBatch {
  readonly records: readonly CdcRecord[];
  /** Rows of one table that a snapshot has read, behind the records: they may be many, so each becomes a record when it is come to. */
  readonly reads?: (Iterable<RowRecord> & { readonly length: number }) | undefined;
  /** What records and reads weigh, in bytes of their rows. */
  readonly bytes: number;
  /** Set where the batch moves the snapshot on: stored with the batch, whole or not at all. */
  readonly snapshot?: SnapshotProgress | undefined;
  /** Tables that stop behind these records, and, as null, those that begin anew with them: stored with the batch. */
  readonly stopped?: Readonly<Record<string, StoppedTable | null>> | undefined;
  /** Stored with the batch; see `Checkpoint`. */
  readonly log?: string | undefined;
  /** The log has come by the state of the tables that `setup` has told: no record of an older one follows. */
  readonly isPastSetup?: boolean | undefined;
}

/**
 * Hands a batch on, in order. Returns a promise when the source has to wait for it before the next call, undefined
 * when it may go on at once; so memory stays bounded by bytes from the broker back to the database's socket.
 */
export type Emit = (batch: RecordBatch) => Promise<void> | undefined;

/**
 * Reads one database's changes. The runner drives it, in this order: `validate`, `setup`, `start`, `stop`.
 *
 * - Records come in commit order, each transaction whole: `begin`, its changes, `commit`. Changes of tables that were
 *   not asked for do not come.
 * - After a restart from a position the same records come again with the same positions, from the beginning of the
 *   first transaction that is not wholly at or below it; the runner skips what is already in the topics.
 * - A value that the database did not send is unchanged, never null.
 * - A table's rows carry the schema that was in force when they were written to the log; a `schemaChange` comes before
 *   the first row of a new one.
 * - What cannot be carried stops its table and nothing else: the batch says so, and from that position on the table's
 *   changes are passed over and counted. After a restart the checkpoint's stopped tables stay stopped from their position
 *   on; what stands before it comes as it did.
 */
export interface Source {
  readonly name: string;

  /**
   * Checks connection, version, settings, rights and tables, and changes nothing. All findings at once.
   * Throws only when the check itself could not run: `CONNECTION_LOST`, `AUTH_FAILED`.
   */
  validate(): Promise<readonly Finding[]>;

  /** The tables that the settings ask for, as they are now. Changes nothing. */
  tables(): Promise<readonly TableSchema[]>;

  /** Takes none of these tables for now, though the settings ask for them: to be called before `beginAnew` and `setup`, with what findings name. */
  leaveOut?(tables: readonly string[]): void;

  /**
   * Where `setup` would find tables of which changes were missed, or all of them since the database can no longer go on from
   * the checkpoint and the settings say to begin anew: the snapshot that is to be stored before `setup` is called with it,
   * since what `setup` changes can be seen only once. Undefined for all else.
   */
  beginAnew?(from: Checkpoint): Promise<SnapshotProgress | undefined>;

  /** Creates what is missing in the database (publication, slot); repeating it changes nothing. The tables it found. */
  setup(from: Checkpoint): Promise<readonly TableSchema[]>;

  /**
   * Streams from the checkpoint until `stop` is called; then it resolves. Rejects with the coded error that ended it.
   * Calls `emit` one at a time.
   */
  start(from: Checkpoint, emit: Emit): Promise<void>;

  /**
   * Does what a signal asks for, while it streams: an answer stands in the progress of the snapshot, stored together with the
   * signal's place. Resolves when that was handed on. Signals come one at a time, in their order, from the stored place on.
   */
  signal?(signal: Signal): Promise<void>;

  /** Ends the stream and closes connections. What was emitted and not acknowledged will come again after a restart. */
  stop(): Promise<void>;

  /** The position of the last record emitted. */
  currentPosition(): SourcePosition | null;

  /** Everything up to and including this position is durable: the database may forget it. Never goes backwards. */
  acknowledge(position: SourcePosition): void;

  /** This progress of the snapshot is durable, with all records before it: what was in flight for it no longer is. */
  stored?(snapshot: SnapshotProgress): void;

  /** Tables of which nothing more is published, also for what the topics could not carry: nothing of them needs to be handed on. */
  stopped?(tables: StoppedTables): void;

  /** What the database still keeps for this source, for status and metrics. */
  lag(): Promise<SourceLag>;
}

export interface SourceLag {
  /** Bytes of log between what was acknowledged and the database's present end; null where unknown. */
  readonly bytes: number | null;
  /** Changes of stopped tables that were passed over since the start, by `schema.table`. */
  readonly passedOver?: Readonly<Record<string, number>> | undefined;
  /** Tables that are no longer there, by `schema.table`, and what has become of each. */
  readonly missing?: Readonly<Record<string, string>> | undefined;
  readonly slot?: SlotHealth | undefined;
}

/**
 * What the database keeps of its log for this source alone, and how long it will: where it may throw away what was not
 * read yet, the source is lost. Places are in bytes from the beginning of the log.
 */
export interface SlotHealth {
  readonly name: string;
  readonly isActive: boolean;
  /** Where the log ends, what is confirmed, and where the log that is kept begins; null where the database does not say. */
  readonly current: number;
  readonly confirmed: number | null;
  readonly restart: number | null;
  /** What may still be written before the slot is in danger; null where there is no limit, or it is lost. */
  readonly safeBytes: number | null;
  /** What the server is set to keep at most; null where there is no limit. */
  readonly budgetBytes: number | null;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly status: string | null;
  readonly invalidation: string | null;
  /** What to do when it falls behind. */
  readonly remedy: string;
}
