import type { SlotHealth } from '../../shared/connector/source.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { SlotView } from './slot-view.ts';
import type { SourceMetrics } from './source-metrics.ts';

/** Shares of the budget at which a slot that falls behind is told of, each once. */
const STEPS = [0.5, 0.75, 0.9] as const;
/** Below this the steps count anew. */
const CALM = 0.4;
/** Of one hour, at the interval at which sources are asked. */
const MAX_SAMPLES = 720;

interface Sample {
  readonly atMs: number;
  readonly current: number;
}

/** Follows what the database keeps for a source: says early that it may be thrown away, and measures it. */
export class SlotWatch {
  readonly #log: Logger;
  readonly #metrics: SourceMetrics;
  readonly #samples: Sample[] = [];
  #restart: { readonly place: number | null; readonly sinceMs: number } | undefined;
  #step = 0;
  #said: string | null = null;
  view: SlotView | null = null;

  constructor(log: Logger, metrics: SourceMetrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  update(health: SlotHealth, nowMs: number): void {
    const { name, isActive, current, confirmed, restart, safeBytes, budgetBytes, status, invalidation } = health;
    if (this.#restart?.place !== restart) this.#restart = { place: restart, sinceMs: nowMs };
    const retainedBytes = restart === null ? null : current - restart;
    this.view = {
      name,
      active: isActive,
      lagBytes: confirmed === null ? null : Math.max(0, current - confirmed),
      lagSeconds: this.#lagSeconds(health, nowMs),
      retainedBytes,
      safeBytes,
      budgetBytes,
      budgetUsed: safeBytes === null || retainedBytes === null ? null : usedShare(retainedBytes, safeBytes),
      restartAgeSeconds: (nowMs - this.#restart.sinceMs) / 1000,
      walStatus: status,
      invalidation,
    };
    this.#metrics.slot(this.view);
    this.#warn(this.view, health.remedy);
  }

  #lagSeconds({ current, confirmed }: SlotHealth, nowMs: number): number {
    this.#samples.push({ atMs: nowMs, current });
    const isBehindAll = confirmed === null || confirmed < (this.#samples[0] as Sample).current;
    while (this.#samples.length > 1 && !isBehindAll && (this.#samples[1] as Sample).current <= confirmed) this.#samples.shift();
    // Of a slot that does not move the oldest sample tells how long.
    if (this.#samples.length > MAX_SAMPLES) this.#samples.splice(1, 1);
    return confirmed !== null && confirmed >= current ? 0 : (nowMs - (this.#samples[0] as Sample).atMs) / 1000;
  }

  #warn(view: SlotView, remedy: string): void {
    const { budgetUsed, walStatus, invalidation } = view;
    if (budgetUsed !== null) this.#warnOfBudget(view, budgetUsed, remedy);
    const danger = invalidation ?? (walStatus === 'unreserved' || walStatus === 'lost' ? walStatus : null);
    if (danger !== null && danger !== this.#said) {
      const words = walStatus === 'unreserved' && invalidation === null ? 'is about to be lost: the server may remove the log it needs at any time' : 'is lost';
      this.#log.error({ ...view, remedy }, `replication slot ${view.name} ${words}`);
    }
    this.#said = danger;
  }

  #warnOfBudget(view: SlotView, used: number, remedy: string): void {
    if (used < CALM) this.#step = 0;
    const step = STEPS.findLast((share) => used >= share) ?? 0;
    if (step <= this.#step) return;
    this.#step = step;
    this.#log.warn(
      { ...view, remedy },
      `replication slot ${view.name} has used ${Math.floor(used * 100)} % of the log that the server keeps for it; at 100 % it is lost, and with it the changes that were not read`,
    );
  }
}

function usedShare(retainedBytes: number, safeBytes: number): number {
  const whole = retainedBytes + Math.max(0, safeBytes);
  return whole <= 0 ? 1 : Math.min(1, retainedBytes / whole);
}
