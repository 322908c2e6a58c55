/** A connection as the pool sees it. */
export interface Pooled {
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
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

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

  /** Ends the connections once their tasks are done. A task that comes later opens one again. */
  async close(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.limit }, () => this.#take()));
    await Promise.all(this.#idle.splice(0).map((session) => session.end()));
    for (let count = 0; count < this.#options.limit; count++) this.#giveBack();
  }

  async #run<T>(session: S, task: (session: S) => Promise<T>): Promise<T> {
    try {
      const result = await task(session);
      this.#idle.push(session);
      return result;
    } catch (error) {
      await session.end();
      throw error;
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

  #pick(kind: string): S | undefined {
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      if (this.#idle[at]?.isUsable === false) this.#idle.splice(at, 1);
    }
    const known = this.#idle.findIndex((session) => session.knows(kind));
    return known < 0 ? this.#idle.pop() : this.#idle.splice(known, 1)[0];
  }
}
