import { setTimeout as delay } from 'node:timers/promises';
import type { CommonSettings } from '../../shared/config/common-options.ts';
import type { Checkpoint, Signal, Source } from '../../shared/connector/source.ts';
import type { Logger } from '../../shared/observe/log.ts';
import { SignalReader } from '../../topics/signals.ts';

const RETRY_MS = 5000;

export interface SignalLoop {
  readonly source: Source;
  readonly settings: CommonSettings & { readonly SOURCE_NAME: string };
  readonly checkpoint: Checkpoint;
  readonly log: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/**
 * Hands a source its signals, from the stored place on. A broker or registry that does not answer is asked again: if it is
 * gone for good, publishing says so. Resolves when `signal` comes; rejects with what ended the source's work at a signal.
 */
export async function followSignals({ source, settings, checkpoint, log, signal }: SignalLoop): Promise<void> {
  if (source.signal === undefined) return;
  let next = checkpoint.snapshot?.nextSignal ?? 0;
  while (!signal.aborted) {
    const reader = new SignalReader(settings, log, next);
    const close = () => void reader.close();
    signal.addEventListener('abort', close, { once: true });
    for await (const found of untilBroken(reader, log, signal)) {
      if (signal.aborted) break;
      await source.signal(found);
      next = found.offset + 1;
    }
    signal.removeEventListener('abort', close);
    await reader.close();
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The signals, until the broker or the registry no longer answers. */
async function* untilBroken(reader: SignalReader, log: Logger, signal: AbortSignal): AsyncGenerator<Signal> {
  try {
    await reader.connect();
    while (!signal.aborted) yield* await reader.read();
  } catch (error) {
    if (!signal.aborted) log.debug({ err: error }, 'the signals cannot be read at the moment');
  }
}
