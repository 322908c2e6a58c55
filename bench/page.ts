import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Bar, buildBarChart } from './bar-chart.ts';
import { type ConsumeResult, consumeTable } from './consume.ts';
import { type FootprintResult, footprintTable } from './footprint.ts';
import { type GrowthResult, growthTable } from './growth.ts';
import { type LatencyResult, latencyTable } from './latency.ts';
import type { StageRuns, WorkloadResult } from './log-stages.ts';
import { median } from './measure.ts';
import { type ProfileResult, profileTable } from './profile.ts';
import { readResult, type ResultFile, RESULTS } from './results.ts';
import { SINK_PATHS, type SinkPathResult, sinksTable } from './sinks.ts';
import { snapshotRates, type SnapshotResult, type SnapshotRuns, snapshotTable } from './snapshot.ts';
import { markdown, type ResultTable, stagesTable } from './table.ts';
import { targetsTable } from './targets.ts';
import { WORKLOADS } from './workloads.ts';

const PAGE = new URL('README.md', import.meta.url);
const MARK = '<!-- below this line the page is written by `npm run bench -- page` from bench/results -->';
/** Settings of a peer that are addresses, names and places of one run. */
const OF_ONE_RUN =
  /hostname|\.port|\.url|user|password|dbname|slot\.name|publication\.name|topic\.prefix|table\.include|bootstrap|listeners|filename|connector name/;

/** Writes the measured part of bench/README.md, and its pictures, from the files in bench/results: no number comes from anywhere else. */
export function writePage(): void {
  const text = readFileSync(PAGE, 'utf8');
  const head = text.slice(0, text.indexOf(MARK) + MARK.length);
  const sections = [targetsSection(), ...WORKLOADS.map(({ name }) => workloadSection(name)), ...otherSections(), debeziumSection()];
  writeFileSync(PAGE, `${head}\n\n${sections.filter((section) => section !== '').join('\n\n')}\n`);
}

/** Two files: each takes its time, and is measured by itself. */
const GROWTHS = [
  { name: 'growth-tables', title: 'Growth of the number of tables' },
  { name: 'growth-rows', title: 'Growth of one table' },
] as const;

function targetsSection(): string {
  const measured = {
    backlog: readResult<WorkloadResult>('backlog')?.results,
    consume: readResult<readonly ConsumeResult[]>('consume')?.results,
    sinks: readResult<readonly SinkPathResult[]>('sinks')?.results,
    latency: readResult<readonly LatencyResult[]>('latency')?.results,
    footprint: readResult<readonly FootprintResult[]>('footprint')?.results,
    growth: GROWTHS.flatMap(({ name }) => readResult<readonly GrowthResult[]>(name)?.results ?? []),
    snapshot: readResult<SnapshotResult>('snapshot')?.results,
  };
  if (Object.values(measured).every((result) => result === undefined)) return '';
  return `## Targets

Ratios are of medians in one run. Where one is missed, the profile below says where the time goes.

${markdown(targetsTable(measured))}`;
}

function workloadSection(name: string): string {
  const file = readResult<WorkloadResult>(name);
  if (file === undefined) return '';
  const { about, changes, stages } = file.results;
  return section(`${name}: ${about}`, stagesTable(changes, stages), file, { name, title: `${name}: changes a second (median)`, bars: barsOf(changes, stages) });
}

function otherSections(): readonly string[] {
  const snapshot = readResult<SnapshotResult>('snapshot');
  const consume = readResult<readonly ConsumeResult[]>('consume');
  const sinks = readResult<readonly SinkPathResult[]>('sinks');
  const latency = readResult<readonly LatencyResult[]>('latency');
  const footprint = readResult<readonly FootprintResult[]>('footprint');
  const growths = GROWTHS.map(({ name, title }) => ({ title, file: readResult<readonly GrowthResult[]>(name) }));
  const profiles = WORKLOADS.map(({ name }) => readResult<ProfileResult>(`profile-${name}`));
  return [
    snapshot &&
      section(
        `snapshot: a table of ${snapshot.results.rows.toLocaleString('en')} rows`,
        snapshotTable(snapshot.results),
        snapshot,
        snapshotChart(snapshot.results),
      ),
    consume && section('Kafka to nowhere: one consumer that decodes', consumeTable(consume.results), consume),
    sinks && section('Kafka to each sink', sinksTable(sinks.results), sinks, sinksChart(sinks.results)),
    latency && section('Latency: from just before the commit to whom it may concern', latencyTable(latency.results), latency, latencyChart(latency.results)),
    footprint && section('Footprint of idle processes', footprintTable(footprint.results), footprint),
    ...growths.map(({ title, file }) => file && section(title, growthTable(file.results), file)),
    ...profiles.map((profile) => profile && section(`Where the time of the source goes: ${profile.results.workload}`, profileTable(profile.results), profile)),
  ].filter((text) => text !== undefined);
}

interface Chart {
  readonly name: string;
  readonly title: string;
  readonly bars: readonly Bar[];
}

function section(title: string, table: ResultTable, file: ResultFile<unknown>, chart?: Chart): string {
  if (chart !== undefined) writeFileSync(new URL(`${chart.name}.svg`, RESULTS), buildBarChart(chart.title, chart.bars));
  const picture = chart === undefined ? '' : `![${chart.title}](results/${chart.name}.svg)\n\n`;
  return `## ${title}\n\n${picture}${markdown(table)}\n\n${aboutMachine(file)}`;
}

function barsOf(changes: number, stages: readonly StageRuns[]): readonly Bar[] {
  return stages.map(({ stage, runs }) => ({ label: stage, value: median(runs.map(({ seconds }) => changes / seconds)) }));
}

function snapshotChart({ rows, stages }: SnapshotResult): Chart {
  const label = (found: SnapshotRuns) => (found.rows === rows ? found.stage : `${found.stage}, ${found.rows.toLocaleString('en')} rows`);
  const bars = stages.map((stage) => ({ label: label(stage), value: median(snapshotRates(stage).afterStart) }));
  return { name: 'snapshot', title: 'snapshot: rows a second after the start (median)', bars };
}

function sinksChart(results: readonly SinkPathResult[]): Chart {
  const bars = results.map(({ path, runs }) => ({ label: SINK_PATHS[path].short, value: median(runs.map(({ changesPerSecond }) => changesPerSecond)) }));
  return { name: 'sinks', title: 'sinks: changes a second (median)', bars };
}

/** Sinks gather for seconds by their setting: beside them the others would be a line. */
function latencyChart(results: readonly LatencyResult[]): Chart {
  const bars = results.filter(({ to }) => to === 'consumer').map(({ who, rate, p99Ms }) => ({ label: `${who}, ${rate}/s`, value: p99Ms }));
  return { name: 'latency', title: 'commit to consumer: p99 in milliseconds', bars };
}

function aboutMachine({ measuredAt, machine }: ResultFile<unknown>): string {
  return `On ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Node ${machine.node}; ${measuredAt.slice(0, 10)}.`;
}

/** What the peer was configured with in each of its configurations, side by side. */
function debeziumSection(): string {
  const runs = (readResult<WorkloadResult>('backlog')?.results.stages ?? []).flatMap(({ stage, runs: [first] }) =>
    first?.config === undefined ? [] : [[stage, first.config] as const],
  );
  const latency = (readResult<readonly LatencyResult[]>('latency')?.results ?? []).flatMap(({ who, config }) =>
    config === undefined ? [] : [[`latency: ${who}`, config] as const],
  );
  const all = [...runs, ...latency];
  if (all.length === 0) return '';
  const names = [...new Set(all.flatMap(([, config]) => Object.keys(config)))].filter((name) => !OF_ONE_RUN.test(name));
  const rows = names.map((name) => [`\`${name}\``, ...all.map(([, config]) => (config[name] === undefined ? '' : `\`${config[name]}\``))]);
  return `## What Debezium was configured with\n\n${markdown({ head: ['setting', ...all.map(([title]) => title)], rows })}`;
}

if (import.meta.main && existsSync(RESULTS)) writePage();
