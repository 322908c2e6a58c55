import { median } from './measure.ts';
import type { StageResult } from './stages/stage.ts';
import type { Workload } from './workloads.ts';

interface Measured {
  readonly stage: string;
  readonly runs: readonly StageResult[];
}

/** Medians over the runs, the spread of the rate, and ratios against the first line. */
export function printTable(workload: Workload, summaries: readonly Measured[]): void {
  const lines = [['', 'changes/s', 'spread', 'CPU s', 'peak MB', 'of the first'], ...tableRows(workload, summaries)];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  process.stdout.write(`\n${workload.name}: ${workload.about}\n`);
  for (const line of lines)
    process.stdout.write(`${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 2))).join('')}\n`);
  process.stdout.write('\n');
}

export function tableRows(workload: Workload, summaries: readonly Measured[]): string[][] {
  const rates = summaries.map(({ runs }) => runs.map(({ seconds }) => workload.changes / seconds));
  const first = median(rates[0] ?? []);
  return summaries.map(({ stage, runs }, index) => {
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
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}
