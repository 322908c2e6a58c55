import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import { roomFor } from './answer-bytes.ts';

const require = createRequire(import.meta.url);
const createSocketFactory = require('kafkajs/src/network/socketFactory.js') as () => ISocketFactory;

const KEEP_ALIVE_DELAY_MS = 60_000;
/** As much as is read in one call. */
const READ_BYTES = 256 * 1024;
/** Of all connections: a piece is copied before the next one is read (`answer-bytes.ts`). */
let readBuffer: Buffer | undefined;

/**
 * Sockets of kafkajs that send at once. By default the last part of a request waits until the broker has acknowledged
 * what went before it (Nagle's algorithm), and the broker delays that acknowledgement by up to 40 ms.
 */
export function promptSockets(): ISocketFactory {
  const create = createSocketFactory();
  return (options) => {
    // Whatever its type says, it is false or null without TLS.
    const isSecured = Boolean(options.ssl);
    const socket = isSecured ? (create(options) as Socket) : connectPlainly(options);
    return socket.setNoDelay(true);
  };
}

/** Pieces lie in the same memory: each is good only until whoever listens to `data` returns. */
function connectPlainly({ host, port, onConnect }: Parameters<ISocketFactory>[0]): Socket {
  readBuffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
  const small = readBuffer;
  let current = small;
  const opened: { socket?: Socket } = {};
  const buffer = (): Buffer => (current = roomFor(opened.socket) ?? small);
  const callback = (length: number): boolean => {
    opened.socket?.emit('data', current.subarray(0, length));
    // Goes on reading.
    return true;
  };
  opened.socket = connect({ host, port, onread: { buffer, callback } }, onConnect);
  return opened.socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
}
