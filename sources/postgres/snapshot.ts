import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import type { RangeProgress, Signal, SnapshotProgress, TableProgress } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { failAt } from '../../shared/process/failpoint.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowPages } from '../../shared/record/row-pages.ts';
import type { TableRef, TableSchema } from '../../shared/record/table-schema.ts';
import { ChunkWindow } from '../snapshot/chunk-window.ts';
import { addPart, applySignal, openTables, refuseTable, withTable } from '../snapshot/requests.ts';
import { RangeQueue } from '../snapshot/range-queue.ts';
import { type ReadUnderWay, ReadsUnderWay } from '../snapshot/reads-under-way.ts';
import { type CatalogTable, topicKeyOf, type SchemaRules, type TableVersion, toTableVersion } from './catalog.ts';
import { CHUNK_BYTES, type ChunkRows, copyReader, readAbsent, readChunk } from './chunk-reader.ts';
import { connect, disconnect, toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { isCopiedInBinary } from './binary-cells.ts';
import { copyOut } from './copy-out.ts';
import { type Barrier, barrierOf, isBehind, toNote } from './keyless.ts';
import { formatLsn, type LogicalMessage } from './parser.ts';
import type { TablePart } from './partition-watch.ts';
import { Relation } from './relation.ts';
import { isRefusal, judgeSignal } from './signals.ts';
import { BY_KEYS, keyOrder, parseName, planRanges, qualified, splitFile, writersAreOver } from './snapshot-plan.ts';
import { ReadRecords, type ReadRows, schemaRecord, truncateRecord } from './snapshot-records.ts';
import { buildCopyTable, READ_IN_ORDER, WRITE_MARK } from './statements.ts';
import { closeView, openView, type TableView } from './table-view.ts';
import { isVisible, parseVisibility, type Visibility } from './visibility.ts';

/** Before anything is known of the size of a table's rows. */
const FIRST_CHUNK_ROWS = 1000;
/** Rows of a table without a key are handed on in parts of this weight. */
const PART_BYTES = 256 * 1024;
/** After this long it is said what is waited for. */
const PATIENCE_MS = 10_000;
/** Where rows stand that were read before the stream began. */
const START = '00000000/00000000';

/** A range of a table, in a worker's hand. */
interface Task {
  readonly name: string;
  readonly queue: RangeQueue;
  readonly range: RangeProgress;
}

/** A table whose ranges a worker is to find out. */
interface PlanTask {
  readonly name: string;
  readonly queue: undefined;
}

interface Chunk extends Task {
  readonly id: string;
  /** Has all changes of the table since before the chunk was read. */
  readonly window: ChunkWindow | undefined;
  /** Undefined where the table is gone. */
  readonly read: ChunkRows | undefined;
  readonly visibility: Visibility;
  readonly underWay: ReadUnderWay;
  /** Resolves once its rows are durable, with what is then left of the range; or with all of it where they have to be read again. */
  readonly passed: PromiseWithResolvers<RangeProgress | undefined>;
}

interface HandedOn {
  readonly chunk: Chunk;
  /** What is then left of its range. */
  readonly rest: RangeProgress | undefined;
  /** Of the progress that has it first. */
  readonly age: number;
}

export interface SnapshotBatch {
  readonly records: CdcRecord[];
  readonly reads?: ReadRecords | undefined;
  readonly bytes: number;
  readonly snapshot: SnapshotProgress;
}

export interface SnapshotterOptions {
  readonly config: PostgresSourceConfig;
  readonly rules: SchemaRules;
  readonly log: Logger;
  readonly progress: SnapshotProgress;
  /** The tables of the source, as the catalogue has them, without those that have stopped. */
  readonly tables: () => readonly CatalogTable[];
  /** Those that have. */
  readonly stoppedTables: () => readonly CatalogTable[];
  /** Takes note that these go on. */
  readonly lift: (names: readonly string[]) => void;
  /** Whether changes may have been written to a table before they were published, by transactions that are not over. */
  readonly mayHaveWriters: boolean;
  /** The version of a table that is current on the stream, where this one says the same. */
  readonly adopt: (version: TableVersion) => TableVersion;
  /** Hands a finished chunk on, at its place in the stream. */
  readonly publish: (batch: SnapshotBatch) => void;
  /** Hands rows of a table without a key on, before the stream starts. */
  readonly emit: (batch: SnapshotBatch) => Promise<void> | undefined;
  /** Takes note of a table that cannot be read; false where the error is not the table's own. */
  readonly onUnreadable: (name: string, error: unknown) => boolean;
}

/**
 * Reads the tables while the stream goes on; `ChunkWindow` says how a chunk and the stream meet.
 *
 * A few workers, each with one connection and one chunk in flight until it is durable, share the ranges of the tables:
 * also those of one table. What is left of each range is stored together with the rows of its chunks, so a snapshot that was interrupted
 * goes on behind the last chunks that were published.
 *
 * A range follows the order of the key, or that in which rows lie in the table's file (`ctid`), which is quicker and
 * as quick for every key. There a row that is updated moves to another place, perhaps from a range that was not read
 * to one that was, and no range has it any more. That is right all the same:
 * - Whoever moves a row writes a change, and the ranges are planned when every change of the table is in the stream
 *   (the slot is there, the table is published, and no transaction is left that wrote to it before). So the stream has
 *   the row, where it stands in the log; and what lies behind the end of the file as it was planned is of such changes.
 * - The stream has it whole, for the file's order is taken only where the table holds no value that lies outside of its
 *   row (the log leaves those out of updates), or where the log has old rows whole (REPLICA IDENTITY FULL). A large
 *   value that is written later came with the change that wrote it. Should the identity change meanwhile, the table is
 *   planned anew.
 * - A row that moves to a range that is still to be read comes a second time, as the table then holds it.
 * - A table that is written anew (VACUUM FULL, CLUSTER, some ALTER TABLE, TRUNCATE) has another file. Each chunk looks,
 *   under a lock that keeps the file, whether it is still the one of its plan; if not, the table is planned anew.
 * - VACUUM moves no row.
 *
 * A table without a key offers nothing to tell rows apart by: it is read in one pass before the stream starts, and of
 * the stream's changes those are left out that this pass has seen. Interrupted, it starts over with a truncate. So does
 * a table that was read before and of which changes were missed since. There the truncate goes out at a mark of its own,
 * before the ranges are planned: what the stream brings behind it counts, and what it brought before has to be in the
 * table as the chunks read it.
 */
export class Snapshotter {
  readonly #options: SnapshotterOptions;
  /** Of the tables that are not done. */
  readonly #windows = new Map<string, ChunkWindow>();
  /** Of the tables that are planned and not done. */
  readonly #queues = new Map<string, RangeQueue>();
  /** Tables whose ranges a worker is about to find out. */
  readonly #planning = new Set<string>();
  readonly #rowLimits = new Map<string, number>();
  readonly #underWay = new ReadsUnderWay();
  readonly #chunks = new Map<string, Chunk>();
  /** What was published and is not durable yet, in its order. */
  readonly #handedOn: HandedOn[] = [];
  /** The order in which progress came about. */
  readonly #ages = new WeakMap<SnapshotProgress, number>();
  #age = 0;
  /** What is done at marks that are no chunk's. */
  readonly #changes = new Map<string, (position: string) => void>();
  readonly #barriers = new Map<string, Barrier>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #clients = new Set<Client>();
  readonly #workers = new Set<Promise<void>>();
  #isStarted = false;
  #isStopped = false;
  /** Nothing more is begun: the source is about to set up anew. */
  #isLeaving = false;
  #storedAge = 0;
  #waiting: { readonly age: number; readonly resolve: () => void } | undefined;
  #progress: SnapshotProgress;

  constructor(options: SnapshotterOptions) {
    this.#options = options;
    this.#progress = options.progress;
    this.#setProgress(options.progress);
    this.#failed.promise.catch(() => undefined);
  }

  get progress(): SnapshotProgress {
    return this.#progress;
  }

  get isDone(): boolean {
    return openTables(this.#progress).length === 0;
  }

  /** Notes a change that the stream has brought. False: the snapshot of a table without a key has it already. */
  touch(xid: number, commitPosition: string, table: TableSchema, row: Row): boolean {
    if (table.key.length === 0) return !this.#hasSeen(xid, commitPosition, table.qualifiedName);
    this.#windows.get(table.qualifiedName)?.touch(xid, row);
    return true;
  }

  /** The same of a TRUNCATE. */
  truncate(xid: number, commitPosition: string, table: TableSchema): boolean {
    if (table.key.length === 0) return !this.#hasSeen(xid, commitPosition, table.qualifiedName);
    this.#windows.get(table.qualifiedName)?.truncate(xid);
    return true;
  }

  /** A message of the log: where it is a chunk's mark, that chunk is handed on. */
  onMessage(message: LogicalMessage): void {
    if (message.prefix !== markPrefix(this.#options.config)) return;
    this.#changes.get(message.content)?.(formatLsn(message.lsn));
    const chunk = this.#chunks.get(message.content);
    if (chunk === undefined) return;
    failAt('after-mark-before-publish');
    this.#chunks.delete(chunk.id);
    this.#underWay.end(chunk.underWay);
    const isSeen = (xid: number) => isVisible(chunk.visibility, xid);
    const rows = this.#windows.get(chunk.name) === chunk.window ? chunk.window?.select<ReadRows>(chunk.read?.rows ?? [], isSeen) : undefined;
    for (const [name, window] of this.#windows) window.forget(this.#underWay.seenByAll(name, isSeen));
    if (rows === undefined) chunk.passed.resolve(this.#again(chunk));
    else this.#handOn(chunk, rows, formatLsn(message.lsn));
  }

  /** Reads all tables with a key; to be called while the stream runs. Resolves on `stop`. */
  async run(): Promise<void> {
    const open = openTables(this.#progress).length;
    if (open > 0) this.#options.log.info({ tables: open }, 'snapshot: reading tables beside the stream');
    this.#isStarted = true;
    this.#wake();
    await Promise.race([this.#failed.promise, this.#stopped.promise]).finally(() => this.stop());
    await Promise.all(this.#workers);
  }

  /** Reads the tables without a key; to be called before the stream starts. */
  async readKeyless(tables: readonly CatalogTable[]): Promise<void> {
    for (const { ref } of tables) {
      const name = qualified(ref);
      const { state = 'done' } = this.#progress.tables[name] ?? {};
      if (state === 'done') continue;
      await this.#withClient(async (client) => void (await this.#ifReadable(name, () => this.#copyKeyless(client, ref, name))));
    }
  }

  /** Reads no more of a table; what is left of its snapshot is forgotten. */
  leaveOut(name: string): void {
    const progress = refuseTable(this.#progress, name, `${name} was stopped`);
    const { [name]: _left, ...others } = progress.tables;
    this.#setProgress({ ...progress, tables: others });
    for (const chunk of this.#chunks.values()) {
      if (chunk.name !== name) continue;
      this.#chunks.delete(chunk.id);
      this.#underWay.end(chunk.underWay);
      chunk.passed.resolve(undefined);
    }
  }

  /**
   * Does what a signal asks for, at a place of the stream of its own. Tables that had stopped go on with the next set-up of the
   * source, which passes over their changes until then: so nothing is read of them before, and `SETUP_CHANGED` is thrown once it is stored.
   */
  async signal(signal: Signal): Promise<void> {
    await this.#withClient(async (client) => {
      const verdict = await judgeSignal(client, signal, this.#options);
      const { anew = [] } = 'refused' in verdict ? {} : verdict;
      const answer = 'refused' in verdict ? `refused: ${verdict.refused}` : 'taken';
      const age = await this.#changeAtMark(client, nothing, (progress) => {
        this.#isLeaving ||= anew.length > 0;
        this.#options.lift(anew);
        return applySignal(progress, signal, verdict, Date.now());
      });
      this.#options.log.info({ id: signal.id, type: signal.type, tables: signal.tables, answer }, 'a signal came');
      if (anew.length === 0) return;
      await this.#untilStored(age);
      throw new CdcError('SETUP_CHANGED', `${anew.join(', ')} had stopped, and is to go on behind a new snapshot.`);
    });
  }

  /** Reads a part of a table, once nothing else is read of the table. */
  async readPart(part: TablePart): Promise<void> {
    await this.#withClient(async (client) => void (await this.#changeAtMark(client, nothing, (progress) => addPart(progress, part, Date.now()))));
    if (this.#isStopped) throw new CdcError('CONNECTION_LOST', `The snapshot ended before ${part.id} was asked for.`);
  }

  /** Until progress of that age is durable. */
  async #untilStored(age: number): Promise<void> {
    if (this.#storedAge >= age) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { age, resolve };
    await Promise.race([promise, this.#stopped.promise]);
  }

  /** Chunks up to this progress are durable: their workers take the next ones. */
  stored(snapshot: SnapshotProgress): void {
    const age = this.#ages.get(snapshot) ?? 0;
    this.#storedAge = Math.max(this.#storedAge, age);
    if (this.#waiting !== undefined && this.#waiting.age <= age) this.#waiting.resolve();
    const behind = this.#handedOn.findIndex((entry) => entry.age > age);
    for (const { chunk, rest } of this.#handedOn.splice(0, behind < 0 ? Infinity : behind)) chunk.passed.resolve(rest);
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
    for (const chunk of this.#chunks.values()) chunk.passed.resolve(undefined);
    for (const { chunk } of this.#handedOn) chunk.passed.resolve(undefined);
    for (const client of this.#clients) void disconnect(client);
  }

  /** Sets workers on what can be read, as many as there may be. */
  #wake(): void {
    while (this.#isStarted && !this.#isStopped && this.#hasWork() && this.#workers.size < this.#workerLimit) {
      const worker = this.#withClient((client) => this.#work(client)).catch((error: unknown) => this.#failed.reject(error as Error));
      this.#workers.add(worker);
      void worker.then(() => {
        this.#workers.delete(worker);
        this.#wake();
      });
    }
  }

  get #workerLimit(): number {
    return this.#options.config.settings.SNAPSHOT_PARALLEL_WORKERS;
  }

  #hasWork(): boolean {
    if (this.#isLeaving || this.#progress.isPaused === true) return false;
    return openTables(this.#progress).some((name) => !this.#planning.has(name) && this.#queues.get(name)?.hasFree !== false);
  }

  async #work(client: Client): Promise<void> {
    await client.query(READ_IN_ORDER);
    for (let task = this.#take(); task !== undefined && !this.#isStopped; task = this.#take()) {
      const taken = task;
      const isDone = await this.#ifReadable(task.name, () => (taken.queue === undefined ? this.#plan(client, taken.name) : this.#readRange(client, taken)));
      if (!isDone) return;
    }
  }

  /** False where the table cannot be read; then the connection is in the midst of something, and of no further use. */
  async #ifReadable(name: string, read: () => Promise<void>): Promise<boolean> {
    try {
      await read();
      return true;
    } catch (error) {
      if (this.#isStopped || !this.#options.onUnreadable(name, toPostgresError(error, `reading ${name}`))) throw error;
      this.#planning.delete(name);
      return false;
    }
  }

  /** The tables come one after the other, each with all workers. */
  #take(): Task | PlanTask | undefined {
    if (this.#isLeaving || this.#progress.isPaused === true) return undefined;
    for (const name of openTables(this.#progress)) {
      const queue = this.#queues.get(name);
      const range = queue?.take(splitFile(this.#workerLimit));
      if (queue !== undefined && range !== undefined) return { name, queue, range };
      if (queue !== undefined || this.#planning.has(name)) continue;
      this.#planning.add(name);
      return { name, queue: undefined };
    }
    return undefined;
  }

  /** Finds out the ranges of a table, or takes those that were left. Of one that is gone, its first chunk tells. */
  async #plan(client: Client, name: string): Promise<void> {
    const { rest: left = null, request, startsOver = false, keys, isPart = false } = this.#tableProgress(name) ?? {};
    const rest = startsOver ? null : (left ?? (keys === undefined ? null : [BY_KEYS]));
    let ranges = rest ?? [{ of: keyOrder([]), after: null, end: null }];
    const view = await openView(client, parseName(name));
    if (view !== undefined) {
      await closeView(client);
      if (startsOver) await this.#startOver(client, name, this.#versionOf(view).table);
      // Also of what the stream has brought already: a transaction keeps its locks until queries see it.
      if (this.#options.mayHaveWriters || request !== undefined) await this.#untilWritersAreOver(client, view.table);
      const key = topicKeyOf(view.table, this.#options.rules);
      ranges = rest ?? (isPart ? [{ of: keyOrder(key), after: null, end: null }] : await planRanges(client, view.table, key, this.#workerLimit));
    }
    this.#planning.delete(name);
    if (this.#windows.has(name)) this.#queues.set(name, new RangeQueue(ranges));
    this.#wake();
  }

  async #untilWritersAreOver(client: Client, table: CatalogTable): Promise<void> {
    const timer = setTimeout(() => {
      this.#options.log.info({ table: qualified(table.ref) }, 'snapshot: waiting for transactions that wrote to the table before it was published');
    }, PATIENCE_MS);
    await writersAreOver(client, table, () => this.#isStopped);
    clearTimeout(timer);
  }

  async #readRange(client: Client, { name, queue, range }: Task): Promise<void> {
    let rest: RangeProgress | undefined = range;
    while (rest !== undefined && !this.#isStopped && this.#progress.isPaused !== true) {
      const chunk: Chunk | undefined = await this.#readChunk(client, { name, queue, range: rest });
      if (chunk === undefined) return this.#planAnew(name, queue);
      this.#chunks.set(chunk.id, chunk);
      failAt('after-chunk-before-mark');
      await client.query(WRITE_MARK, [markPrefix(this.#options.config), chunk.id]);
      rest = await chunk.passed.promise;
    }
    if (rest !== undefined) queue.release(rest);
  }

  /** What was published of a table does not count: a truncate goes out, and who reads it has to see all that came before. */
  async #startOver(client: Client, name: string, table: TableSchema): Promise<void> {
    const records = (position: string) => (this.#tableProgress(name) === undefined ? [] : [schemaRecord(table, position), truncateRecord(table, position)]);
    await this.#changeAtMark(client, records, (progress) => {
      this.#windows.get(name)?.startOver();
      const before = progress.tables[name];
      return before === undefined ? progress : withTable(progress, name, { ...before, state: 'running', startsOver: false });
    });
  }

  /** Changes what is to be done, where the stream has come to: so that it is stored in its place. Gives the age of the progress that has it first. */
  async #changeAtMark(client: Client, records: (position: string) => CdcRecord[], change: (progress: SnapshotProgress) => SnapshotProgress): Promise<number> {
    const [id, passed] = [randomUUID(), Promise.withResolvers<number>()];
    this.#changes.set(id, (position) => {
      this.#changes.delete(id);
      const published = records(position);
      this.#setProgress(change(this.#progress));
      const age = this.#age;
      this.#options.publish({ records: published, bytes: 0, snapshot: this.#progress });
      this.#wake();
      passed.resolve(age);
    });
    await client.query(WRITE_MARK, [markPrefix(this.#options.config), id]);
    return (await Promise.race([passed.promise, this.#stopped.promise])) ?? 0;
  }

  #setProgress(progress: SnapshotProgress): void {
    this.#progress = progress;
    this.#ages.set(progress, ++this.#age);
    this.#openWindows();
  }

  /** A window for each table that is open, and none for others. */
  #openWindows(): void {
    const open = new Set(openTables(this.#progress));
    for (const name of open) if (!this.#windows.has(name)) this.#windows.set(name, new ChunkWindow());
    for (const name of this.#windows.keys()) {
      if (open.has(name)) continue;
      this.#windows.delete(name);
      this.#queues.get(name)?.clear();
      this.#queues.delete(name);
    }
  }

  /** The table is another one than that of the plan. What was published of it is right; where the rest lies is not known. */
  #planAnew(name: string, queue: RangeQueue): void {
    if (this.#queues.get(name) !== queue) return;
    this.#options.log.warn({ table: name }, 'snapshot: reading the table anew, since it was written to another file or has another key');
    queue.clear();
    this.#queues.delete(name);
    this.#setProgress({ ...this.#progress, tables: { ...this.#progress.tables, [name]: { ...this.#requireProgress(name), rows: 0, rest: null } } });
  }

  /** Undefined where the table has to be planned anew. */
  async #readChunk(client: Client, task: Task): Promise<Chunk | undefined> {
    const underWay = this.#underWay.begin(task.name);
    const window = this.#windows.get(task.name);
    const view = await openView(client, parseName(task.name));
    const visibility = parseVisibility(view?.snapshot ?? '');
    if (view !== undefined) this.#underWay.opened(underWay, (xid) => isVisible(visibility, xid));
    const read = view === undefined ? undefined : await this.#read(client, view, task).catch((error: unknown) => this.#refuse(client, task, underWay, error));
    if (view !== undefined) await closeView(client);
    if (view === undefined) this.#options.log.warn({ table: task.name }, 'snapshot: the table was dropped meanwhile');
    if (view === undefined || read !== undefined) return { ...task, id: randomUUID(), window, read, visibility, underWay, passed: Promise.withResolvers() };
    this.#underWay.end(underWay);
    return undefined;
  }

  /** A condition may be right in form and fail on a row: that ends its request and nothing else. */
  async #refuse(client: Client, { name, queue }: Task, underWay: ReadUnderWay, error: unknown): Promise<undefined> {
    const { where, keys } = this.#tableProgress(name) ?? {};
    if ((where === undefined && keys === undefined) || !isRefusal(error)) {
      this.#underWay.end(underWay);
      throw error;
    }
    await client.query('ROLLBACK');
    const sqlState = `(SQLSTATE ${String(error.code)})`;
    const reason = keys === undefined ? `its condition fails on a row of ${name} ${sqlState}` : `its keys are none of ${name} ${sqlState}`;
    queue.clear();
    this.#options.log.warn({ table: name, reason }, 'snapshot: a request cannot be done');
    await this.#changeAtMark(client, nothing, (progress) => refuseTable(progress, name, reason));
    return undefined;
  }

  async #read(client: Client, view: TableView, { name, range }: Task): Promise<ChunkRows | undefined> {
    const { keys } = this.#tableProgress(name) ?? {};
    if (keys !== undefined) return readAbsent(client, view, this.#versionOf(view), keys, this.#filterOf(name));
    const limit = this.#rowLimits.get(name) ?? Math.min(FIRST_CHUNK_ROWS, this.#options.config.settings.SNAPSHOT_CHUNK_SIZE);
    const where = bothOf(this.#filterOf(name), this.#tableProgress(name)?.where ?? null);
    const read = await readChunk(client, view, this.#versionOf(view), { range, limit, where });
    if (read !== undefined && read.rows.length > 0) this.#rowLimits.set(name, this.#limitFor(read.rows.byteLength / read.rows.length));
    return read;
  }

  #versionOf(view: TableView): TableVersion {
    const { table, columns } = this.#options.adopt(toTableVersion(view.table, this.#options.rules));
    return { table, columns: columns.filter(({ column }) => column >= 0) };
  }

  /** The rows that the publication has, and so the stream. */
  #filterOf(name: string): string | null {
    return this.#options.rules.published.get(name)?.filter ?? null;
  }

  #limitFor(rowBytes: number): number {
    // What comes beyond a chunk's weight is not kept, and read again: so of huge rows one at a time.
    const byBytes = Math.max(1, Math.floor(CHUNK_BYTES / Math.max(rowBytes, 1)));
    return Math.min(this.#options.config.settings.SNAPSHOT_CHUNK_SIZE, byBytes);
  }

  /** Publishes a chunk's rows together with what is then left. */
  #handOn(chunk: Chunk, rows: ReadRows, position: string): void {
    const { name, read } = chunk;
    const before = this.#requireProgress(name);
    const rest = moveOn(chunk);
    const isPlanned = this.#queues.get(name) === chunk.queue;
    this.#advance(name, {
      ...before,
      state: isPlanned && chunk.queue.isDone ? 'done' : 'running',
      rows: before.rows + (read?.rows.length ?? 0),
      rest: isPlanned ? chunk.queue.rest : null,
    });
    const records = read === undefined ? [] : [schemaRecord(read.table, position)];
    this.#handedOn.push({ age: this.#age, chunk, rest });
    const reads = new ReadRecords(rows, position, { areAbsent: read?.areAbsent });
    this.#options.publish({ records, reads, bytes: read?.rows.byteLength ?? 0, snapshot: this.#progress });
    if (this.isDone) this.#options.log.info('snapshot: done');
    else this.#wake();
  }

  #again({ name, queue, range }: Chunk): RangeProgress | undefined {
    if (!queue.has(range)) return undefined;
    this.#options.log.warn({ table: name }, 'snapshot: reading a chunk again, too many of its rows changed meanwhile');
    return range;
  }

  /** Undefined where the table is left out. */
  #tableProgress(name: string): TableProgress | undefined {
    return this.#progress.tables[name];
  }

  #requireProgress(name: string): TableProgress {
    return this.#progress.tables[name] as TableProgress;
  }

  #advance(name: string, table: TableProgress): void {
    this.#setProgress(withTable(this.#progress, name, table));
  }

  async #copyKeyless(client: Client, ref: TableRef, name: string): Promise<void> {
    const view = await openView(client, ref);
    if (view === undefined) return;
    const { table, columns } = this.#versionOf(view);
    const before = this.#requireProgress(name);
    const truncate = before.startsOver ? [truncateRecord(table, START)] : [];
    this.#advance(name, { ...before, state: 'running', rows: 0, startsOver: true, note: null });
    await this.#emit([schemaRecord(table, START), ...truncate]);
    const isBinaryRead = isCopiedInBinary(table, columns);
    const reader = copyReader(new Relation(table, columns), isBinaryRead);
    const names = columns.map((column) => column.name);
    let rows = new RowPages(table);
    let count = 0;
    const handOn = async () => {
      const reads = new ReadRecords(rows, START, { first: count });
      const { byteLength } = rows;
      count += rows.length;
      rows = new RowPages(table);
      this.#advance(name, { ...this.#requireProgress(name), rows: count });
      await this.#emit([], byteLength, reads);
    };
    await copyOut(client, buildCopyTable({ table: view.table, columns: names, where: this.#filterOf(name), isBinary: isBinaryRead }), {
      onRow: (bytes, start, end) => reader.read(bytes, start, end, rows),
      onPiece: () => (rows.byteLength < PART_BYTES ? undefined : handOn()),
    });
    await handOn();
    await closeView(client);
    this.#advance(name, { ...before, state: 'done', rows: count, rest: [], startsOver: false, note: toNote(view) });
    await this.#emit([]);
  }

  async #emit(records: CdcRecord[], bytes = 0, reads?: ReadRecords): Promise<void> {
    if (this.#isStopped) return;
    await Promise.race([this.#options.emit({ records, reads, bytes, snapshot: this.#progress }), this.#stopped.promise]);
  }

  #hasSeen(xid: number, commitPosition: string, name: string): boolean {
    const barrier = this.#barriers.get(name) ?? barrierOf(this.#progress.tables[name]);
    if (barrier === undefined) return false;
    this.#barriers.set(name, barrier);
    return isBehind(barrier, xid, commitPosition);
  }

  async #withClient(use: (client: Client) => Promise<void>): Promise<void> {
    if (this.#isStopped) return;
    const client = await connect(this.#options.config);
    this.#clients.add(client);
    try {
      await use(client);
    } catch (error) {
      if (!this.#isStopped) throw toPostgresError(error, 'reading the snapshot');
    } finally {
      this.#clients.delete(client);
      await disconnect(client);
    }
  }
}

const nothing = (): CdcRecord[] => [];

/** What rows have to meet, of the settings and of a request. */
function bothOf(filter: string | null, where: string | null): string | null {
  return filter === null || where === null ? (filter ?? where) : `(${filter}\n) AND (${where}\n)`;
}

/** The range of a published chunk, moved on; undefined at its end. */
function moveOn({ queue, range, read }: Chunk): RangeProgress | undefined {
  if (read === undefined) queue.clear();
  if (read === undefined || !queue.has(range)) return undefined;
  if (!read.isLast && read.last !== null) return queue.advance(range, read.last);
  queue.finish(range);
  return undefined;
}

export function markPrefix(config: PostgresSourceConfig): string {
  return `dbmazz-chunk:${config.slot}`;
}
