import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/**
 * After every answer kafkajs sets a timer to look for waiting requests, with a negative time when none is throttled:
 * Node warns of it on standard error, and an idle process wakes up for nothing. Without waiting requests no timer is
 * needed. Importing this file mends it.
 */
const require = createRequire(import.meta.url);
const requestQueue = (require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue }).prototype;
const original = Object.getOwnPropertyDescriptor(requestQueue, 'scheduleCheckPendingRequests')?.value as (this: RequestQueue) => void;
requestQueue.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0) original.call(this);
};
