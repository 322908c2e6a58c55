import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { buildBarChart } from './bar-chart.ts';
import { median } from './measure.ts';
import { tableRows } from './table.ts';
import { WORKLOADS } from './workloads.ts';

const RESULTS = new URL('results/', import.meta.url);
const PAGE = new URL('README.md', import.meta.url);
const MARK = '<!-- below this line the page is written by `node bench/page.ts` from bench/results -->';

interface ResultFile<T> {
  readonly name: string;
  readonly measuredAt: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
  readonly results: T;
}

interface StageRuns {
  readonly stage: string;
  readonly about: string;
  readonly runs: readonly { readonly seconds: number; readonly cpuSeconds: number; readonly peakBytes: number }[];
}

/** Writes the measured part of bench/README.md, and its pictures, from the files in bench/results. */
function writePage(): void {
  const text = readFileSync(PAGE, 'utf8');
  const head = text.slice(0, text.indexOf(MARK) + MARK.length);
  const sections = [...WORKLOADS.filter(({ name }) => hasResult(name)).map(({ name }) => workloadSection(name)), ...plainSections()];
  writeFileSync(PAGE, `${head}\n\n${sections.join('\n\n')}\n`);
}

function workloadSection(name: string): string {
  const file = read<readonly StageRuns[]>(name);
  const workload = WORKLOADS.find((candidate) => candidate.name === name);
  if (workload === undefined) return '';
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
  return readdirSync(RESULTS)
    .filter((file) => file.endsWith('.json') && !WORKLOADS.some(({ name }) => file === `${name}.json`))
    .map((file) => {
      const found = read<unknown>(file.replace('.json', ''));
      return `## ${found.name}\n\n\`\`\`json\n${JSON.stringify(found.results, null, 2)}\n\`\`\`\n\n${aboutRuns(found, 1)}`;
    });
}

function aboutRuns({ measuredAt, machine }: ResultFile<unknown>, runs: number): string {
  return `${runs} ${runs === 1 ? 'run' : 'runs'} each, in turn, on ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Node ${machine.node}; ${measuredAt.slice(0, 10)}.`;
}

function hasResult(name: string): boolean {
  return existsSync(new URL(`${name}.json`, RESULTS));
}

function read<T>(name: string): ResultFile<T> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, RESULTS), 'utf8')) as ResultFile<T>;
}

writePage();
