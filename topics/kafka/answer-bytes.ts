import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { answerMemory } from './answer-memory.ts';

const require = createRequire(import.meta.url);
const SIZE_BYTES = 4;
const CORRELATION_BYTES = 4;
/** Less is read together with what may follow it. */
const LEAST_ROOM = 16 * 1024;

const assemblies = new WeakMap<Socket, Assembly>();

/** What is used of a connection of kafkajs. */
interface Connection {
  readonly socket: Socket;
  readonly authHandlers: { onSuccess(bytes: Buffer): void } | null;
  readonly authExpectResponse: boolean;
  readonly requestQueue: { fulfillRequest(answer: { readonly size: number; readonly correlationId: number; readonly payload: Buffer }): void };
  processData(chunk: Buffer): void;
}

/**
 * Lets kafkajs put answers together where they are to lie: it would keep each piece as it was read, and copy all of them
 * when the last one is there. Of a large answer, pieces are read where they are to lie; others all into the same memory
 * (`prompt-sockets.ts`), for they are copied. What is allocated outside of the heap drives V8's collections of the whole heap: of a backlog,
 * two thirds of them came from here. Mends the kafkajs that is loaded now.
 */
export function assembleAnswers(): void {
  const { prototype } = require('kafkajs/src/network/connection.js') as { prototype: Connection };
  prototype.processData = function (this: Connection, chunk: Buffer) {
    // The old way of logging in has no sizes before its answers.
    if (this.authHandlers !== null && !this.authExpectResponse) return this.authHandlers.onSuccess(Buffer.from(chunk));
    const assembly = assemblies.get(this.socket) ?? new Assembly();
    assemblies.set(this.socket, assembly);
    for (let at = 0; at < chunk.length;) {
      at = assembly.take(chunk, at);
      if (assembly.isWhole) fulfill(this, assembly.finish());
    }
    return undefined;
  };
}

/** Where the next piece of a large answer is to lie; undefined while there is none. What is read into it is taken without being copied. */
export function roomFor(socket: Socket | undefined): Buffer | undefined {
  return socket === undefined ? undefined : assemblies.get(socket)?.room();
}

function fulfill({ authHandlers, requestQueue }: Connection, answer: Buffer): void {
  if (authHandlers !== null) return authHandlers.onSuccess(answer);
  const correlationId = answer.readInt32BE(SIZE_BYTES);
  const payload = answer.subarray(SIZE_BYTES + CORRELATION_BYTES);
  return requestQueue.fulfillRequest({ size: answer.length - SIZE_BYTES, correlationId, payload });
}

/** One answer that is coming in, its size before it. */
class Assembly {
  #bytes: Buffer = Buffer.alloc(SIZE_BYTES);
  #length = 0;
  #isSized = false;

  get isWhole(): boolean {
    return this.#isSized && this.#length === this.#bytes.length;
  }

  /** Takes what belongs to the answer; gives where the rest of the chunk begins. */
  take(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + this.#bytes.length - this.#length);
    const isInPlace = chunk.buffer === this.#bytes.buffer && chunk.byteOffset + start === this.#bytes.byteOffset + this.#length;
    if (!isInPlace) chunk.copy(this.#bytes, this.#length, start, end);
    this.#length += end - start;
    if (!this.#isSized && this.#length === SIZE_BYTES) this.#makeRoom();
    return end;
  }

  room(): Buffer | undefined {
    return this.#bytes.length - this.#length < LEAST_ROOM ? undefined : this.#bytes.subarray(this.#length);
  }

  finish(): Buffer {
    const answer = this.#bytes;
    this.#bytes = Buffer.alloc(SIZE_BYTES);
    this.#length = 0;
    this.#isSized = false;
    return answer;
  }

  #makeRoom(): void {
    const whole = answerMemory.take(SIZE_BYTES + Math.max(0, this.#bytes.readInt32BE(0)));
    this.#bytes.copy(whole);
    this.#bytes = whole;
    this.#isSized = true;
  }
}
