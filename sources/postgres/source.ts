import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Client } from 'pg';
import type { ConnectorContext } from '../../shared/connector/connector.ts';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint, Emit, RecordBatch, Signal, SlotHealth, SnapshotProgress, Source, SourceLag } from '../../shared/connector/source.ts';
import { carryingOf, type StoppedTables, stopsTable } from '../../shared/connector/stopped-table.ts';
import { CdcError, isCdcError } from '../../shared/errors/cdc-error.ts';
import type { CdcRecord, RowRecord } from '../../shared/record/record.ts';
import type { SourcePosition } from '../../shared/record/position.ts';
import type { TableRef, TableSchema } from '../../shared/record/table-schema.ts';
import { type CatalogTable, topicKeyOf } from './catalog.ts';
import { ChangeReader, type IncompleteRecord } from './change-reader.ts';
import { connect, disconnect, toPostgresError, withClient } from './client.ts';
import { matchesPattern, type PostgresSourceConfig } from './config.ts';
import { LogProgress, parseLogPlace } from './log-place.ts';
import { formatBigLsn, formatLsn, type LogicalMessage, parseLsn } from './parser.ts';
import { PartitionWatch } from './partition-watch.ts';
import { assertStillPublished } from './publication.ts';
import { ReplicationStream } from './replication.ts';
import { rereadRow } from './reread.ts';
import { findProblems, planAnew, prepare, readTables } from './setup.ts';
import { readSlotHealth } from './slot-health.ts';
import { type SnapshotBatch, Snapshotter } from './snapshot.ts';
import { letGo, lostWhileStreaming } from './slot-setup.ts';
import { planSnapshot, STARTS_OVER, withoutFirst } from './snapshot-plan.ts';
import { WRITE_MARK } from './statements.ts';
import { needsText, readAsTextFromNowOn } from './stream-form.ts';
import { TableStops } from './table-stops.ts';
import { LOOK_INTERVAL_MS, TableWatch } from './table-watch.ts';
import { TableVersions } from './table-versions.ts';
import { isVisible, parseVisibility, SEEN_NOW } from './visibility.ts';

/** Between two looks whether a transaction is visible. */
const LONGEST_WAIT_MS = 2000;
/** Records are handed on once they weigh this much, and at the latest when the socket has nothing more. */
const BATCH_BYTES = 256 * 1024;
/** A quiet log that has moved on so far is confirmed by the server's signs of life, at most so often. */
const PLACE_BYTES = 8192n;
const PLACE_INTERVAL_MS = 10_000;

interface CommitEnd {
  readonly transaction: string;
  readonly ordinal: number;
  readonly endLsn: bigint;
}

/** Streams a PostgreSQL database by logical replication (pgoutput), with a snapshot beside the stream. */
export class PostgresSource implements Source {
  readonly name: string;
  #config: PostgresSourceConfig;
  readonly #context: ConnectorContext;
  readonly #commits: CommitEnd[] = [];
  readonly #started = Promise.withResolvers<Snapshotter>();
  readonly #failure = Promise.withResolvers<never>();
  readonly #reader: ChangeReader;
  #tables: TableVersions | undefined;
  #stops: TableStops;
  #confirmedAtStart = 0n;
  #log: LogProgress | undefined;
  /** Where the stored position was at the start. */
  #begin = '';
  #placeStoredAt = 0;
  /** Written into the log once the tables were looked at. */
  readonly #startMark = randomUUID();
  #missed: readonly TableRef[] = [];
  /** Tables that were stopped, and are so no longer. */
  #lifted: readonly TableRef[] = [];
  /** The same by name, and those that go on with the next set-up. */
  readonly #goingOn = new Set<string>();
  #stream: ReplicationStream | undefined;
  #snapshotter: Snapshotter | undefined;
  #client: Client | undefined;
  #emit: Emit | undefined;
  #position: SourcePosition | null = null;
  #acknowledged: SourcePosition | null = null;
  #heartbeatTimer: NodeJS.Timeout | undefined;
  #watchTimer: NodeJS.Timeout | undefined;
  #watch: TableWatch | undefined;
  #flushTimer: NodeJS.Immediate | undefined;
  /** How many things reading waits for. */
  #suspensions = 0;
  #isStopped = false;

  constructor(config: PostgresSourceConfig, context: ConnectorContext) {
    this.name = config.name;
    this.#config = config;
    this.#context = context;
    this.#failure.promise.catch(() => undefined);
    this.#stops = new TableStops({}, carryingOf(config.settings));
    this.#reader = new ChangeReader({
      resolve: (message, xid) => this.#requireTables().resolve(message, xid),
      stopOf: (table) => this.#stops.positionOf(table),
      onStop: (table, position, error) => this.#onStop(table, position, error),
      onMessage: (message) => this.#onMessage(message),
      onChange: (xid, position, relation, row) => this.#snapshotter?.touch(xid, position, relation.table, row) ?? true,
      onTruncate: (xid, position, relation) => this.#snapshotter?.truncate(xid, position, relation.table) ?? true,
      onCommit: (transaction, ordinal, endLsn) => this.#onCommit({ transaction, ordinal }, endLsn),
    });
  }

  async validate(): Promise<readonly Finding[]> {
    return withClient(this.#config, (client) => findProblems(client, this.#config));
  }

  async tables(): Promise<readonly TableSchema[]> {
    return withClient(this.#config, (client) => readTables(client, this.#config));
  }

  leaveOut(tables: readonly string[]): void {
    this.#config = { ...this.#config, leftOut: new Set(tables) };
  }

  async beginAnew(from: Checkpoint): Promise<SnapshotProgress | undefined> {
    return withClient(this.#config, (client) => planAnew(client, this.#config, from, this.#context.log));
  }

  async setup(from: Checkpoint): Promise<readonly TableSchema[]> {
    return withClient(this.#config, async (client) => {
      const { tables, rules, published, isAnew, server, identity, confirmedLsn } = await prepare(client, this.#config, from, this.#context.log);
      this.#confirmedAtStart = confirmedLsn;
      this.#log = new LogProgress(server, identity, readUpTo(from, isAnew, formatBigLsn(confirmedLsn)), parseLogPlace(from.log)?.horizon);
      this.#stops = new TableStops(from.stopped ?? {}, carryingOf(this.#config.settings));
      this.#lifted = this.#liftStops(tables, isAnew);
      this.#missed = [...published, ...this.#lifted];
      this.#tables = new TableVersions(tables, rules, {
        clientThatSees: (xid) => this.#clientThatSees(xid),
        announce: (table) => this.#reader.announce(table),
        mayBeBinary: !needsText(this.#config.settings),
        needText: () => readAsTextFromNowOn(this.#config.settings),
      });
      return this.#tables.schemas;
    });
  }

  async start(from: Checkpoint, emit: Emit): Promise<void> {
    this.#emit = emit;
    this.#position = this.#acknowledged = from.position;
    this.#begin = from.position?.transaction ?? '';
    this.#placeStoredAt = Date.now();
    this.#client = await connect(this.#config);
    const { tables } = this.#requireTables();
    const going = this.#going(tables);
    const snapshotter = this.#createSnapshotter(from, going);
    this.#snapshotter = snapshotter;
    this.#started.resolve(snapshotter);
    try {
      await this.#storePlan(from);
      await this.#snapshotter?.readKeyless(going.filter((table) => topicKeyOf(table, this.#requireTables().rules).length === 0));
      await this.#streamFrom(from);
    } finally {
      await this.#close();
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#snapshotter?.stop();
    await this.#stream?.stop();
  }

  async signal(signal: Signal): Promise<void> {
    const snapshotter = await this.#started.promise;
    await snapshotter.signal(signal);
  }

  currentPosition(): SourcePosition | null {
    return this.#position;
  }

  acknowledge(position: SourcePosition): void {
    this.#acknowledged = position;
    let end: bigint | undefined;
    for (let first = this.#commits[0]; first !== undefined && isReached(first, position); first = this.#commits[0]) {
      end = first.endLsn;
      this.#commits.shift();
    }
    if (end !== undefined) this.#stream?.confirm(end);
  }

  stored(snapshot: SnapshotProgress): void {
    this.#snapshotter?.stored(snapshot);
  }

  stopped(tables: StoppedTables): void {
    for (const [name, stop] of Object.entries(tables)) {
      // What was committed before one was lifted still has it.
      if (this.#goingOn.has(name) || !this.#stops.adopt(name, stop)) continue;
      this.#snapshotter?.leaveOut(name);
      this.#passOver(name);
    }
  }

  #passOver(name: string): void {
    const id = this.#tables?.find(name)?.id;
    if (id !== undefined) this.#reader.stop(id, name);
  }

  async lag(): Promise<SourceLag> {
    const slot = await this.#slotHealth();
    const bytes = slot?.confirmed == null ? null : Math.max(0, slot.current - slot.confirmed);
    return { bytes, slot, passedOver: this.#reader.passedOver, missing: this.#watch?.missing };
  }

  /** Also while it does not stream: that is when a slot falls behind. */
  async #slotHealth(): Promise<SlotHealth | undefined> {
    const client = this.#client;
    if (client !== undefined) return readSlotHealth(client, this.#config.slot);
    return withClient(this.#config, (own) => readSlotHealth(own, this.#config.slot));
  }

  /** Tables that were taken out of TABLES are forgotten for good: they start anew when they come back. */
  async #storePlan({ snapshot }: Checkpoint): Promise<void> {
    const [plan, stopped] = [this.#snapshotter?.progress, this.#stops.take()];
    const isNew = plan !== undefined && snapshot !== null && !isDeepStrictEqual(plan, snapshot);
    if (isNew || stopped !== undefined) await this.#emitBatch({ records: [], bytes: 0, ...(isNew ? { snapshot: plan } : {}), stopped });
  }

  /**
   * Tables that were stopped under settings that have changed begin anew, with a truncate and a snapshot; those that are
   * not asked for any more are forgotten.
   */
  #liftStops(tables: readonly CatalogTable[], isAnew: boolean): readonly TableRef[] {
    const isAll = isAnew || this.#config.settings.ON_STOPPED_TABLE === 'snapshot';
    const names = isAll ? this.#stops.names : this.#stops.outdated;
    const lifted = tables.map(({ ref }) => ref).filter(({ schema, name }) => names.includes(`${schema}.${name}`));
    for (const { schema, name } of lifted) this.#lift(`${schema}.${name}`);
    for (const name of this.#stops.names) if (!this.#isAskedFor(name)) this.#stops.lift(name);
    return lifted;
  }

  /** Where a table was stopped before its first chunk, the stream may have published some of it: that does not count either. */
  #withLifted(snapshot: SnapshotProgress | null): SnapshotProgress | null {
    if (this.#lifted.length === 0) return snapshot;
    const lifted = this.#lifted.map(({ schema, name }) => [`${schema}.${name}`, STARTS_OVER] as const);
    return { ...snapshot, tables: { ...snapshot?.tables, ...Object.fromEntries(lifted) } };
  }

  #goOn(table: string): void {
    this.#goingOn.add(table);
    this.#stops.lift(table);
  }

  #lift(table: string): void {
    this.#goOn(table);
    if (this.#config.settings.SNAPSHOT_MODE !== 'never') return;
    this.#context.log.warn({ table }, 'the table goes on without what was passed over while it was stopped, since SNAPSHOT_MODE is never');
  }

  #isAskedFor(name: string): boolean {
    const dot = name.indexOf('.');
    const table = { schema: name.slice(0, dot), name: name.slice(dot + 1) };
    return this.#config.tablePatterns.some((pattern) => matchesPattern(pattern, table));
  }

  /** Without those that are stopped. */
  #going(tables: readonly CatalogTable[]): readonly CatalogTable[] {
    return tables.filter(({ ref }) => this.#stops.positionOf(`${ref.schema}.${ref.name}`) === undefined);
  }

  #onStop(table: string, position: SourcePosition, error: CdcError): void {
    this.#stops.stop(table, error, position);
    this.#snapshotter?.leaveOut(table);
  }

  /** What the snapshot cannot read of a table stops it on the stream too. Whether that was all that was wrong. */
  #onUnreadable(table: string, error: unknown): boolean {
    if (!stopsTable(error)) return false;
    this.#onStop(table, this.#reader.nextPosition, error);
    this.#passOver(table);
    return true;
  }

  async #streamFrom(from: Checkpoint): Promise<void> {
    if (this.#isStopped) return;
    const start = { confirmed: this.#confirmedAtStart, isBinary: this.#requireTables().isBinary };
    const stream = new ReplicationStream(this.#config, start, {
      onMessage: (bytes, start, end) => this.#receive(bytes, start, end),
      onKeepalive: (endLsn, isAsked) => this.#onKeepalive(endLsn, isAsked),
    });
    this.#stream = stream;
    this.#watchTables(from);
    await this.#requireClient().query(WRITE_MARK, [startPrefix(this.#config), this.#startMark]);
    this.#heartbeatTimer = setInterval(() => void this.#beat(), this.#config.settings.HEARTBEAT_INTERVAL_MS);
    const snapshot = this.#runSnapshot().catch((error: unknown) => this.#fail(error));
    try {
      const streaming = stream.run(from.position?.transaction ?? '0/0').catch(async (error: unknown) => this.#explainLoss(error));
      await Promise.race([streaming, this.#failure.promise]);
    } finally {
      this.#snapshotter?.stop();
      await stream.stop();
      await snapshot;
    }
  }

  /**
   * A slot that was lost since it was looked at, or whose log needs a publication that was not there yet, is found so by the next
   * set-up. One that has a change which the server cannot send is as good as lost.
   */
  async #explainLoss(error: unknown): Promise<never> {
    if (!isCdcError(error, 'POSITION_LOST', 'VALUE_OUT_OF_RANGE') || error.context['sqlState'] === undefined) throw error;
    const { slot, settings } = this.#config;
    const isLetGo = settings.ON_SLOT_LOST === 'snapshot' && (await withClient(this.#config, async (client) => letGo(client, slot, error.context['sqlState'])));
    throw lostWhileStreaming(this.#config, error, isLetGo);
  }

  #watchTables(from: Checkpoint): void {
    if (this.#config.settings.SNAPSHOT_MODE === 'only') return;
    const watch = new TableWatch({ config: this.#config, log: this.#context.log, tables: this.#requireTables().tables });
    this.#watch = watch;
    const partitions = this.#watchPartitions(from);
    void this.#lookAtPartitions(partitions);
    this.#watchTimer = setInterval(() => void this.#lookAtTables(watch, partitions), LOOK_INTERVAL_MS);
  }

  #watchPartitions({ log }: Checkpoint): PartitionWatch {
    const { rules, tables } = this.#requireTables();
    return new PartitionWatch({
      config: this.#config,
      rules,
      log: this.#context.log,
      roots: this.#going(tables).filter(({ isPartitioned }) => isPartitioned),
      horizon: parseLogPlace(log)?.horizon,
      read: async (part) => this.#snapshotter?.readPart(part),
    });
  }

  /** What is to be read is in the progress before the horizon is: it is asked for again where the process ends in between. */
  async #lookAtPartitions(partitions: PartitionWatch): Promise<void> {
    try {
      await partitions.look(this.#requireClient());
      if (!this.#isStopped) this.#log?.see(partitions.horizon);
    } catch (error) {
      this.#context.log.debug({ err: error }, 'no look at the partitions');
    }
  }

  async #lookAtTables(watch: TableWatch, partitions: PartitionWatch): Promise<void> {
    try {
      await watch.look(this.#requireClient());
      await this.#lookAtPartitions(partitions);
    } catch (error) {
      if (isCdcError(error, 'SETUP_CHANGED')) this.#fail(error);
      // A broken connection shows on the stream as well.
      else this.#context.log.debug({ err: error }, 'no look at the tables');
    }
  }

  async #runSnapshot(): Promise<void> {
    if (this.#isOver(this.#snapshotter?.progress)) await this.stop();
    else await this.#snapshotter?.run();
  }

  /** With SNAPSHOT_MODE=only the last chunk ends the source. */
  #isOver(snapshot: SnapshotProgress | undefined): boolean {
    if (this.#config.settings.SNAPSHOT_MODE !== 'only' || snapshot === undefined) return false;
    return Object.values(snapshot.tables).every(({ state }) => state === 'done');
  }

  async #close(): Promise<void> {
    clearInterval(this.#heartbeatTimer);
    clearInterval(this.#watchTimer);
    clearImmediate(this.#flushTimer);
    if (this.#client !== undefined) await disconnect(this.#client);
    this.#client = undefined;
  }

  #createSnapshotter(from: Checkpoint, tables: readonly CatalogTable[]): Snapshotter {
    const isRead = this.#config.settings.SNAPSHOT_MODE !== 'never';
    return new Snapshotter({
      config: this.#config,
      rules: this.#requireTables().rules,
      log: this.#context.log,
      progress: isRead ? planSnapshot(tables, this.#withLifted(from.snapshot), this.#missed) : withoutFirst(from.snapshot),
      tables: () => this.#going(this.#requireTables().tables),
      stoppedTables: () => this.#requireTables().tables.filter(({ ref }) => this.#stops.positionOf(`${ref.schema}.${ref.name}`) !== undefined),
      lift: (names) => names.forEach((name) => this.#goOn(name)),
      adopt: (version) => this.#requireTables().adopt(version),
      publish: (batch) => this.#publishChunk(batch),
      emit: (batch) => this.#emitBatch(batch),
      mayHaveWriters: from.position !== null || from.snapshot !== null,
      onUnreadable: (table, error) => this.#onUnreadable(table, error),
    });
  }

  /** A chunk goes out behind all changes that came before its mark. */
  #publishChunk(batch: SnapshotBatch): void {
    this.#flush(batch);
  }

  #receive(bytes: Buffer, start: number, end: number): void {
    if (this.#isStopped) return;
    const suspended = this.#reader.read(bytes, start, end);
    if (suspended !== undefined) return this.#suspend(suspended);
    if (this.#reader.bytes >= BATCH_BYTES) this.#flush();
    else this.#flushTimer ??= setImmediate(() => this.#flush());
  }

  /** Reads no further until something is settled. */
  #suspend(until: Promise<unknown>): void {
    this.#suspensions++;
    this.#stream?.pause();
    until.then(
      () => this.#continue(),
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    this.#failure.reject(toPostgresError(error, 'asking the source'));
  }

  #continue(): void {
    if (--this.#suspensions === 0) this.#stream?.resume();
  }

  /** Hands on what was read, and a further batch behind it. */
  #flush(next?: RecordBatch): void {
    clearImmediate(this.#flushTimer);
    this.#flushTimer = undefined;
    const { records, incomplete, bytes } = this.#reader.take();
    const stopped = this.#stops.take();
    const stops = stopped && { records: [], bytes: 0, stopped, snapshot: this.#snapshotter?.progress };
    if (incomplete.length > 0) {
      const completed = this.#complete(records, incomplete).then(() => this.#handOn({ records, bytes }, stops, next));
      return this.#suspend(completed);
    }
    this.#handOn({ records, bytes }, stops, next);
  }

  #handOn(...batches: readonly (RecordBatch | undefined)[]): void {
    for (const [index, batch] of batches.entries()) {
      if (batch === undefined || isEmpty(batch)) continue;
      // What a snapshot hands on moves no position.
      const last = batch.snapshot === undefined ? batch.records.findLast(({ kind }) => kind !== 'schemaChange') : undefined;
      if (last !== undefined) this.#position = last.position;
      const wait = this.#emitBatch(batch);
      if (this.#isOver(batch.snapshot)) void (wait ?? Promise.resolve()).then(() => this.stop());
      if (wait !== undefined) return this.#suspend(wait.then(() => this.#handOn(...batches.slice(index + 1))));
    }
  }

  #emitBatch(batch: RecordBatch): Promise<void> | undefined {
    return this.#emit?.({ ...batch, log: this.#log?.text });
  }

  async #complete(records: CdcRecord[], incomplete: readonly IncompleteRecord[]): Promise<void> {
    const client = this.#requireClient();
    let seen = 0;
    for (const entry of incomplete) {
      if (entry.xid !== seen) await this.#untilVisible(client, entry.xid);
      seen = entry.xid;
      const record = records[entry.index] as RowRecord;
      const { ref, isPartitioned } = this.#requireTables().find(record.table.qualifiedName) ?? { ref: record.table.ref, isPartitioned: false };
      records[entry.index] = await rereadRow(client, record, entry, { ref, isPartitioned }).catch((error: unknown) => {
        // The row as it is by now cannot be carried: so the stream will find when it comes to that.
        if (!stopsTable(error)) throw error;
        return record;
      });
    }
  }

  #onMessage(message: LogicalMessage): void {
    const place = formatLsn(message.lsn);
    this.#reach(place, place);
    this.#snapshotter?.onMessage(message);
    if (message.prefix === heartbeatPrefix(this.#config)) this.#passPlace(place);
    else if (message.content === this.#startMark && message.prefix === startPrefix(this.#config)) this.#flush({ records: [], bytes: 0, isPastSetup: true });
  }

  #onCommit({ transaction, ordinal }: SourcePosition, end: string): void {
    this.#reach(transaction, end);
    this.#commits.push({ transaction, ordinal, endLsn: parseLsn(end) });
  }

  /**
   * What comes again after a restart says nothing new, and may have been confirmed without a trace by an earlier version; but of the
   * transaction in which it began only a part may have been published.
   */
  #reach(transaction: string, end: string): void {
    if (transaction >= this.#begin) this.#log?.reach(end);
  }

  /** Everything before this place of the log was handed on. */
  #passPlace(transaction: string): void {
    this.#commits.push({ transaction, ordinal: 0, endLsn: parseLsn(transaction) });
    this.#flush({ records: [{ kind: 'heartbeat', position: { transaction, ordinal: 0 } }], bytes: 0 });
  }

  /**
   * With nothing in hand, all that the server has sent up to here is durable: the log before it may go. It is confirmed as
   * anything else, once the topics have the place; every ten seconds at most, but for a server that asks.
   */
  #onKeepalive(endLsn: bigint, isAsked: boolean): boolean {
    if (this.#hasInHand || endLsn <= this.#confirmedLsn) return false;
    const isDue = endLsn - this.#confirmedLsn > PLACE_BYTES && Date.now() - this.#placeStoredAt > PLACE_INTERVAL_MS;
    if (!isDue && !isAsked) return false;
    this.#placeStoredAt = Date.now();
    const place = formatBigLsn(endLsn);
    this.#reach(place, place);
    this.#passPlace(place);
    return true;
  }

  get #confirmedLsn(): bigint {
    return this.#stream?.confirmedLsn ?? this.#confirmedAtStart;
  }

  get #hasInHand(): boolean {
    const isDurable = this.#position === null || (this.#acknowledged !== null && isReached(this.#position, this.#acknowledged));
    return !isDurable || this.#suspensions > 0 || this.#reader.isInTransaction || this.#reader.records.length > 0;
  }

  async #beat(): Promise<void> {
    try {
      await this.#client?.query(`SELECT pg_logical_emit_message(false, $1, '')`, [heartbeatPrefix(this.#config)]);
    } catch (error) {
      // A read-only server has no heartbeats; a broken connection shows on the stream as well.
      this.#context.log.debug({ err: error }, 'no heartbeat');
      return;
    }
    await this.#assertPublished();
  }

  async #assertPublished(): Promise<void> {
    const client = this.#client;
    if (client === undefined || this.#isStopped) return;
    try {
      const { tables, rules } = this.#requireTables();
      await assertStillPublished(client, this.#config.publication, { tables, rules, identity: this.#log?.publication });
    } catch (error) {
      if (!this.#isStopped) this.#fail(error);
    }
  }

  /** What is asked of it is answered as of after that transaction. */
  async #clientThatSees(xid: number): Promise<Client> {
    const client = this.#requireClient();
    await this.#untilVisible(client, xid);
    return client;
  }

  async #untilVisible(client: Client, xid: number): Promise<void> {
    for (let waitMs = 2; !this.#isStopped; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const { rows } = await client.query<{ snapshot: string }>(SEEN_NOW);
      if (isVisible(parseVisibility(rows[0]?.snapshot ?? ''), xid)) return;
      if (waitMs === LONGEST_WAIT_MS)
        this.#context.log.info({ xid }, 'waiting for a transaction that is in the log and not yet visible: a synchronous standby may be slow, or gone');
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  #requireClient(): Client {
    if (this.#client === undefined) throw new CdcError('CONNECTION_LOST', 'The connection to the source is closed.');
    return this.#client;
  }

  #requireTables(): TableVersions {
    if (this.#tables === undefined) throw new CdcError('INVARIANT_BROKEN', 'start was called before setup.');
    return this.#tables;
  }
}

function isEmpty({ records, snapshot, stopped, isPastSetup }: RecordBatch): boolean {
  return records.length === 0 && snapshot === undefined && stopped === undefined && isPastSetup === undefined;
}

function isReached(end: SourcePosition, position: SourcePosition): boolean {
  return end.transaction < position.transaction || (end.transaction === position.transaction && end.ordinal <= position.ordinal);
}

/** How much of the log was read; undefined where an earlier version has not said. */
function readUpTo({ position, log }: Checkpoint, isAnew: boolean, confirmed: string): string | undefined {
  const end = parseLogPlace(log)?.end;
  if (isAnew || (position === null && end === undefined)) return confirmed;
  return end === undefined || end > confirmed ? end : confirmed;
}

function startPrefix(config: PostgresSourceConfig): string {
  return `dbmazz-start:${config.slot}`;
}

function heartbeatPrefix(config: PostgresSourceConfig): string {
  return `dbmazz-heartbeat:${config.slot}`;
}
