import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Lsn } from './parser.ts';

/** A type byte, and a length that counts itself (PostgreSQL manual, 54.7 "Message Formats"). */
const HEADER_BYTES = 5;
const COPY_DATA = 0x64;
/** Behind the header: a kind byte; of log data then three numbers of 8 bytes (54.4 "Streaming Replication Protocol"). */
const LOG_DATA = 0x77;
const LOG_DATA_BYTES = HEADER_BYTES + 25;
const KEEPALIVE = 0x6b;
const KEEPALIVE_BYTES = HEADER_BYTES + 18;

export interface FrameHandlers {
  /** A message of the output plugin, from `start` to `end` of memory that is the reader's: to be read before returning. */
  onMessage(bytes: Buffer, start: number, end: number): void;
  /** The server has sent everything up to here; it may want to hear from us. */
  onKeepalive(end: Lsn, shouldRespond: boolean): void;
  /** A whole frame that is no part of the replication stream. */
  onOther(frame: Buffer): void;
}

/**
 * Cuts what comes from the server's socket into frames, and hands on what is in them without an object a message: the
 * driver's own way, a view and two events for each, costs about as much as decoding the row (bench: log to nowhere).
 *
 * `pause` takes effect at once, also from within a handler: what has come already waits, and `resume` goes on with it.
 */
export class FrameReader {
  readonly #handlers: FrameHandlers;
  /** What has come and is not handed on yet. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** How many bytes there must be before something can be handed on. */
  #wanted = HEADER_BYTES;
  #isPaused = false;
  #isScanning = false;

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  /** Takes the next bytes of the socket. Throws `PARSE_FAILED`, and what the handlers throw. */
  receive(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    this.#scan();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#scan();
  }

  #scan(): void {
    if (this.#isPaused || this.#isScanning || this.#bytes < this.#wanted) return;
    const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces, this.#bytes);
    // Of a large message they weigh as much as it does, and it is held by itself from here on.
    this.#pieces = [];
    this.#isScanning = true;
    let at = 0;
    try {
      for (let end = this.#endOfFrame(bytes, at); end > 0; end = this.#endOfFrame(bytes, at)) {
        const start = at;
        at = end;
        this.#frame(bytes, start, end);
      }
    } finally {
      this.#isScanning = false;
      this.#keep(bytes, at);
    }
  }

  /** Where the frame ends that starts at `at`; 0 where it is not to be handed on now. */
  #endOfFrame(bytes: Buffer, at: number): number {
    this.#wanted = HEADER_BYTES;
    if (this.#isPaused || bytes.length - at < HEADER_BYTES) return 0;
    const length = 1 + bytes.readInt32BE(at + 1);
    if (length < HEADER_BYTES) throw broken();
    if (bytes.length - at >= length) return at + length;
    this.#wanted = length;
    return 0;
  }

  #keep(bytes: Buffer, at: number): void {
    this.#pieces = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#bytes = bytes.length - at;
  }

  #frame(bytes: Buffer, start: number, end: number): void {
    if (bytes[start] !== COPY_DATA) return this.#handlers.onOther(bytes.subarray(start, end));
    const kind = bytes[start + HEADER_BYTES];
    if (kind === LOG_DATA && end > start + LOG_DATA_BYTES) return this.#handlers.onMessage(bytes, start + LOG_DATA_BYTES, end);
    if (kind !== KEEPALIVE || end < start + KEEPALIVE_BYTES) throw broken();
    const at = start + HEADER_BYTES + 1;
    this.#handlers.onKeepalive({ high: bytes.readUInt32BE(at), low: bytes.readUInt32BE(at + 4) }, bytes[at + 16] === 1);
  }
}

function broken(): CdcError {
  return new CdcError('PARSE_FAILED', 'The replication stream is broken: a frame is not one of the streaming replication protocol.');
}
