import { connect } from 'node:net';

/** Length 8 and the code of an SSLRequest (PostgreSQL manual, "Message Formats"); the server answers with one byte. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const YES = 0x53;
const TIMEOUT_MS = 10_000;

/** Asks a PostgreSQL server whether it would speak TLS. Rejects where it does not answer. */
export async function offersTls({ host, port }: { readonly host: string; readonly port: number }): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port, timeout: TIMEOUT_MS });
  socket.once('connect', () => socket.write(SSL_REQUEST));
  socket.once('data', (answer) => resolve(answer[0] === YES));
  socket.once('error', reject);
  socket.once('timeout', () => reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
  socket.once('close', () => reject(Object.assign(new Error('the server hung up'), { code: 'ECONNRESET' })));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
