import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TemplateConfig } from './config.ts';
import { MemoryDatabase, MemoryError } from './memory-database.ts';

/**
 * What belongs into `replication.ts`: the connection to the log, with its feedback. The driver is imported here alone,
 * and its errors become coded ones here, by code and never by their text.
 */
export class LogStream {
  readonly #config: TemplateConfig;
  readonly #stopped = Promise.withResolvers<void>();
  #isStopped = false;

  constructor(config: TemplateConfig) {
    this.#config = config;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Entries from a place of the log on, until `stop`. The next one is read when the last one is dealt with: so memory stays bounded. */
  async *read(from: number): AsyncGenerator<{ readonly index: number; readonly bytes: Buffer }> {
    for (let index = from; !this.#isStopped;) {
      const { news } = this.#database();
      const bytes = this.#entry(index);
      if (bytes === undefined) await Promise.race([news, this.#stopped.promise]);
      else yield { index: index++, bytes };
    }
  }

  /** Where the database has kept the log for us. */
  get kept(): number {
    return this.#database().slot(this.#config.slot) ?? 0;
  }

  /** Everything before this place may be forgotten. Never goes backwards. */
  confirm(index: number): void {
    if (index > this.kept) this.#database().keep(this.#config.slot, index);
  }

  /** Resolves when the stream has let go of what only one can hold. */
  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
  }

  /** Waits, unless a stop comes first. */
  async waitFor(other: Promise<void> | undefined): Promise<void> {
    await Promise.race([other, this.#stopped.promise]);
  }

  #database(): MemoryDatabase {
    return connect(this.#config);
  }

  #entry(index: number): Buffer | undefined {
    try {
      return this.#database().read(this.#config.slot, index);
    } catch (error) {
      throw toCodedError(error);
    }
  }
}

export function connect({ database }: TemplateConfig): MemoryDatabase {
  try {
    return MemoryDatabase.connect(database);
  } catch (error) {
    throw toCodedError(error);
  }
}

function toCodedError(error: unknown): unknown {
  if (!(error instanceof MemoryError)) return error;
  switch (error.code) {
    case 'no_such_database':
      return new CdcError('AUTH_FAILED', 'The database of SOURCE_URL is not there.', { cause: error });
    case 'log_removed':
      return new CdcError('POSITION_LOST', 'The log was removed before it was read.', { cause: error });
  }
}
