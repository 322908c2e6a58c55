import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const AFTER_MS = 10_000;

/**
 * Gives back, once, what the start has left in memory. V8 keeps the young generation that loading has blown up until a
 * full collection, and an idle process comes to none for hours; this one takes some tens of milliseconds.
 */
export function trimHeapOnce(): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
    collect();
  }, AFTER_MS).unref();
}
