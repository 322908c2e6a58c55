import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';

const require = createRequire(import.meta.url);
const createSocketFactory = require('kafkajs/src/network/socketFactory.js') as () => ISocketFactory;

/**
 * Sockets of kafkajs that send at once. By default the last part of a request waits until the broker has acknowledged
 * what went before it (Nagle's algorithm), and the broker delays that acknowledgement by up to 40 ms.
 */
export function promptSockets(): ISocketFactory {
  const create = createSocketFactory();
  return (options) => (create(options) as Socket).setNoDelay(true);
}
