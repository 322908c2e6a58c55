import type { ProcessView } from '../observe/http.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

/** One source or sink, ready to run: alone in its process, or one of several. */
export interface Pipeline {
  readonly kind: 'source' | 'sink';
  readonly name: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly view: ProcessView;
  /** Runs until the signal, and resolves in order; rejects with what ended it before. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a pipeline shares with its process. */
export interface PipelineOptions {
  /** Whether its metrics hold those of the process too: where it has the process to itself. */
  readonly withProcessMetrics: boolean;
}
