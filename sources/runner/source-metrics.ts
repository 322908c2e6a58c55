import { Gauge, type Registry } from 'prom-client';
import type { SlotView } from './slot-view.ts';

/** Of numbers of a slot: the metric, and what it says. A value that is not known has no line. */
const SLOT_NUMBERS = {
  lag_bytes: ['lagBytes', 'Bytes of log from what the slot has confirmed to its end'],
  lag_seconds: ['lagSeconds', 'Seconds since the log ended where the slot is confirmed'],
  retained_bytes: ['retainedBytes', 'Bytes of log that the database keeps for the slot'],
  safe_bytes: ['safeBytes', 'Bytes that may still be written before the slot is in danger'],
  budget_bytes: ['budgetBytes', 'Bytes of log that the database keeps at most'],
  budget_used_ratio: ['budgetUsed', 'Share of the log that the database keeps at most which the slot needs, 0 to 1'],
  restart_age_seconds: ['restartAgeSeconds', 'Seconds since the beginning of the log that is kept has moved'],
} as const satisfies Record<string, readonly [keyof SlotView, string]>;

/** What only sources have to measure, beside what every connector has. */
export class SourceMetrics {
  /** Of each table that is published no further: the records that were passed over since this process began. */
  readonly passedOver: Gauge<'table'>;
  readonly #numbers: readonly (readonly [keyof SlotView, Gauge])[];
  readonly #isActive: Gauge;
  readonly #walStatus: Gauge<'status'>;
  readonly #invalidated: Gauge<'reason'>;

  constructor(registry: Registry) {
    const registers = [registry];
    const slot = (name: string, help: string) => ({ name: `dbmazz_source_slot_${name}`, help, registers });
    this.#numbers = Object.entries(SLOT_NUMBERS).map(([name, [field, help]]) => [field, new Gauge(slot(name, help))]);
    this.#isActive = new Gauge(slot('active', 'Whether somebody streams from the slot'));
    this.#walStatus = new Gauge({ ...slot('wal_status', 'wal_status of the slot, as the label says'), labelNames: ['status'] });
    this.#invalidated = new Gauge({ ...slot('invalidated', 'That the slot is lost, and why'), labelNames: ['reason'] });
    this.passedOver = new Gauge({
      name: 'dbmazz_source_stopped_table_passed_over_records',
      help: 'Records of a stopped table that were passed over since the process began; a table without this metric is not stopped',
      labelNames: ['table'],
      registers,
    });
  }

  slot(view: SlotView): void {
    for (const [field, gauge] of this.#numbers) {
      const value = view[field];
      if (typeof value === 'number') gauge.set(value);
      else gauge.remove();
    }
    this.#isActive.set(view.active ? 1 : 0);
    this.#walStatus.reset();
    if (view.walStatus !== null) this.#walStatus.set({ status: view.walStatus }, 1);
    this.#invalidated.reset();
    if (view.invalidation !== null) this.#invalidated.set({ reason: view.invalidation }, 1);
  }
}
