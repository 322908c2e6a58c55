import type { CommonSettings } from '../../shared/config/common-options.ts';
import type { SourceSettings } from '../../shared/config/source-options.ts';
import type { SourceConnector } from '../../shared/connector/connector.ts';
import type { Finding } from '../../shared/connector/finding.ts';
import type { Checkpoint, Emit, Source } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { throwIfErrors } from '../../shared/errors/throw-if-errors.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { failAt } from '../../shared/process/failpoint.ts';
import { keepTrying } from '../../shared/process/retry.ts';
import { Publisher } from '../../topics/publisher.ts';
import { LagWatch } from './lag-watch.ts';
import { describePace } from './snapshot-pace.ts';
import { followSignals } from './signal-loop.ts';
import { SlotWatch } from './slot-watch.ts';
import type { SourceStatus } from './source-status.ts';
import { StopLog } from './stop-log.ts';

/** How often it is said how far the snapshot is. */
const PACE_INTERVAL_MS = 10_000;
/** What a stop may take to publish what was read. */
const DRAIN_LIMIT_MS = 6000;

export interface SourceRun {
  readonly connector: SourceConnector;
  readonly settings: CommonSettings & SourceSettings;
  readonly version: string;
  readonly log: Logger;
  readonly status: SourceStatus;
  readonly gate: Gate;
  readonly signal: AbortSignal;
}

/** Lets operators hold the flow: nothing more is taken from the source while it is closed. */
export class Gate {
  #opened: PromiseWithResolvers<void> | undefined;

  close(): void {
    this.#opened ??= Promise.withResolvers();
  }

  open(): void {
    this.#opened?.resolve();
    this.#opened = undefined;
  }

  /** Undefined while open. */
  get passage(): Promise<void> | undefined {
    return this.#opened?.promise;
  }
}

/** Drives a source until the signal: check, set up, stream, publish, confirm; and anew after what trying again mends. */
export async function runSource(run: SourceRun): Promise<void> {
  const { log, signal, status } = run;
  const lag = new LagWatch(status, new SlotWatch(log, status.metrics));
  try {
    await keepTrying((healthy) => attempt(run, lag, healthy), { log, signal, onError: (error) => status.failed(error) });
  } finally {
    lag.stop();
  }
  status.state = 'stopped';
}

async function attempt(run: SourceRun, lag: LagWatch, healthy: () => void): Promise<void> {
  const { connector, settings, version, log, status, signal } = run;
  const source = connector.create(settings, { log });
  lag.of(source);
  const stops = new StopLog(log);
  const publisher = new Publisher({
    settings,
    connector: connector.connectorName,
    version,
    log,
    onCommitted: (commit) => {
      if (commit.position !== null) source.acknowledge(commit.position);
      if (commit.snapshot !== null) source.stored?.(commit.snapshot);
      source.stopped?.(commit.stopped);
      stops.tell(commit.stopped);
      status.committed(commit);
      healthy();
    },
  });
  try {
    const checkpoint = await unlessStopped(setUp(run, source, publisher), signal);
    stops.tell(checkpoint?.stopped ?? {});
    if (checkpoint !== undefined) await stream(run, lag, { source, publisher, checkpoint });
  } finally {
    await publisher.close();
  }
}

/** Everything before the first record; where the topics stand. */
async function setUp({ log, status }: SourceRun, source: Source, publisher: Publisher): Promise<Checkpoint> {
  source.leaveOut?.(await check(source, publisher, log));
  const checkpoint = await beginAnewIfLost(source, publisher, await publisher.open());
  status.resumed(checkpoint);
  const tables = await source.setup(checkpoint);
  failAt('after-setup');
  await publisher.addTables(tables);
  status.tables = tables.map(({ qualifiedName }) => qualifiedName);
  const isEmpty = checkpoint.position === null && checkpoint.snapshot === null;
  log.info({ tables: tables.length, position: checkpoint.position?.transaction ?? null }, isEmpty ? 'starting' : 'going on where the topics stand');
  return checkpoint;
}

/** What begins anew is stored as such before anything is made anew: a process that ends in between leaves no gap behind. */
async function beginAnewIfLost(source: Source, publisher: Publisher, checkpoint: Checkpoint): Promise<Checkpoint> {
  const snapshot = await source.beginAnew?.(checkpoint);
  if (snapshot === undefined) return checkpoint;
  void publisher.publish({ records: [], bytes: 0, snapshot })?.catch(() => undefined);
  await publisher.drain();
  return { ...checkpoint, snapshot };
}

/**
 * What is wrong with one table stops a first start. Later it stops that table, which the source then sees to; a table that is
 * new meanwhile is left out, as it would be had it come while the source ran. Gives those.
 */
async function check(source: Source, publisher: Publisher, log: Logger): Promise<readonly string[]> {
  const findings = await source.validate();
  assertFree(findings);
  for (const { severity, message, remedy } of findings) if (severity === 'warning') log.warn({ remedy }, message);
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.some(({ table, without }) => table === undefined && without === undefined)) throwIfErrors(findings);
  const checkpoint = errors.length === 0 ? undefined : await publisher.peek();
  if (checkpoint === undefined) throwIfErrors(findings);
  const ofNew = source.leaveOut === undefined ? [] : errors.filter((finding) => isOfNew(finding, checkpoint));
  throwIfErrors(errors.filter((finding) => !ofNew.includes(finding) && !isKnown(finding, checkpoint)));
  for (const { message, remedy, without: tables } of ofNew) log.warn({ remedy, tables }, `New tables are not taken yet. ${message}`);
  return ofNew.flatMap(({ without = [] }) => without);
}

/** Whether the finding is of tables alone that the source has not published yet. */
function isOfNew({ without, mayBeKnown = false }: Finding, checkpoint: Checkpoint | undefined): boolean {
  const isUnknown = (table: string) => checkpoint?.snapshot != null && !(table in checkpoint.snapshot.tables) && !(table in (checkpoint.stopped ?? {}));
  return without !== undefined && (!mayBeKnown || without.every(isUnknown));
}

/** Whether the finding is of a table that the source has published. */
function isKnown({ table }: Finding, checkpoint: Checkpoint | undefined): boolean {
  if (checkpoint === undefined || table === undefined) return false;
  return checkpoint.snapshot === null || table in checkpoint.snapshot.tables || table in (checkpoint.stopped ?? {});
}

/** Before the topics are taken over: a source that runs is not to be fenced by one that cannot read. */
function assertFree(findings: readonly Finding[]): void {
  const busy = findings.find(({ code }) => code === 'SLOT_IN_USE');
  if (busy !== undefined) throw new CdcError('SLOT_IN_USE', `${busy.message} ${busy.remedy}`);
}

/** Undefined when the signal comes first: what waits for a server, or for other transactions, is not waited for. */
async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = () => resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

interface Streaming {
  readonly source: Source;
  readonly publisher: Publisher;
  readonly checkpoint: Checkpoint;
}

async function stream({ status, signal, gate, log, settings }: SourceRun, lag: LagWatch, { source, publisher, checkpoint }: Streaming): Promise<void> {
  const stop = () => void source.stop();
  signal.addEventListener('abort', stop, { once: true });
  const paceTimer = setInterval(() => tellPace(status, log), PACE_INTERVAL_MS);
  const ended = new AbortController();
  const emit: Emit = (batch) => {
    failAt('after-read');
    const passage = gate.passage;
    return passage === undefined ? publisher.publish(batch) : passage.then(() => publisher.publish(batch));
  };
  try {
    status.state = 'streaming';
    void lag.look();
    const failed = publisher.failed.then((error) => Promise.reject(error));
    const signals = followSignals({ source, settings, checkpoint, log, signal: ended.signal }).then(() => failed);
    await Promise.race([source.start(checkpoint, emit), failed, signals]);
    const isDrained = await Promise.race([
      publisher.drain().then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, DRAIN_LIMIT_MS, false).unref()),
    ]);
    log.info(
      { position: source.currentPosition()?.transaction ?? null },
      isDrained ? 'stopped; everything read is published' : 'stopped; what was read and not published is read again at the next start',
    );
  } finally {
    signal.removeEventListener('abort', stop);
    clearInterval(paceTimer);
    ended.abort();
    await source.stop();
  }
}

function tellPace(status: SourceStatus, log: Logger): void {
  const pace = status.pace();
  if (pace !== undefined) log.info(pace, describePace(pace));
}
