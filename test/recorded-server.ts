import { newStackId } from '../stack/folders.ts';
import { markOf } from '../stack/process.ts';
import type { HelperBook, ServiceName } from '../stack/service.ts';
import { endRecorded, endRecordedNow, helperBook, newState, saveState, type StackState } from '../stack/state.ts';

/**
 * A server that belongs to one test file, written down as those of a stack are: what a run that was killed leaves of it,
 * the next run ends and removes.
 */
export class RecordedServer implements AsyncDisposable {
  readonly #name: ServiceName;
  readonly #state: StackState;
  readonly #atExit = (): void => endRecordedNow(this.#state);

  /** `folder` goes with it. */
  constructor(name: ServiceName, folder: string) {
    this.#name = name;
    this.#state = newState(newStackId(), folder);
    saveState(this.#state);
    process.once('exit', this.#atExit);
  }

  /** For what is run before there is a server. */
  get helpers(): HelperBook {
    return helperBook(this.#state);
  }

  /** To be called as soon as its process is there. */
  runs(url: string, pid: number | undefined): void {
    const process = pid === undefined ? undefined : markOf(pid);
    this.#state.services[this.#name] = { origin: 'process', url, process };
    saveState(this.#state);
  }

  /** Ends what runs of it, and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await endRecorded(this.#state, 0);
    process.off('exit', this.#atExit);
  }
}
