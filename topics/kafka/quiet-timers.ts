import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

type Schedule = (this: RequestQueue) => void;

const require = createRequire(import.meta.url);
const mended = new WeakSet<object>();

/**
 * After every answer kafkajs sets a timer to look for waiting requests, with a negative time when none is throttled:
 * Node warns of it on standard error, and an idle process wakes up for nothing. Without waiting requests no timer is
 * needed. Mends the kafkajs that is loaded now; importing this file does it once.
 */
export function quietTimers(): void {
  const { prototype: queue } = require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue };
  if (mended.has(queue)) return;
  mended.add(queue);
  const original = Object.getOwnPropertyDescriptor(queue, 'scheduleCheckPendingRequests')?.value as Schedule;
  queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) original.call(this);
  };
}

quietTimers();
