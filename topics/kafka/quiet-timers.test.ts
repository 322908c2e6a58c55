import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../shared/observe/log.ts';
import './quiet-timers.ts';

interface Entry {
  readonly correlationId: number;
  readonly apiName: string;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

interface Queue {
  push(request: { readonly entry: Entry; readonly expectResponse: boolean; readonly requestTimeout: number | null; sendRequest(): void }): void;
  fulfillRequest(answer: { readonly correlationId: number; readonly payload: Buffer; readonly size: number }): void;
  scheduleRequestTimeoutCheck(): void;
}

const require = createRequire(import.meta.url);
const QueueClass = require('kafkajs/src/network/requestQueue/index.js') as new (options: object) => Queue;
const REQUEST_TIMEOUT_MS = 30_000;
const logger = Object.assign(silentLogger(), { namespace: () => silentLogger() });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function queueOf(isConnected: () => boolean = () => true): Queue {
  const queue = new QueueClass({ requestTimeout: REQUEST_TIMEOUT_MS, enforceRequestTimeout: true, clientId: 'c', broker: 'b:1', logger, isConnected });
  queue.scheduleRequestTimeoutCheck();
  return queue;
}

/** Sends a request; tells how it ended. */
function send(queue: Queue, correlationId: number, requestTimeout: number | null = null): { ending: string } {
  const request = { ending: 'none' };
  const entry = { correlationId, apiName: 'Fetch', resolve: () => (request.ending = 'answer'), reject: (error: Error) => (request.ending = error.name) };
  queue.push({ entry, expectResponse: true, requestTimeout, sendRequest: () => undefined });
  return request;
}

test('a request that nobody answers ends at most a second after its time', () => {
  const request = send(queueOf(), 1);
  vi.advanceTimersByTime(REQUEST_TIMEOUT_MS);
  expect(request.ending).toBe('none');
  vi.advanceTimersByTime(1000);
  expect(request.ending).toBe('KafkaJSRequestTimeoutError');
});

test('one that has more time of its own gets it, and those that were answered are no longer looked at', () => {
  const queue = queueOf();
  const [slow, quick] = [send(queue, 1, 2 * REQUEST_TIMEOUT_MS), send(queue, 2)];
  queue.fulfillRequest({ correlationId: 2, payload: Buffer.alloc(0), size: 0 });
  vi.advanceTimersByTime(REQUEST_TIMEOUT_MS + 1000);
  expect([slow.ending, quick.ending]).toEqual(['none', 'answer']);
  vi.advanceTimersByTime(REQUEST_TIMEOUT_MS + 1000);
  expect(slow.ending).toBe('KafkaJSRequestTimeoutError');
});

test('a connection that waits for nothing wakes the process once a second, and not at all once it is closed', () => {
  let [looks, isConnected] = [0, true];
  queueOf(() => {
    looks++;
    return isConnected;
  });
  vi.advanceTimersByTime(10_000);
  expect([looks, vi.getTimerCount()]).toEqual([10, 1]);
  isConnected = false;
  vi.advanceTimersByTime(1000);
  expect(vi.getTimerCount()).toBe(0);
});
