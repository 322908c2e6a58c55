import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { buildBarChart } from './bar-chart.ts';
import type { StageRuns } from './log-stages.ts';
import { median } from './measure.ts';
import { readResult, type ResultFile, RESULTS } from './results.ts';
import { tableRows } from './table.ts';
import { WORKLOADS } from './workloads.ts';

const PAGE = new URL('README.md', import.meta.url);
const MARK = '<!-- below this line the page is written by `node bench/page.ts` from bench/results -->';

/** Writes the measured part of bench/README.md, and its pictures, from the files in bench/results. */
export function writePage(): void {
  const text = readFileSync(PAGE, 'utf8');
  const head = text.slice(0, text.indexOf(MARK) + MARK.length);
  const sections = [...WORKLOADS.map(({ name }) => workloadSection(name)).filter((section) => section !== ''), ...plainSections()];
  writeFileSync(PAGE, `${head}\n\n${sections.join('\n\n')}\n`);
}

function workloadSection(name: string): string {
  const file = readResult<readonly StageRuns[]>(name);
  const workload = WORKLOADS.find((candidate) => candidate.name === name);
  if (workload === undefined || file === undefined) return '';
  const bars = file.results.map(({ stage, runs }) => ({ label: stage, value: median(runs.map(({ seconds }) => workload.changes / seconds)) }));
  writeFileSync(new URL(`${name}.svg`, RESULTS), buildBarChart(`${name}: changes a second (median)`, bars));
  const rows = tableRows(workload, file.results).map((cells) => `| ${cells.join(' | ')} |`);
  return `## ${name}: ${workload.about}

![changes a second](results/${name}.svg)

| | changes/s (median) | spread | CPU s | peak MB | of the first line |
|---|---|---|---|---|---|
${rows.join('\n')}

${aboutRuns(file, file.results[0]?.runs.length ?? 0)}`;
}

function plainSections(): string[] {
  if (!existsSync(RESULTS)) return [];
  return readdirSync(RESULTS)
    .filter((file) => file.endsWith('.json') && !WORKLOADS.some(({ name }) => file === `${name}.json`))
    .map((file) => {
      const found = readResult<unknown>(file.replace('.json', ''));
      if (found === undefined) return '';
      return `## ${found.name}\n\n\`\`\`json\n${JSON.stringify(found.results, null, 2)}\n\`\`\`\n\n${aboutRuns(found, 1)}`;
    });
}

function aboutRuns({ measuredAt, machine }: ResultFile<unknown>, runs: number): string {
  return `${runs} ${runs === 1 ? 'run' : 'runs'} each, in turn, on ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Node ${machine.node}; ${measuredAt.slice(0, 10)}.`;
}

if (import.meta.main) writePage();
