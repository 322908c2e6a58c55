import type { ProcessStatus } from '../process-status.ts';
import { formatCount } from '../terminal.ts';
import type { ConnectorProcess } from './connector-process.ts';
import type { DemoWorld } from './demo-world.ts';
import type { PartView, Scene } from './picture.ts';
import { quantile, Rate } from './rate.ts';

const ROWS_EVERY_MS = 2000;
const CAUGHT_UP_SECONDS = 1;

interface Watched {
  readonly process: ConnectorProcess;
  readonly rate: Rate;
  /** Seconds from commit to here, whenever something new had arrived, once all parts had caught up with the snapshot. */
  readonly lags: number[];
}

/** Looks at the parts again and again, and remembers what the screen and the summary need. */
export class Observer {
  readonly #world: DemoWorld;
  readonly #startedAt = performance.now();
  readonly #shop = new Rate();
  readonly #watched: readonly Watched[];
  #rowsAt = 0;
  #hasCaughtUp = false;

  constructor(world: DemoWorld) {
    this.#world = world;
    this.#watched = [world.source, ...world.sinks].map((process) => ({ process, rate: new Rate(), lags: [] }));
  }

  async look(): Promise<void> {
    const records = this.#watched.map(({ process }) => process.status?.records ?? 0);
    await Promise.all(this.#watched.map(async ({ process }) => process.refresh()));
    const now = performance.now();
    this.#shop.add(this.#world.workload.totals.changes, now);
    for (const [place, { process, rate, lags }] of this.#watched.entries()) {
      const { status } = process;
      rate.add(status?.records ?? 0, now);
      if (this.#hasCaughtUp && status?.lagSeconds !== undefined && status.records > (records[place] ?? 0)) lags.push(status.lagSeconds);
    }
    this.#hasCaughtUp ||= this.isFlowing && this.#watched.every(({ process: { status } }) => (status?.lagSeconds ?? Infinity) < CAUGHT_UP_SECONDS);
    if (now - this.#rowsAt < ROWS_EVERY_MS) return;
    this.#rowsAt = now;
    void this.lookAtRows();
  }

  /** Whether every part has done something. */
  get isFlowing(): boolean {
    return this.#watched.every(({ process }) => (process.status?.records ?? 0) > 0);
  }

  async lookAtRows(): Promise<void> {
    await this.#world.counts.refresh();
  }

  scene(phase: string, hint: string): Scene {
    const { workload } = this.#world;
    const shop: PartView = {
      title: 'order shop',
      state: workload.isRunning ? 'open' : 'closed',
      unit: 'changes',
      total: workload.totals.changes,
      perSecond: this.#shop.perSecond,
      sparkline: this.#shop.sparkline(),
      lagSeconds: undefined,
    };
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return { phase, seconds, hint, parts: [shop, ...this.#watched.map(viewOf)], tables: this.#world.counts.tables };
  }

  summary(): string {
    const { changes, transactions, rolledBack } = this.#world.workload.totals;
    const lines = [`The shop made ${formatCount(changes)} changes in ${formatCount(transactions)} transactions, and rolled ${formatCount(rolledBack)} back.`];
    for (const { process, rate, lags } of this.#watched) {
      const { status, title } = process;
      if (status === undefined) continue;
      const did = status.kind === 'source' ? 'published' : 'wrote';
      const [half, most] = [quantile(lags, 0.5), quantile(lags, 0.95)];
      const latency = half === undefined || most === undefined ? '' : `, half the time under ${half.toFixed(2)} s behind, 95 % under ${most.toFixed(2)} s`;
      lines.push(`The ${title} ${did} ${formatCount(status.records)} records, up to ${formatCount(rate.highest)} a second${latency}.`);
    }
    return lines.join('\n');
  }
}

/** An error that is over is history; one that holds a part up is named by its code. */
function stateOf(status: ProcessStatus | undefined): string {
  if (status?.state === 'waiting' && status.lastError !== undefined) return `waiting (${status.lastError.split(':')[0]})`;
  return status?.state ?? 'starting';
}

function viewOf({ process: { title, status }, rate }: Watched): PartView {
  return {
    title,
    state: stateOf(status),
    unit: 'records',
    total: status?.records ?? 0,
    perSecond: rate.perSecond,
    sparkline: rate.sparkline(),
    lagSeconds: (status?.records ?? 0) > 0 ? status?.lagSeconds : undefined,
  };
}
