import { type CdcError, toCdcError } from '../../shared/errors/cdc-error.ts';
import { describeError } from '../../shared/observe/log.ts';
import type { Pipeline } from '../../shared/process/pipeline.ts';

/** Sources and sinks that share a process. One that fails ends alone, and stays visible; the others go on. */
export class Pipelines {
  readonly all: readonly Pipeline[];
  readonly #failures = new Map<Pipeline, CdcError>();

  constructor(all: readonly Pipeline[]) {
    this.all = all;
  }

  /** Runs all until the signal. Rejects, with the first failure in the order of the file, only when none is left running. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.all.map((pipeline) => this.#runOne(pipeline, signal)));
    if (signal.aborted) return;
    for (const pipeline of this.all) {
      const failure = this.#failures.get(pipeline);
      if (failure !== undefined) throw failure;
    }
  }

  /** Undefined when all are ready, else who is not, and why. */
  notReady(): string | undefined {
    const reasons = this.all.flatMap((pipeline) => this.notReadyOf(pipeline) ?? []);
    return reasons.length === 0 ? undefined : reasons.join('; ');
  }

  notReadyOf(pipeline: Pipeline): string | undefined {
    const failure = this.#failures.get(pipeline);
    const reason = failure === undefined ? pipeline.view.notReady() : `it has failed (${failure.code})`;
    return reason === undefined ? undefined : `${pipeline.kind} ${pipeline.name}: ${reason}`;
  }

  statusOf(pipeline: Pipeline): unknown {
    const failure = this.#failures.get(pipeline);
    const status = pipeline.view.status();
    if (failure === undefined) return status;
    return { ...(JSON.parse(JSON.stringify(status)) as object), state: 'failed', lastError: describeError(failure) };
  }

  async #runOne(pipeline: Pipeline, signal: AbortSignal): Promise<void> {
    try {
      await pipeline.run(signal);
    } catch (error) {
      const failure = toCdcError(error);
      this.#failures.set(pipeline, failure);
      pipeline.log.error({ err: failure }, `${failure.message} This ${pipeline.kind} has ended; the others go on.`);
    }
  }
}
