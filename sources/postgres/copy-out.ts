import type { Socket } from 'node:net';
import type { Client } from 'pg';
import { CdcError } from '../../shared/errors/cdc-error.ts';

/** A type byte, and a length that counts itself (PostgreSQL manual, "Message Formats"). */
const HEADER_BYTES = 5;
const COPY_OUT_RESPONSE = 0x48;
const COPY_DATA = 0x64;
const COPY_DONE = 0x63;
const READY_FOR_QUERY = 0x5a;

/** What is done with the output of a COPY. What is thrown here, or rejected, ends it with that error. */
export interface CopyHandlers {
  /** What the server sent as one message, from `start` to `end` of memory that is not ours: a row ("always one per row", manual, "COPY Operations"). */
  onRow(bytes: Buffer, start: number, end: number): void;
  /** After each piece that came from the socket; nothing more is read until a promise that it gives is settled. */
  onPiece?(): Promise<void> | void;
}

/** Runs a `COPY … TO STDOUT`; resolves behind its last row. Rejects with the driver's error, or with that of a handler. */
export async function copyOut(client: Client, sql: string, handlers: CopyHandlers): Promise<void> {
  await client.query(new CopyOut(sql, handlers)).done;
}

/** The driver's connection, as far as we reach into it. */
interface DriverConnection {
  readonly stream: Socket;
  query(sql: string): void;
}

/**
 * A query that reads the socket by itself while rows come: each is handed on where it lies, without a view, an event or
 * a copy of it. All other messages go to the driver as ever.
 */
class CopyOut {
  readonly #sql: string;
  readonly #handlers: CopyHandlers;
  readonly #done = Promise.withResolvers<void>();
  #stream: Socket | undefined;
  /** The driver's own reader of the socket. */
  #driverReads: (bytes: Buffer) => void = () => undefined;
  /** Of a message whose end has not come; joined only then, since a row may come in thousands of pieces. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** How many bytes the pieces need before there is something to read in them. */
  #wanted = HEADER_BYTES;
  #hasFailed = false;
  /** Settled when what came so far was dealt with. */
  #passage: Promise<void> | undefined;

  constructor(sql: string, handlers: CopyHandlers) {
    this.#sql = sql;
    this.#handlers = handlers;
    this.#done.promise.catch(() => undefined);
  }

  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Called by the driver, as what follows. */
  submit(connection: unknown): void {
    const { stream } = connection as DriverConnection;
    const [driverReads] = stream.listeners('data') as ((bytes: Buffer) => void)[];
    if (driverReads === undefined) throw new CdcError('INVARIANT_BROKEN', 'The driver does not read its socket.');
    this.#driverReads = driverReads;
    this.#stream = stream;
    stream.off('data', driverReads);
    stream.on('data', this.#receive);
    (connection as DriverConnection).query(this.#sql);
  }

  handleCommandComplete(): void {
    // That the server is ready for the next query is told behind it.
  }

  handleError(error: unknown): void {
    this.#fail(error);
  }

  handleReadyForQuery(): void {
    (this.#passage ?? Promise.resolve()).then(this.#done.resolve, this.#done.reject);
  }

  readonly #receive = (piece: Buffer): void => {
    try {
      this.#read(piece);
      const passage = this.#hasFailed ? undefined : this.#handlers.onPiece?.();
      if (passage instanceof Promise) this.#waitFor(passage);
    } catch (error) {
      this.#fail(error);
    }
  };

  #waitFor(passage: Promise<void>): void {
    this.#stream?.pause();
    this.#passage = passage;
    const goOn = () => void this.#stream?.resume();
    passage.then(goOn, (error: unknown) => {
      this.#fail(error);
      goOn();
    });
  }

  #read(piece: Buffer): void {
    let at = this.#pieces.length === 0 ? 0 : this.#complete(piece);
    for (let end = endOfMessage(piece, at); end <= piece.length; end = endOfMessage(piece, at)) {
      this.#message(piece, at, end);
      at = end;
    }
    if (at < piece.length) this.#keep(piece.subarray(at));
  }

  /** Completes the message that has begun. How much of the piece belonged to it. */
  #complete(piece: Buffer): number {
    const missing = this.#wanted - this.#pieceBytes;
    this.#pieces.push(piece.subarray(0, missing));
    this.#pieceBytes += Math.min(missing, piece.length);
    if (piece.length < missing) return piece.length;
    const bytes = Buffer.concat(this.#pieces, this.#pieceBytes);
    this.#pieces = [];
    const end = endOfMessage(bytes, 0);
    if (end <= bytes.length) {
      this.#message(bytes, 0, end);
      return missing;
    }
    this.#keep(bytes);
    return missing + this.#complete(piece.subarray(missing));
  }

  /** What has come of a message; with its header it is known how much there will be. */
  #keep(begin: Buffer): void {
    this.#pieces = [begin];
    this.#pieceBytes = begin.length;
    const end = endOfMessage(begin, 0);
    this.#wanted = end === Infinity ? HEADER_BYTES : end;
  }

  #message(bytes: Buffer, start: number, end: number): void {
    const type = bytes[start];
    if (type === COPY_DATA) return this.#row(bytes, start + HEADER_BYTES, end);
    if (type === COPY_OUT_RESPONSE || type === COPY_DONE) return;
    if (type === READY_FOR_QUERY) {
      this.#stream?.off('data', this.#receive);
      this.#stream?.on('data', this.#driverReads);
    }
    this.#driverReads(bytes.subarray(start, end));
  }

  /** After a failure the rest is read to its end, so that the connection can be used again. */
  #row(bytes: Buffer, start: number, end: number): void {
    if (this.#hasFailed) return;
    try {
      this.#handlers.onRow(bytes, start, end);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#hasFailed = true;
    this.#done.reject(error as Error);
  }
}

/** Where the message ends that starts at `at`; Infinity where that cannot be told yet. */
function endOfMessage(bytes: Buffer, at: number): number {
  if (bytes.length - at < HEADER_BYTES) return Infinity;
  const length = ((bytes[at + 1] as number) << 24) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
  if (length < 4) throw new CdcError('PARSE_FAILED', 'A message of the source has no length.');
  return at + 1 + length;
}
