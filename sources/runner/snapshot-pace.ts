import type { SnapshotProgress } from '../../shared/connector/source.ts';

/** How far a snapshot is, and how fast. */
export interface SnapshotPace {
  readonly tables: number;
  readonly tablesDone: number;
  readonly rows: number;
  /** By the database's statistics, and at least what was read. */
  readonly expectedRows: number;
  readonly percent: number;
  readonly rowsPerSecond: number;
  /** Null while that cannot be told. */
  readonly secondsLeft: number | null;
}

/** The rate is that of so much time. */
const WINDOW_MS = 30_000;
const SAMPLE_MS = 1000;

interface Sample {
  readonly atMs: number;
  readonly rows: number;
}

/** Works out the pace of a snapshot from its progress as it is stored. */
export class PaceMeter {
  #samples: Sample[] = [];
  #progress: SnapshotProgress | null = null;

  note(progress: SnapshotProgress | null, nowMs: number): void {
    this.#progress = progress;
    const [rows, last] = [rowsOf(progress), this.#samples.at(-1)];
    // A table that is read anew begins at nothing again.
    if (last !== undefined && rows < last.rows) this.#samples = [];
    if (last === undefined || nowMs - last.atMs >= SAMPLE_MS) this.#samples.push({ atMs: nowMs, rows });
    while ((this.#samples[1]?.atMs ?? Infinity) < nowMs - WINDOW_MS) this.#samples.shift();
  }

  /** Undefined where nothing is being read. */
  pace(nowMs: number): SnapshotPace | undefined {
    const tables = Object.values(this.#progress?.tables ?? {});
    const tablesDone = tables.filter(({ state }) => state === 'done').length;
    if (tablesDone === tables.length) return undefined;
    const rows = rowsOf(this.#progress);
    const expectedRows = tables.reduce((sum, table) => sum + (table.state === 'done' ? table.rows : Math.max(table.rows, table.expectedRows)), 0);
    const rowsPerSecond = Math.round(this.#rate(rows, nowMs));
    const secondsLeft = rowsPerSecond > 0 && expectedRows > rows ? Math.round((expectedRows - rows) / rowsPerSecond) : null;
    // A part is never said to be the whole: statistics may be old.
    const percent = expectedRows === 0 ? 0 : Math.min(99, Math.floor((rows * 100) / expectedRows));
    return { tables: tables.length, tablesDone, rows, expectedRows, percent, rowsPerSecond, secondsLeft };
  }

  #rate(rows: number, nowMs: number): number {
    const first = this.#samples[0];
    return first === undefined || nowMs <= first.atMs ? 0 : ((rows - first.rows) * 1000) / (nowMs - first.atMs);
  }
}

function rowsOf(progress: SnapshotProgress | null): number {
  return Object.values(progress?.tables ?? {}).reduce((sum, { rows }) => sum + rows, 0);
}

/** A line for the log. */
export function describePace({ tables, tablesDone, rows, expectedRows, percent, rowsPerSecond, secondsLeft }: SnapshotPace): string {
  const [read, expected, rate] = [rows, expectedRows, rowsPerSecond].map((count) => count.toLocaleString('en-US'));
  const end = secondsLeft === null ? '' : `, about ${secondsLeft < 120 ? `${secondsLeft} s` : `${Math.round(secondsLeft / 60)} min`} left`;
  return `snapshot: ${read} of about ${expected} rows (${percent} %), ${rate} rows/s, ${tablesDone} of ${tables} tables done${end}`;
}
