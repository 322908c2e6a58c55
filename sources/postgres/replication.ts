import { LogicalReplicationService } from 'pg-logical-replication';
import pg, { type Client } from 'pg';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { clientConfig, toPostgresError } from './client.ts';
import type { PostgresSourceConfig } from './config.ts';
import { formatBigLsn, parseLsn } from './parser.ts';

/** The server hears from us at least this often, or it takes us for dead (wal_sender_timeout, 60 s by default). */
const FEEDBACK_INTERVAL_MS = 5000;
/** A confirmed position is told to the server no more often than this. */
const CONFIRM_DELAY_MS = 200;
/** The server sends a sign of life twice per wal_sender_timeout; without one for this long it is gone. */
const SILENCE_LIMIT_MS = 120_000;

export interface ReplicationHandlers {
  /** One message of pgoutput. A throw ends the stream with that error. */
  onMessage(bytes: Buffer): void;
  /** The server has nothing more to send up to this place of its log. */
  onKeepalive(endLsn: bigint): void;
}

interface PausableConnection {
  readonly stream: { pause(): void; resume(): void; destroy(): void };
}

/**
 * The replication connection: starts the stream, hands on its messages, and confirms positions.
 *
 * The library's own acknowledging is off: it would confirm what it has received, and we confirm only what is durable.
 */
export class ReplicationStream {
  readonly #config: PostgresSourceConfig;
  readonly #handlers: ReplicationHandlers;
  #service: LogicalReplicationService | undefined;
  readonly #failure = Promise.withResolvers<never>();
  #connection: PausableConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #confirmTimer: NodeJS.Timeout | undefined;
  #confirmed = 0n;
  #isPaused = false;
  #isStopped = false;
  #lastSignAt = Date.now();

  /** `confirmed` is what the slot has now: feedback must never go below it. */
  constructor(config: PostgresSourceConfig, confirmed: bigint, handlers: ReplicationHandlers) {
    this.#config = config;
    this.#confirmed = confirmed;
    this.#handlers = handlers;
    this.#failure.promise.catch(() => undefined);
  }

  /** Streams until `stop`; rejects with what ended it before. */
  async run(fromLsn: string): Promise<void> {
    const plugin = new PgOutputPlugin(this.#config, {
      onStart: (client) => this.#attach(client),
      onMessage: (bytes) => this.#receive(bytes),
    });
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
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#connection?.stream.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#lastSignAt = Date.now();
    this.#connection?.stream.resume();
  }

  /** Everything before this place may be forgotten. */
  confirm(lsn: bigint): void {
    if (lsn <= this.#confirmed) return;
    this.#confirmed = lsn;
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
    this.#connection?.stream.resume();
    this.#sendFeedback();
    await this.#service?.destroy().catch(() => undefined);
  }

  async #createService(): Promise<LogicalReplicationService> {
    const service = new LogicalReplicationService(await clientConfig(this.#config), { acknowledge: { auto: false, timeoutSeconds: 0 } });
    service.on('error', (error: Error) => this.#failure.reject(toPostgresError(error, 'streaming')));
    service.on('heartbeat', (lsn: string, _time: number, shouldRespond: boolean) => this.#keepalive(lsn, shouldRespond));
    this.#service = service;
    return service;
  }

  #attach(client: Client): void {
    this.#connection = (client as unknown as { connection: PausableConnection }).connection;
    this.#timer = setInterval(() => this.#beat(), FEEDBACK_INTERVAL_MS);
  }

  #receive(bytes: Buffer): void {
    if (this.#isStopped) return;
    this.#lastSignAt = Date.now();
    try {
      this.#handlers.onMessage(bytes);
    } catch (error) {
      this.#failure.reject(error as Error);
      this.pause();
    }
  }

  #keepalive(lsn: string, shouldRespond: boolean): void {
    this.#lastSignAt = Date.now();
    this.#handlers.onKeepalive(parseLsn(lsn));
    if (shouldRespond) this.#sendFeedback();
  }

  #beat(): void {
    if (!this.#isPaused && Date.now() - this.#lastSignAt > SILENCE_LIMIT_MS) {
      this.#failure.reject(new CdcError('CONNECTION_LOST', 'The source has not been heard from for two minutes.'));
    }
    this.#sendFeedback();
  }

  /** The library adds one to what it is given; the server's rule is "last byte + 1", which our positions already are. */
  #sendFeedback(): void {
    if (this.#confirmed === 0n) return;
    void this.#service?.acknowledge(formatBigLsn(this.#confirmed - 1n)).catch(() => undefined);
  }

  #clearTimers(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#confirmTimer);
  }
}

interface PluginHooks {
  onStart(client: Client): void;
  onMessage(bytes: Buffer): void;
}

/** Starts pgoutput; the bytes are read by `ChangeReader`. */
class PgOutputPlugin {
  readonly options = {};
  readonly #config: PostgresSourceConfig;
  readonly #hooks: PluginHooks;

  constructor(config: PostgresSourceConfig, hooks: PluginHooks) {
    this.#config = config;
    this.#hooks = hooks;
  }

  get name(): string {
    return 'pgoutput';
  }

  start(client: Client, slotName: string, lastLsn: string): Promise<unknown> {
    this.#hooks.onStart(client);
    const publication = pg.escapeLiteral(pg.escapeIdentifier(this.#config.publication));
    return client.query(
      `START_REPLICATION SLOT ${pg.escapeIdentifier(slotName)} LOGICAL ${lastLsn} (proto_version '1', publication_names ${publication}, messages 'true')`,
    );
  }

  parse(bytes: Buffer): undefined {
    this.#hooks.onMessage(bytes);
    return undefined;
  }
}
