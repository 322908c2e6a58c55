import type { Source } from '../../shared/connector/source.ts';
import type { SlotWatch } from './slot-watch.ts';
import type { SourceStatus } from './source-status.ts';

/** How often the source's lag is asked for. */
const INTERVAL_MS = 5000;

/** Asks a source how far it is behind, also while it waits for a server: that is when a slot falls behind. */
export class LagWatch {
  readonly #status: SourceStatus;
  readonly #slots: SlotWatch;
  readonly #timer: NodeJS.Timeout;
  #source: Source | undefined;
  #isAsking = false;

  constructor(status: SourceStatus, slots: SlotWatch) {
    this.#status = status;
    this.#slots = slots;
    this.#timer = setInterval(() => void this.look(), INTERVAL_MS);
  }

  /** From now on this source is asked. */
  of(source: Source): void {
    this.#source = source;
  }

  async look(): Promise<void> {
    if (this.#isAsking || this.#source === undefined) return;
    this.#isAsking = true;
    try {
      const { bytes, slot, passedOver = {}, missing = {} } = await this.#source.lag();
      this.#status.lag(bytes);
      this.#status.passedOver(passedOver);
      this.#status.missing = missing;
      if (slot === undefined) return;
      this.#slots.update(slot, Date.now());
      this.#status.slot = this.#slots.view;
    } catch {
      this.#status.lag(null);
    } finally {
      this.#isAsking = false;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
