import type { Socket } from 'node:net';
import { LogicalReplicationService } from 'pg-logical-replication';
import pg, { type Client } from 'pg';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { clientConfig, toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { FrameReader } from './frame-reader.ts';
import { formatBigLsn, type Lsn, toBigLsn } from './parser.ts';

/** The server hears from us at least this often, or it takes us for dead (wal_sender_timeout, 60 s by default). */
const FEEDBACK_INTERVAL_MS = 5000;
/** A confirmed position is told to the server no more often than this. */
const CONFIRM_DELAY_MS = 200;
/** The server sends a sign of life twice per wal_sender_timeout; without one for this long it is gone. */
const SILENCE_LIMIT_MS = 120_000;

export interface ReplicationHandlers {
  /** One message of pgoutput, from `start` to `end` of memory that is not ours. A throw ends the stream with that error. */
  onMessage(bytes: Buffer, start: number, end: number): void;
  /**
   * The server has nothing more to send up to this place of its log; `isAsked` where it wants an answer, as one that shuts
   * down does until all of it is confirmed. True where `confirm` will follow with that place.
   */
  onKeepalive(endLsn: bigint, isAsked: boolean): boolean;
}

export interface StreamStart {
  /** What the slot has now: feedback must never go below it. */
  readonly confirmed: bigint;
  /** Whether values come in the binary form of their types. */
  readonly isBinary: boolean;
}

/** The driver's connection, as far as we reach into it. */
interface DriverConnection {
  readonly stream: Socket;
}

/**
 * The replication connection: starts the stream, hands on its messages, and confirms positions.
 *
 * The library's own acknowledging is off: it would confirm what it has received, and we confirm only what is durable.
 */
export class ReplicationStream {
  readonly #config: PostgresSourceConfig;
  readonly #handlers: ReplicationHandlers;
  readonly #isBinary: boolean;
  #service: LogicalReplicationService | undefined;
  readonly #failure = Promise.withResolvers<never>();
  #connection: DriverConnection | undefined;
  readonly #frames: FrameReader;
  /** The driver's own reader of frames. */
  #driverReads: (bytes: Buffer) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #confirmTimer: NodeJS.Timeout | undefined;
  #confirmed = 0n;
  #owesAnswer = false;
  #isStopped = false;
  #lastSignAt = Date.now();

  constructor(config: PostgresSourceConfig, { confirmed, isBinary }: StreamStart, handlers: ReplicationHandlers) {
    this.#config = config;
    this.#confirmed = confirmed;
    this.#isBinary = isBinary;
    this.#handlers = handlers;
    this.#failure.promise.catch(() => undefined);
    this.#frames = new FrameReader({
      onMessage: (bytes, start, end) => {
        if (!this.#isStopped) handlers.onMessage(bytes, start, end);
      },
      onKeepalive: (end, shouldRespond) => this.#keepalive(end, shouldRespond),
      onOther: (frame) => this.#driverReads(frame),
    });
  }

  /** Streams until `stop`; rejects with what ended it before. */
  async run(fromLsn: string): Promise<void> {
    const plugin = new PgOutputPlugin({ publication: this.#config.publication, isBinary: this.#isBinary }, (client) => this.#attach(client));
    try {
      const service = await this.#createService();
      if (this.#isStopped) return;
      await Promise.race([service.subscribe(plugin, this.#config.slot, fromLsn), this.#failure.promise]);
      if (!this.#isStopped) throw new CdcError('CONNECTION_LOST', 'The source ended the replication stream.');
    } catch (error) {
      if (!this.#isStopped) throw toPostgresError(error, 'streaming');
    } finally {
      this.#clearTimers();
      if (!this.#isStopped) this.#connection?.stream.destroy();
    }
  }

  pause(): void {
    if (this.#frames.isPaused) return;
    this.#frames.pause();
    this.#connection?.stream.pause();
  }

  resume(): void {
    if (!this.#frames.isPaused) return;
    this.#lastSignAt = Date.now();
    this.#read(() => this.#frames.resume());
    // What waited may have paused it again.
    if (!this.#frames.isPaused) this.#connection?.stream.resume();
  }

  /** Everything before this place may be forgotten. */
  confirm(lsn: bigint): void {
    if (lsn <= this.#confirmed) return;
    this.#confirmed = lsn;
    if (this.#owesAnswer) return this.#sendFeedback();
    this.#confirmTimer ??= setTimeout(() => {
      this.#confirmTimer = undefined;
      this.#sendFeedback();
    }, CONFIRM_DELAY_MS);
  }

  get confirmedLsn(): bigint {
    return this.#confirmed;
  }

  /** Tells the server what is confirmed, and ends the stream. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#clearTimers();
    this.resume();
    this.#sendFeedback();
    await this.#service?.destroy().catch(() => undefined);
  }

  async #createService(): Promise<LogicalReplicationService> {
    const service = new LogicalReplicationService(await clientConfig(this.#config), { acknowledge: { auto: false, timeoutSeconds: 0 } });
    service.on('error', (error: Error) => this.#failure.reject(toPostgresError(error, 'streaming')));
    this.#service = service;
    return service;
  }

  /** Takes the driver's place at the socket: nothing is asked of the server yet, so no frame is under way. */
  #attach(client: Client): void {
    const { connection } = client as unknown as { connection: DriverConnection };
    const [driverReads] = connection.stream.listeners('data') as ((bytes: Buffer) => void)[];
    if (driverReads === undefined) throw new CdcError('INVARIANT_BROKEN', 'The driver does not read its socket.');
    this.#driverReads = driverReads;
    connection.stream.off('data', driverReads);
    connection.stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#connection = connection;
    this.#timer = setInterval(() => this.#beat(), FEEDBACK_INTERVAL_MS);
  }

  #receive(chunk: Buffer): void {
    this.#lastSignAt = Date.now();
    this.#read(() => this.#frames.receive(chunk));
  }

  #read(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#failure.reject(error as Error);
      this.pause();
    }
  }

  #keepalive(end: Lsn, shouldRespond: boolean): void {
    const isFollowed = this.#handlers.onKeepalive(toBigLsn(end), shouldRespond);
    if (isFollowed) this.#owesAnswer = shouldRespond;
    else if (shouldRespond) this.#sendFeedback();
  }

  #beat(): void {
    if (!this.#frames.isPaused && Date.now() - this.#lastSignAt > SILENCE_LIMIT_MS) {
      this.#failure.reject(new CdcError('CONNECTION_LOST', 'The source has not been heard from for two minutes.'));
    }
    this.#sendFeedback();
  }

  /** The library adds one to what it is given; the server's rule is "last byte + 1", which our positions already are. */
  #sendFeedback(): void {
    if (this.#confirmed === 0n) return;
    this.#owesAnswer = false;
    void this.#service?.acknowledge(formatBigLsn(this.#confirmed - 1n)).catch(() => undefined);
  }

  #clearTimers(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#confirmTimer);
  }
}

interface PgOutputOptions {
  readonly publication: string;
  readonly isBinary: boolean;
}

/** Starts pgoutput; its messages are read by `FrameReader` before the library sees them. */
class PgOutputPlugin {
  readonly options = {};
  readonly #options: PgOutputOptions;
  readonly #onStart: (client: Client) => void;

  constructor(options: PgOutputOptions, onStart: (client: Client) => void) {
    this.#options = options;
    this.#onStart = onStart;
  }

  get name(): string {
    return 'pgoutput';
  }

  start(client: Client, slotName: string, lastLsn: string): Promise<unknown> {
    this.#onStart(client);
    const { publication, isBinary } = this.#options;
    const options = {
      proto_version: '1',
      publication_names: pg.escapeIdentifier(publication),
      messages: 'true',
      ...(isBinary ? { binary: 'true' } : {}),
    };
    const list = Object.entries(options).map(([option, value]) => `${option} ${pg.escapeLiteral(value)}`);
    return client.query(`START_REPLICATION SLOT ${pg.escapeIdentifier(slotName)} LOGICAL ${lastLsn} (${list.join(', ')})`);
  }

  parse(): undefined {
    throw new CdcError('INVARIANT_BROKEN', 'A message of the log went past our reader.');
  }
}
