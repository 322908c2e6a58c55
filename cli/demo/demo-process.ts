import { EXIT } from '../../shared/errors/codes.ts';
import { exitWith, print, progress } from '../terminal.ts';
import { describeVerdict } from '../verify/describe-report.ts';
import { runDemo } from './demo.ts';

/** A Ctrl-C under npm arrives twice, from the terminal and from npm. */
const SAME_SIGNAL_MS = 500;
const CTRL_C = '\u0003';
const STOP_LIMIT_MS = 9500;

export interface DemoArguments {
  /** End by itself after the verification. */
  readonly exit: boolean;
  readonly seconds: number;
  /** Changes a second. */
  readonly rate: number;
}

/** Runs the demo until it ends by itself or is stopped, and ends the process. */
export async function demo({ exit, seconds, rate }: DemoArguments): Promise<void> {
  const stop = new AbortController();
  const onSignal = stopper(stop);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  await exitWith(async () => {
    try {
      const { reports } = await Promise.race([
        runDemo({ endsByItself: exit, seconds, changesPerSecond: rate, signal: stop.signal, onVerifyKey: (verifyNow) => listenToKeys(verifyNow, onSignal) }),
        stoppedTooLate(stop.signal),
      ]);
      for (const report of reports) print(describeVerdict(report));
      return reports.every(({ differences }) => differences === 0) && (!exit || reports.length > 0) ? EXIT.stopped : EXIT.failed;
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      return exit ? EXIT.failed : EXIT.stopped;
    }
  });
  // What is left, if anything is, ends with the process.
  process.exit();
}

/** The first signal stops everything in order, a second one at once. */
function stopper(stop: AbortController): () => void {
  let stoppedAt = 0;
  return () => {
    if (!stop.signal.aborted) {
      stoppedAt = performance.now();
      progress('\nStopping everything and removing its data …');
      stop.abort();
    } else if (performance.now() - stoppedAt > SAME_SIGNAL_MS) process.exit(EXIT.failed);
  };
}

/** What cannot be interrupted, such as a start that is under way, is left to the end of the process. */
async function stoppedTooLate(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => setTimeout(() => reject(new Error('stopped')), STOP_LIMIT_MS).unref(), { once: true });
  return promise;
}

function listenToKeys(verifyNow: () => void, onStop: () => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => undefined;
  const onKey = (key: string): void => {
    if (key === 'v') verifyNow();
    if (key === 'q' || key === CTRL_C) onStop();
  };
  stdin.setEncoding('utf8').setRawMode(true).resume().on('data', onKey);
  return () => {
    stdin.off('data', onKey).setRawMode(false).pause();
  };
}
