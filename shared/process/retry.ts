import { toCdcError, type CdcError } from '../errors/cdc-error.ts';
import type { Logger } from '../observe/log.ts';
import { pause } from './run-process.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** Who waits for another process to end is a standby: it should not be late. */
const STANDBY_WAIT_MS = 1000;
/** While the same thing is amiss, it is said again no more often than this. */
const REPEAT_LOG_MS = 60_000;

export interface RetryHooks {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onError: (error: CdcError) => void;
}

/**
 * Runs an attempt again and again, with back-off, as long as its errors are ones that trying again can mend.
 * The attempt calls `healthy` once it works: then the back-off starts anew. Other errors are thrown.
 */
export async function keepTrying(attempt: (healthy: () => void) => Promise<void>, { log, signal, onError }: RetryHooks): Promise<void> {
  let waitMs = FIRST_WAIT_MS;
  let said: { code: string; at: number } | undefined;
  while (!signal.aborted) {
    try {
      const healthy = () => {
        if (said !== undefined) log.info('all is well again');
        waitMs = FIRST_WAIT_MS;
        said = undefined;
      };
      return await attempt(healthy);
    } catch (thrown) {
      const error = toCdcError(thrown);
      onError(error);
      if (error.action !== 'retry') throw error;
      if (signal.aborted) return;
      if (said?.code !== error.code || Date.now() - said.at > REPEAT_LOG_MS) {
        log.warn({ err: error, retryMs: waitMs }, `${error.message} Trying again until it works.`);
        said = { code: error.code, at: Date.now() };
      }
    }
    await pause(waitMs, signal);
    waitMs = Math.min(waitMs * 2, said?.code === 'SLOT_IN_USE' ? STANDBY_WAIT_MS : LONGEST_WAIT_MS);
  }
}
