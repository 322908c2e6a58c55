import { median } from './measure.ts';
import type { StageResult } from './stages/stage.ts';
import type { Workload } from './workloads.ts';

interface Measured {
  readonly stage: string;
  readonly runs: readonly StageResult[];
}

/** A heading over cells. */
export interface ResultTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Medians over the runs, the spread of the rate, and ratios against the first line. */
export function describeStages(workload: Workload, summaries: readonly Measured[]): string {
  return `\n${workload.name}: ${workload.about}\n${plainText(stagesTable(workload.changes, summaries))}`;
}

/** The first column to the left, the others to the right. */
export function plainText({ head, rows }: ResultTable): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const pad = (cell: string, column: number) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 2));
  return `${lines.map((line) => line.map(pad).join('').trimEnd()).join('\n')}\n`;
}

export function markdown({ head, rows }: ResultTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

export function stagesTable(changes: number, summaries: readonly Measured[]): ResultTable {
  const rates = summaries.map(({ runs }) => runs.map(({ seconds }) => changes / seconds));
  const first = median(rates[0] ?? []);
  const rows = summaries.map(({ stage, runs }, index) => {
    const own = rates[index] ?? [];
    return [
      stage,
      thousands(median(own)),
      `${thousands(Math.min(...own))}–${thousands(Math.max(...own))}`,
      median(runs.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
      (median(runs.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0),
      `${(median(own) / first).toFixed(2)} ×`,
    ];
  });
  return { head: ['', 'changes/s (median)', 'spread', 'CPU s', 'peak MB', 'of the first line'], rows };
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}
