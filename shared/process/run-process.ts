import { type CdcError, toCdcError } from '../errors/cdc-error.ts';
import { EXIT } from '../errors/codes.ts';
import { trimHeapWhenIdle } from './trim-heap.ts';

/** A stop that was asked for takes no longer than this. */
const STOP_LIMIT_MS = 10_000;
/** A Ctrl-C under npm arrives twice, from the terminal and from npm: signals this close together are one. */
const SAME_SIGNAL_MS = 500;

/**
 * Runs the work of a connector process: SIGTERM or SIGINT asks it to finish, a second one ends it at once.
 * Gives the exit code of the contract; an error is printed as a sentence with its remedy.
 */
export async function runProcess(work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController();
  let stoppedAt = 0;
  const onSignal = () => {
    if (stop.signal.aborted) {
      if (performance.now() - stoppedAt > SAME_SIGNAL_MS) process.exit(EXIT.failed);
      return;
    }
    stoppedAt = performance.now();
    stop.abort();
    setTimeout(() => process.exit(EXIT.failed), STOP_LIMIT_MS).unref();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  trimHeapWhenIdle();
  try {
    await work(stop.signal);
    return EXIT.stopped;
  } catch (error) {
    const failure = toCdcError(error);
    process.stderr.write(`${describeFailure(failure)}\n`);
    return failure.exitCode;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

export function describeFailure(failure: CdcError): string {
  const { code, message, remedy, cause } = failure;
  const details = cause instanceof Error ? `\n  cause: ${cause.message}` : '';
  const stack = code === 'INVARIANT_BROKEN' && cause instanceof Error ? `\n${cause.stack ?? ''}` : '';
  return `${code}: ${message}${remedy === '' ? '' : `\n  remedy: ${remedy}`}${details}${stack}`;
}

/** Waits, unless the signal comes first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = () => resolve();
  signal.addEventListener('abort', stop, { once: true });
  await promise;
  signal.removeEventListener('abort', stop);
  clearTimeout(timer);
}
