import { createRequire } from 'node:module';

interface SentRequest {
  readonly sentAt: number;
  readonly requestTimeout: number;
  timeoutRequest(): void;
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly inflight: ReadonlyMap<number, SentRequest>;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: boolean;
  requestTimeoutIntervalId: NodeJS.Timeout | undefined;
  isConnected(): boolean;
  destroy(): void;
  scheduleCheckPendingRequests(): void;
  scheduleRequestTimeoutCheck(): void;
}

type Schedule = (this: RequestQueue) => void;

const require = createRequire(import.meta.url);
const mended = new WeakSet<object>();
/** How late it may be seen that a request has timed out; a tenth of its time at most. */
const TIMEOUT_CHECK_MS = 1000;

/**
 * What kafkajs does by the clock, idle processes included, as seldom as will do. Mends the kafkajs that is loaded now;
 * importing this file does it once.
 *
 * After every answer it sets a timer to look for waiting requests, with a negative time when none is throttled: Node warns
 * of it on standard error. Without waiting requests no timer is needed. And each connection looks ten times a second for
 * requests that have timed out, which takes half a minute.
 */
export function quietTimers(): void {
  const { prototype: queue } = require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue };
  if (mended.has(queue)) return;
  mended.add(queue);
  const original = Object.getOwnPropertyDescriptor(queue, 'scheduleCheckPendingRequests')?.value as Schedule;
  queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) original.call(this);
  };
  queue.scheduleRequestTimeoutCheck = function (this: RequestQueue) {
    if (!this.enforceRequestTimeout) return;
    this.destroy();
    this.requestTimeoutIntervalId = setInterval(() => endTimedOut(this), Math.min(this.requestTimeout / 10, TIMEOUT_CHECK_MS));
  };
}

function endTimedOut(queue: RequestQueue): void {
  const now = Date.now();
  for (const request of queue.inflight.values()) if (now - request.sentAt > request.requestTimeout) request.timeoutRequest();
  if (!queue.isConnected()) queue.destroy();
}

quietTimers();
