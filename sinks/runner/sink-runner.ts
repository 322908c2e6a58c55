import type { CommonSettings } from '../../shared/config/common-options.ts';
import type { SinkSettings } from '../../shared/config/sink-options.ts';
import type { SinkConnector } from '../../shared/connector/connector.ts';
import type { Sink } from '../../shared/connector/sink.ts';
import { type CdcError, isCdcError, toCdcError } from '../../shared/errors/cdc-error.ts';
import { throwIfErrors } from '../../shared/errors/throw-if-errors.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { failAt } from '../../shared/process/failpoint.ts';
import { keepTrying } from '../../shared/process/retry.ts';
import { pause } from '../../shared/process/run-process.ts';
import { DeadLetterQueue } from '../../topics/dead-letters.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { type AssignedPartition, type Delivery, type RefusedRecord, Subscriber } from '../../topics/subscriber.ts';
import type { Lane, LaneBatch } from './lane.ts';
import { Lanes } from './lanes.ts';
import type { SinkControl } from './sink-control.ts';
import type { SinkStatus } from './sink-status.ts';
import { storedOffsetsOf } from './stored-offsets.ts';
import { TableOperator } from './table-operator.ts';
import { TableWriter } from './table-writer.ts';

const STOP_FLUSH_LIMIT_MS = 7000;
const LONGEST_RETRY_MS = 15_000;
const REPEAT_LOG_MS = 60_000;
/** So long a rebalance waits for what is being written: well within the time after which the group takes us for dead. */
const LEAVE_LIMIT_MS = 5000;

/** Errors that speak of one table's records, not of the target as a whole: the other tables go on. */
const TABLE_ERRORS = [
  'RECORD_REJECTED',
  'VALUE_OUT_OF_RANGE',
  'SCHEMA_INCOMPATIBLE',
  'PARSE_FAILED',
  'TARGET_REFUSED',
  'TYPE_UNSUPPORTED',
  'TABLE_NOT_FOUND',
] as const;

export interface SinkRun {
  readonly connector: SinkConnector;
  readonly settings: CommonSettings & SinkSettings;
  readonly log: Logger;
  readonly status: SinkStatus;
  readonly control: SinkControl;
  readonly signal: AbortSignal;
}

/** Drives a sink until the signal; and anew after what trying again mends. */
export async function runSink(run: SinkRun): Promise<void> {
  const { log, signal, status } = run;
  const onError = (error: CdcError) => {
    status.failed(error);
    status.state = 'waiting';
    status.hasJoined = false;
  };
  await keepTrying(async (healthy) => new SinkRunner(run, healthy).run(), { log, signal, onError });
  status.state = 'stopped';
}

/**
 * One life of a sink: subscribe, gather batches a table, write them, commit their offsets.
 *
 * Each topic has a lane of its own: batches of one lane are written one after the other, lanes in parallel, and the
 * next batch gathers while one is written. A lane is flushed when it has FLUSH_SIZE records, when all lanes together
 * hold FLUSH_BYTES, or when its oldest record has waited FLUSH_INTERVAL_MS. Nothing more is read while the lanes that
 * run hold twice FLUSH_BYTES, or all lanes four times. Offsets are committed only after the target has the batch.
 * A table that fails holds back its own topic; the others go on.
 *
 * When the group gives its partitions out anew, what is being written is finished and committed first, and what has only
 * gathered is dropped: it comes again, to whoever has the partition then. A process that was held up for so long that the
 * group took it for dead may still write a batch that another one has, too: versions make the target ignore it.
 */
class SinkRunner {
  readonly #run: SinkRun;
  readonly #healthy: () => void;
  readonly #sink: Sink;
  readonly #subscriber: Subscriber;
  readonly #writer: TableWriter;
  readonly #deadLetters: DeadLetterQueue;
  readonly #lanes: Lanes;
  readonly #operator: TableOperator;
  readonly #failed = Promise.withResolvers<never>();
  readonly #stopped = new AbortController();
  readonly #said = new Map<string, number>();
  #room: PromiseWithResolvers<void> | undefined;
  /** Set while anything waits in a lane. */
  #flushTimer: NodeJS.Timeout | undefined;
  #generation = 0;

  constructor(run: SinkRun, healthy: () => void) {
    const { settings, connector, log, status, signal } = run;
    this.#run = run;
    this.#healthy = healthy;
    this.#failed.promise.catch(() => undefined);
    this.#lanes = new Lanes(settings.FLUSH_BYTES);
    this.#sink = connector.create(settings, { log });
    const groupId = `dbmazz.${settings.SINK_NAME}`;
    this.#deadLetters = new DeadLetterQueue(kafkaConfig(settings, groupId, log), settings.SINK_NAME);
    const onSetAside = (topic: string, error: CdcError) => log.warn({ err: error, topic, deadLetters: this.#deadLetters.topic }, 'a record was set aside');
    this.#writer = new TableWriter({ sink: this.#sink, settings, deadLetters: this.#deadLetters, onSetAside });
    this.#subscriber = new Subscriber({
      settings,
      groupId,
      patterns: settings.SINK_TOPICS,
      log,
      signal,
      handlers: {
        deliver: (delivery) => this.#deliver(delivery),
        refuse: (topic, error, refused) => void this.#refuse(this.#lanes.of(topic), error, refused),
        leaving: async () => this.#leaving(),
        ...storedOffsetsOf(this.#sink, log),
        reassigned: (partitions) => this.#reassigned(partitions),
        ends: (ends) => {
          for (const { topic, partition, offset } of ends) this.#lanes.of(topic).endsAt(partition, offset);
          status.measured();
        },
      },
    });
    const { control } = run;
    this.#operator = new TableOperator({ lanes: this.#lanes, subscriber: this.#subscriber, deadLetters: this.#deadLetters, control, log });
    status.lanes = this.#lanes.all;
  }

  async run(): Promise<void> {
    const { status } = this.#run;
    try {
      await this.#check();
      status.state = 'running';
      this.#run.control.onChange = () => this.#applyPause();
      this.#run.control.tables = this.#operator;
      await Promise.race([this.#subscriber.run(), this.#failed.promise]);
      await this.#finish();
    } finally {
      this.#run.control.tables = undefined;
      this.#stopped.abort();
      clearTimeout(this.#flushTimer);
      this.#room?.resolve();
      await this.#subscriber.close();
      await Promise.allSettled([...this.#lanes.values()].flatMap(({ writing }) => writing ?? []));
      await Promise.all([this.#sink.close().catch(() => undefined), this.#deadLetters.close()]);
    }
  }

  async #check(): Promise<void> {
    const findings = await this.#sink.validateConnection();
    for (const { severity, message, remedy } of findings) if (severity === 'warning') this.#run.log.warn({ remedy }, message);
    throwIfErrors(findings);
  }

  /** Writes and commits what has gathered, within the time that a stop may take. */
  async #finish(): Promise<void> {
    const deadline = pause(STOP_FLUSH_LIMIT_MS, this.#stopped.signal);
    const all = (async () => {
      for (const lane of this.#lanes.values()) if (lane.state === 'running') await lane.writing;
      await Promise.all([...this.#lanes.values()].map((lane) => this.#flush(lane)));
    })();
    await Promise.race([all, deadline]);
    this.#run.log.info('stopped; what was read is written');
  }

  #deliver(delivery: Delivery): Promise<void> | undefined {
    const lane = this.#lanes.of(delivery.topic);
    if (lane.state === 'stopped') return undefined;
    failAt('after-decode');
    lane.add(delivery, Date.now());
    this.#flushTimer ??= this.#flushLater();
    if (lane.count >= this.#run.settings.FLUSH_SIZE) void this.#flush(lane);
    if (!this.#lanes.isFull) return undefined;
    for (const each of this.#lanes.values()) void this.#flush(each);
    if (this.#lanes.hasRoom) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  #flushLater(): NodeJS.Timeout | undefined {
    if (this.#stopped.signal.aborted) return undefined;
    return setTimeout(() => this.#flushOld(), Math.max(10, Math.min(250, this.#run.settings.FLUSH_INTERVAL_MS / 4)));
  }

  #flushOld(): void {
    const now = Date.now();
    for (const lane of this.#lanes.values()) if (lane.age(now) >= this.#run.settings.FLUSH_INTERVAL_MS) void this.#flush(lane);
    this.#flushTimer = [...this.#lanes.values()].some(({ hasWork }) => hasWork) ? this.#flushLater() : undefined;
  }

  #flush(lane: Lane): Promise<void> {
    if (lane.writing !== undefined || !lane.hasWork || lane.state === 'stopped') return lane.writing ?? Promise.resolve();
    const batch = lane.take(this.#generation);
    lane.writing = this.#write(lane, batch)
      .catch((error: unknown) => this.#fail(lane, { error: toCdcError(error), batch }))
      .finally(() => this.#settled(lane));
    return lane.writing;
  }

  #settled(lane: Lane): void {
    lane.settle();
    this.#makeRoom();
    if (lane.count >= this.#run.settings.FLUSH_SIZE) void this.#flush(lane);
  }

  #makeRoom(): void {
    if (this.#room === undefined || !this.#lanes.hasRoom) return;
    this.#room.resolve();
    this.#room = undefined;
  }

  async #write(lane: Lane, batch: LaneBatch): Promise<void> {
    const startedAt = performance.now();
    const last = batch.records.at(-1);
    const written = batch.records.length === 0 ? undefined : await this.#writeUntilDone(lane, batch);
    if (written !== undefined) failAt('after-load-before-offsets');
    await this.#commit(lane, batch);
    if (written === undefined || last === undefined) return batch.release();
    failAt('after-offsets');
    lane.written += batch.records.length;
    lane.lastVersion = last.version;
    this.#run.status.wrote({
      records: batch.records.length,
      bytes: batch.bytes,
      committedAtMicros: last.committedAtMicros,
      seconds: (performance.now() - startedAt) / 1000,
    });
    batch.release();
    this.#healthy();
  }

  /** Tries again, with back-off, what trying again can mend; meanwhile the topic is held, and the other lanes go on. */
  async #writeUntilDone(lane: Lane, batch: LaneBatch) {
    for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, LONGEST_RETRY_MS)) {
      try {
        const written = await this.#writer.write(lane, batch);
        if (lane.state === 'retrying') this.#recovered(lane);
        return written;
      } catch (thrown) {
        const error = toCdcError(thrown);
        if (error.action !== 'retry' || this.#stopped.signal.aborted || this.#run.signal.aborted) throw error;
        this.#retrying(lane, error, waitMs);
        await pause(waitMs, this.#stopped.signal);
      }
    }
  }

  #retrying(lane: Lane, error: CdcError, retryMs: number): void {
    if (lane.state === 'running') this.#subscriber.hold(lane.topic);
    lane.state = 'retrying';
    lane.error = error;
    this.#run.status.failed(error);
    const saidAt = this.#said.get(error.code);
    if (saidAt !== undefined && Date.now() - saidAt < REPEAT_LOG_MS) return;
    this.#said.set(error.code, Date.now());
    this.#run.log.warn({ err: error, topic: lane.topic, retryMs }, `${error.message} Trying again until it works.`);
  }

  #recovered(lane: Lane): void {
    lane.state = 'running';
    lane.error = undefined;
    this.#said.clear();
    this.#subscriber.release(lane.topic);
    this.#run.log.info({ topic: lane.topic }, 'writing again');
  }

  async #commit(lane: Lane, batch: LaneBatch): Promise<void> {
    if (batch.generation !== this.#generation) return;
    lane.wroteUpTo(batch.offsets);
    const offsets = [...batch.offsets].map(([partition, offset]) => ({ topic: lane.topic, partition, offset }));
    try {
      await this.#subscriber.commit(offsets);
    } catch (error) {
      // After a rebalance the records come again, to whoever has the partition now: that changes nothing in the target.
      if (!isCdcError(error) || error.context['isRebalance'] !== true) throw error;
      this.#run.log.debug({ topic: lane.topic }, 'offsets came too late for the present generation of the group');
    }
  }

  #fail(lane: Lane, { error, batch }: { readonly error: CdcError; readonly batch: LaneBatch }): void {
    if (this.#stopped.signal.aborted) return;
    if (!isCdcError(error, ...TABLE_ERRORS)) this.#failed.reject(error);
    // What another process has now is for that one to tell.
    else if (batch.generation === this.#generation) this.#stopLane(lane, error, recordOf(error, batch));
    else this.#run.log.warn({ err: error, topic: lane.topic }, 'a batch of partitions that the group has given out anew was refused');
  }

  /** What was read before the record that cannot be read is written first. */
  async #refuse(lane: Lane, error: CdcError, refused: RefusedRecord): Promise<void> {
    const generation = this.#generation;
    await lane.writing;
    await this.#flush(lane);
    if (generation === this.#generation && lane.state !== 'stopped') this.#stopLane(lane, error, refused);
  }

  #stopLane(lane: Lane, error: CdcError, blocked: RefusedRecord | undefined): void {
    lane.state = 'stopped';
    lane.error = error;
    lane.blocked = blocked;
    lane.clear();
    this.#makeRoom();
    this.#subscriber.hold(lane.topic);
    this.#run.status.failed(error);
    this.#run.log.error({ err: error, topic: lane.topic }, 'this table is stopped; the others go on');
    // Where nobody can tell a table to go on, there is nothing to stay for once all have stopped.
    if (this.#lanes.allStopped && this.#run.settings.HTTP_PORT === 0) this.#failed.reject(error);
  }

  /** The partitions are about to be given out anew: ends what is being written, and drops the rest. */
  async #leaving(): Promise<void> {
    for (const lane of this.#lanes.values()) lane.clear();
    this.#room?.resolve();
    this.#room = undefined;
    const ends = new AbortController();
    const writing = [...this.#lanes.values()].flatMap(({ state, writing: promise }) => (state === 'running' ? (promise ?? []) : []));
    await Promise.race([Promise.allSettled(writing), pause(LEAVE_LIMIT_MS, AbortSignal.any([ends.signal, this.#stopped.signal]))]);
    ends.abort();
  }

  #reassigned(partitions: readonly AssignedPartition[]): void {
    this.#generation++;
    const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
    for (const topic of byTopic.keys()) this.#lanes.of(topic);
    for (const lane of this.#lanes.values()) {
      lane.assign(byTopic.get(lane.topic) ?? []);
      if (lane.state !== 'running') this.#subscriber.hold(lane.topic);
    }
    this.#run.status.assigned();
    this.#run.log.info({ topics: byTopic.size, partitions: partitions.length }, 'joined the consumer group');
    this.#healthy();
    this.#applyPause();
  }

  #applyPause(): void {
    const { control, status } = this.#run;
    status.state = control.isPaused ? 'paused' : 'running';
    for (const topic of this.#subscriber.topics) {
      if (control.isPaused) this.#subscriber.hold(topic);
      else if (this.#lanes.of(topic).state === 'running') this.#subscriber.release(topic);
    }
  }
}

/** The record that an error of a batch names. */
function recordOf({ context }: CdcError, { origins }: LaneBatch): RefusedRecord | undefined {
  return origins.find(context['partition'], context['offset']);
}
