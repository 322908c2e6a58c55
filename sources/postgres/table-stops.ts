import { type StoppedTable, type StoppedTables, toStoppedTable } from '../../shared/connector/stopped-table.ts';
import type { CdcError } from '../../shared/errors/cdc-error.ts';
import type { SourcePosition } from '../../shared/record/position.ts';

/** Tables that are published no further, and what of this the topics do not know yet. */
export class TableStops {
  readonly #stopped: Map<string, StoppedTable>;
  readonly #settings: string;
  #news: Record<string, StoppedTable | null> | undefined;

  /** `settings` is `carryingOf` the present ones. */
  constructor(stopped: StoppedTables, settings: string) {
    this.#stopped = new Map(Object.entries(stopped));
    this.#settings = settings;
  }

  /** The first change of a table that is not published; undefined where it is not stopped. */
  positionOf(name: string): SourcePosition | undefined {
    return this.#stopped.get(name)?.position;
  }

  get names(): readonly string[] {
    return [...this.#stopped.keys()];
  }

  /** Those that were stopped under other settings: what stopped them may be gone. */
  get outdated(): readonly string[] {
    return this.names.filter((name) => this.#stopped.get(name)?.settings !== this.#settings);
  }

  /** The first reason counts. */
  stop(name: string, error: CdcError, position: SourcePosition): void {
    this.adopt(name, toStoppedTable(error, position, this.#settings));
  }

  /** Takes over what stopped a table elsewhere; false where it is known. */
  adopt(name: string, stop: StoppedTable): boolean {
    if (this.#stopped.has(name)) return false;
    this.#stopped.set(name, stop);
    this.#news = { ...this.#news, [name]: stop };
    return true;
  }

  /** From here on the table is published again. */
  lift(name: string): void {
    if (!this.#stopped.delete(name)) return;
    this.#news = { ...this.#news, [name]: null };
  }

  /** What is to be stored with the next batch. */
  take(): Readonly<Record<string, StoppedTable | null>> | undefined {
    const news = this.#news;
    this.#news = undefined;
    return news;
  }
}
