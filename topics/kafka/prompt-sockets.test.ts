import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { silentLogger } from '../../shared/observe/log.ts';
import { liveSettings } from '../../test/live-topics.ts';
import { createKafka, kafkaConfig } from './connection.ts';
import { createCluster } from './kafkajs-internals.ts';

/** A broker that hangs up on everybody: what matters is how the client called. */
async function clientOf(connect: (brokers: string) => Promise<unknown>): Promise<readonly (boolean | undefined)[]> {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const noDelay = vi.spyOn(Socket.prototype, 'setNoDelay');
  try {
    await connect(`127.0.0.1:${(server.address() as AddressInfo).port}`).catch(() => undefined);
    return noDelay.mock.calls.map(([value]) => value);
  } finally {
    noDelay.mockRestore();
    server.close();
  }
}

const configOf = (brokers: string) => ({
  ...kafkaConfig(liveSettings('test', { KAFKA_BROKERS: brokers, SCHEMA_REGISTRY_URL: 'http://127.0.0.1:9' }), 'test', silentLogger()),
  retry: { retries: 0 },
});

test('clients of the public interface send at once', async () => {
  expect(await clientOf(async (brokers) => createKafka(configOf(brokers)).admin().connect())).toContain(true);
});

test('clients of the layer below send at once', async () => {
  expect(await clientOf(async (brokers) => createCluster(configOf(brokers)).connect())).toContain(true);
});
