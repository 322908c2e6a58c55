import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../shared/observe/log.ts';
import { shareConnects } from './shared-connect.ts';

interface Connection {
  connect(): Promise<boolean>;
  isConnected(): boolean;
}

const require = createRequire(import.meta.url);
shareConnects();
const ConnectionClass = require('kafkajs/src/network/connection.js') as new (options: object) => Connection;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A connection whose sockets answer when told to. */
function connectionOf() {
  const sockets: { readonly answer: () => void; readonly socket: EventEmitter }[] = [];
  const socketFactory = ({ onConnect }: { onConnect: () => void }) => {
    const socket = Object.assign(new EventEmitter(), {
      setTimeout: () => undefined,
      setKeepAlive: () => undefined,
      end: () => undefined,
      unref: () => undefined,
    });
    sockets.push({ answer: onConnect, socket });
    return socket;
  };
  const logger = Object.assign(silentLogger(), { namespace: () => silentLogger() });
  const connection = new ConnectionClass({ host: 'h', port: 1, logger, socketFactory, connectionTimeout: 1000, requestTimeout: 1000 });
  return { connection, sockets };
}

test('requests that find a connection closed share one socket', async () => {
  const { connection, sockets } = connectionOf();
  const connecting = [connection.connect(), connection.connect()];
  expect(sockets).toHaveLength(1);
  sockets[0]?.answer();
  expect(await Promise.all(connecting)).toEqual([true, true]);
  expect(connection.isConnected()).toBe(true);
});

test('a connection that could not be opened can be opened later', async () => {
  const { connection, sockets } = connectionOf();
  const failing = Promise.allSettled([connection.connect(), connection.connect()]);
  sockets[0]?.socket.emit('error', new Error('refused'));
  expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const again = connection.connect();
  expect(sockets).toHaveLength(2);
  sockets[1]?.answer();
  expect(await again).toBe(true);
});
