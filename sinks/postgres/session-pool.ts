/** How long tasks may still take once the pool is closed. */
const CLOSE_WITHIN_MS = 4000;

/**
 * A connection that nobody uses is ended, and one that is older than this is not used again: a server may not clean up
 * behind temporary tables of others, and an address may lead to another server by now.
 */
const IDLE_MS = 10 * 60 * 1000;
const OLDEST_MS = 60 * 60 * 1000;

/** A connection as the pool sees it. */
export interface Pooled {
  /** When it was opened, by `performance.now()`. */
  readonly openedAtMs: number;
  /** False once the connection is gone. */
  readonly isUsable: boolean;
  /** Whether it has what a task of this kind would else have to make anew. */
  knows(kind: string): boolean;
  end(): Promise<void>;
}

export interface PoolOptions<S extends Pooled> {
  readonly limit: number;
  readonly open: () => Promise<S>;
}

/**
 * A few connections, each used by one task at a time. A task that fails costs its connection: so the transaction that
 * it may have begun is gone, and the next task never meets what it left behind.
 */
export class SessionPool<S extends Pooled> {
  readonly #options: PoolOptions<S>;
  readonly #idle: S[] = [];
  readonly #busy = new Set<S>();
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions<S>) {
    this.#options = options;
  }

  /** Runs a task on a connection of its own; waits for one where all are taken, first come first served. */
  async use<T>(kind: string, task: (session: S) => Promise<T>): Promise<T> {
    await this.#take();
    try {
      const session = this.#pick(kind) ?? (await this.#options.open());
      return await this.#run(session, task);
    } finally {
      this.#giveBack();
    }
  }

  /** Ends the connections once their tasks are done, or after a few seconds anyway: such a task then fails. */
  async close(): Promise<void> {
    const { promise: isLate, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_WITHIN_MS);
    await Promise.race([this.#untilDone(), isLate]);
    clearTimeout(timer);
    clearTimeout(this.#idleTimer);
    await Promise.all([...this.#idle.splice(0), ...this.#busy].map((session) => session.end()));
  }

  async #untilDone(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.limit }, () => this.#take()));
    for (let count = 0; count < this.#options.limit; count++) this.#giveBack();
  }

  async #run<T>(session: S, task: (session: S) => Promise<T>): Promise<T> {
    this.#busy.add(session);
    try {
      const result = await task(session);
      this.#keep(session);
      return result;
    } catch (error) {
      await session.end();
      throw error;
    } finally {
      this.#busy.delete(session);
    }
  }

  async #take(): Promise<void> {
    if (this.#taken < this.#options.limit) {
      this.#taken++;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }

  #keep(session: S): void {
    this.#idle.push(session);
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#endIdle(() => true), IDLE_MS).unref();
  }

  #endIdle(isMeant: (session: S) => boolean): void {
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      const session = this.#idle[at];
      if (session === undefined || !isMeant(session)) continue;
      this.#idle.splice(at, 1);
      void session.end();
    }
  }

  #pick(kind: string): S | undefined {
    this.#endIdle((session) => !session.isUsable || performance.now() - session.openedAtMs > OLDEST_MS);
    const known = this.#idle.findIndex((session) => session.knows(kind));
    return known < 0 ? this.#idle.pop() : this.#idle.splice(known, 1)[0];
  }
}
