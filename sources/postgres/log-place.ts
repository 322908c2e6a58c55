/** Which log it is: the database system, and the timeline that it is on. */
export interface ServerLog {
  /** The identifier of the database system; null where the server does not tell it. */
  readonly system: string | null;
  readonly timeline: number;
}

/** Which publication a log was read by, and which entries it had of the tables: none of them is the same once it was made anew. */
export interface PublicationIdentity {
  readonly id: string;
  /** A digest of the entries. */
  readonly entries: string;
  /** They were made by transactions before this one, or by those that were not over then. */
  readonly horizon: string;
}

/** Up to where a log was read, as it is stored beside the position. */
export interface LogPlace extends ServerLog {
  /** In the form of positions. Nothing behind it was ever confirmed to the server. */
  readonly end: string;
  /** Partitions that earlier transactions than this one attached were seen to. */
  readonly horizon?: string | undefined;
  /** Undefined where an earlier version has stored none. */
  readonly publication?: PublicationIdentity | undefined;
}

/** Undefined where an earlier version has stored none. */
export function parseLogPlace(text: string | undefined): LogPlace | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as LogPlace);
}

/**
 * Follows how much of the log was read, so that this is stored before the server is told that it may forget it: a slot
 * that begins behind the stored place was not brought there by us.
 */
export class LogProgress {
  readonly #server: ServerLog;
  readonly publication: PublicationIdentity | undefined;
  #end: string | undefined;
  #horizon: string | undefined;
  #text: string | undefined;

  /** `end` is undefined while it is not known how much was confirmed before. */
  constructor(server: ServerLog, publication: PublicationIdentity | undefined, end: string | undefined, horizon: string | undefined) {
    this.#server = server;
    this.publication = publication;
    this.#end = end;
    this.#horizon = horizon;
  }

  reach(end: string): void {
    if (this.#end !== undefined && end <= this.#end) return;
    this.#end = end;
    this.#text = undefined;
  }

  see(horizon: string | undefined): void {
    this.#horizon = horizon;
    this.#text = undefined;
  }

  /** To be stored; undefined while there is nothing to say. */
  get text(): string | undefined {
    if (this.#end === undefined) return undefined;
    const { system, timeline } = this.#server;
    this.#text ??= JSON.stringify({ system, timeline, end: this.#end, horizon: this.#horizon, publication: this.publication } satisfies LogPlace);
    return this.#text;
  }
}
