import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMON_OPTIONS } from '../config/common-options.ts';
import { readOptions } from '../config/options.ts';
import { type ProcessView, serveHttp } from './http.ts';
import { createMetrics } from './metrics.ts';

const VIEW: ProcessView = { notReady: () => undefined, status: () => ({}), pause: () => undefined, resume: () => undefined };
let taken: Server;
let port: number;

beforeAll(async () => {
  taken = createServer();
  const listening = Promise.withResolvers<void>();
  taken.listen(0, '127.0.0.1', () => listening.resolve());
  await listening.promise;
  port = (taken.address() as AddressInfo).port;
});
afterAll(() => taken.close());

function serveOn(httpPort: number) {
  const { settings } = readOptions(COMMON_OPTIONS, { KAFKA_BROKERS: 'b:1', SCHEMA_REGISTRY_URL: 'http://r', HTTP_PORT: String(httpPort) });
  return serveHttp(settings, VIEW, createMetrics('sink', 'x'));
}

describe('a port', () => {
  test('of 0 opens none', async () => {
    expect(await serveOn(0)).toBeUndefined();
  });

  test('that another has is CONFIG_INVALID', async () => {
    await expect(serveOn(port)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(`HTTP_PORT is ${port}`) });
  });

  test('answers until it is closed, also while a client keeps its connection', async () => {
    const closed = Promise.withResolvers<void>();
    taken.close(() => closed.resolve());
    await closed.promise;
    const endpoints = await serveOn(port);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: 'keep-alive' } })).status).toBe(200);
    await endpoints?.close();
    await expect(fetch(`http://127.0.0.1:${port}/readyz`)).rejects.toThrow('fetch failed');
  });
});
