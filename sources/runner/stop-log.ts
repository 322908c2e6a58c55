import type { StoppedTables } from '../../shared/connector/stopped-table.ts';
import type { Logger } from '../../shared/observe/log.ts';

/** Says once of each table that it has stopped, and that it goes on. */
export class StopLog {
  readonly #log: Logger;
  #said: StoppedTables = {};

  constructor(log: Logger) {
    this.#log = log;
  }

  tell(stopped: StoppedTables): void {
    if (stopped === this.#said) return;
    for (const [table, { code, message, remedy }] of Object.entries(stopped)) {
      if (table in this.#said) continue;
      this.#log.error({ table, code, remedy }, `${message} Table ${table} is published no further; all others go on.`);
    }
    for (const table of Object.keys(this.#said)) if (!(table in stopped)) this.#log.info({ table }, `table ${table} begins anew`);
    this.#said = stopped;
  }
}
