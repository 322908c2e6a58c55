import { createServer } from 'node:net';

/**
 * Below the range from which systems draw the source ports of outgoing connections: a client that keeps trying a
 * killed service's port could otherwise be given that very port, connect to itself, and keep the service from coming back.
 */
const FIRST_PORT = 15_000;
const LAST_PORT = 29_999;

const given = new Set<number>();

/** A port of 127.0.0.1 on which nothing listens, and which this process has not given out before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
    if (!given.has(port) && (await canListen(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`No free port between ${FIRST_PORT} and ${LAST_PORT}.`);
}

async function canListen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  return promise;
}
