import type { ConsumeResult } from './consume.ts';
import type { FootprintResult } from './footprint.ts';
import type { GrowthResult } from './growth.ts';
import type { LatencyResult } from './latency.ts';
import type { WorkloadResult } from './log-stages.ts';
import { median } from './measure.ts';
import type { SinkPath, SinkPathResult } from './sinks.ts';
import { COPY_STAGE, snapshotRates, type SnapshotResult, SOURCE_STAGE } from './snapshot.ts';
import type { StageResult } from './stages/stage.ts';
import { thousands, type ResultTable } from './table.ts';

/** What was measured, by the bench that did; undefined where it was not. */
export interface Measured {
  readonly backlog?: WorkloadResult | undefined;
  readonly consume?: readonly ConsumeResult[] | undefined;
  readonly sinks?: readonly SinkPathResult[] | undefined;
  readonly latency?: readonly LatencyResult[] | undefined;
  readonly footprint?: readonly FootprintResult[] | undefined;
  readonly growth?: readonly GrowthResult[] | undefined;
  readonly snapshot?: SnapshotResult | undefined;
}

/** A figure and whether it is good enough. */
interface Figure {
  readonly text: string;
  readonly isMet: boolean;
}

interface Target {
  readonly work: string;
  readonly target: string;
  readonly command: string;
  /** Undefined where it was not measured. */
  readonly figure: (measured: Measured) => Figure | undefined;
}

const GROWTH_COMMANDS = { tables: 'npm run bench -- growth --tables 5000', rows: 'npm run bench -- growth --rows 100000000' } as const;
const LEAST_OF_DEBEZIUM = 6;
const LEAST_OF_LIMIT = 0.7;
const MOST_CPU_OF_DEBEZIUM = 1 / 7;
const MOST_PEAK_BYTES = 350e6;
const MOST_P50_MS = 10;
const MOST_P99_MS = 50;
const LEAST_DECODED = 250_000;
const MOST_IDLE_BYTES = 100e6;
const MOST_IDLE_CPU = 0.01;
const MOST_MARGINAL_BYTES = 15e6;
/** "Flat" for a machine whose minutes differ. */
const FLAT = 0.8;
const LEAST_OF_CLIENT = 0.6;
const LEAST_SNAPSHOT_OF_DEBEZIUM = 10;
const LEAST_OF_COPY = 1 / 3;
const LEAST_WHOLE = 45_000;

const SNAPSHOT_COMMAND = 'npm run bench -- snapshot --rows 10000000 --peers debezium';
const BACKLOG_COMMAND = 'npm run bench -- --peers debezium';
const TARGETS: readonly Target[] = [
  {
    work: 'backlog to Kafka',
    target: `≥ ${LEAST_OF_DEBEZIUM} × Debezium with Avro, the faster of its two configurations`,
    command: BACKLOG_COMMAND,
    figure: ({ backlog }) => ratio(best(rates(backlog, OWN)), best(rates(backlog, DEBEZIUM)), (value) => value >= LEAST_OF_DEBEZIUM),
  },
  {
    work: 'backlog to Kafka',
    target: `≥ ${LEAST_OF_LIMIT} × pg_recvlogical`,
    command: BACKLOG_COMMAND,
    figure: ({ backlog }) => ratio(best(rates(backlog, OWN)), best(rates(backlog, LIMIT)), (value) => value >= LEAST_OF_LIMIT),
  },
  {
    work: 'backlog to Kafka',
    target: 'CPU a change ≤ 1/7 of Debezium’s, the thriftier of its two configurations',
    command: BACKLOG_COMMAND,
    figure: ({ backlog }) => {
      const [own, theirs] = [least(medians(backlog, OWN, 'cpuSeconds')), least(medians(backlog, DEBEZIUM, 'cpuSeconds'))];
      if (own === undefined || theirs === undefined) return undefined;
      return { text: `1/${(theirs / own).toFixed(1)}`, isMet: own / theirs <= MOST_CPU_OF_DEBEZIUM };
    },
  },
  {
    work: 'backlog to Kafka',
    target: 'peak memory ≤ 350 MB',
    command: BACKLOG_COMMAND,
    figure: ({ backlog }) => atMost(best(medians(backlog, OWN, 'peakBytes')), MOST_PEAK_BYTES, megabytes),
  },
  {
    work: 'snapshot of one table to Kafka',
    target: `≥ ${LEAST_SNAPSHOT_OF_DEBEZIUM} × Debezium’s rows a second, each after its start`,
    command: SNAPSHOT_COMMAND,
    figure: ({ snapshot }) =>
      ratio(snapshotRate(snapshot, OWN_SNAPSHOT, 'afterStart'), snapshotRate(snapshot, DEBEZIUM, 'afterStart'), (value) => value >= LEAST_SNAPSHOT_OF_DEBEZIUM),
  },
  {
    work: 'snapshot of one table to Kafka',
    target: '≥ 1/3 of COPY … TO STDOUT of the same table, its start included',
    command: SNAPSHOT_COMMAND,
    figure: ({ snapshot }) =>
      ratio(
        snapshotRate(snapshot, OWN_SNAPSHOT, 'whole'),
        snapshotRate(snapshot, (stage) => stage === COPY_STAGE, 'whole'),
        (value) => value >= LEAST_OF_COPY,
      ),
  },
  {
    work: 'snapshot of one table to Kafka',
    target: `memory flat: the peak of a table of a tenth of the rows ≥ ${FLAT} × that of the whole`,
    command: SNAPSHOT_COMMAND,
    figure: ({ snapshot }) => snapshotGrowth(snapshot),
  },
  ...[200, 1000].map((rate): Target => ({
    work: `commit to consumer at ${thousands(rate)} commits/s`,
    target: `p50 ≤ ${MOST_P50_MS} ms, p99 ≤ ${MOST_P99_MS} ms`,
    command: 'npm run bench -- latency --peers debezium',
    figure: ({ latency }) => {
      const found = latency?.find((result) => result.who === 'dbmazz' && result.to === 'consumer' && result.rate === rate);
      if (found === undefined) return undefined;
      return { text: `p50 ${found.p50Ms.toFixed(1)} ms, p99 ${found.p99Ms.toFixed(1)} ms`, isMet: found.p50Ms <= MOST_P50_MS && found.p99Ms <= MOST_P99_MS };
    },
  })),
  {
    work: 'Kafka to nowhere (decode to records)',
    target: '≥ 250,000 changes/s on one core',
    command: 'npm run bench -- consume',
    figure: ({ consume }) => {
      const runs = consume?.find(({ mode }) => mode === 'records')?.runs;
      if (runs === undefined) return undefined;
      const value = median(runs.map(({ changesPerCpuSecond }) => changesPerCpuSecond));
      return { text: `${thousands(value)} a second of CPU`, isMet: value >= LEAST_DECODED };
    },
  },
  ...['source', 'sink'].map((kind): Target => ({
    work: `idle ${kind} process`,
    target: '≤ 100 MB, ≤ 1 % of a core',
    command: 'npm run bench -- footprint',
    figure: ({ footprint }) => {
      const found = footprint?.find(({ process: name }) => name === `a ${kind} process`);
      if (found === undefined) return undefined;
      const isMet = found.residentBytes <= MOST_IDLE_BYTES && found.cpuShare <= MOST_IDLE_CPU;
      return { text: `${megabytes(found.residentBytes)}, ${(found.cpuShare * 100).toFixed(2)} %`, isMet };
    },
  })),
  {
    work: 'one more pipeline (source and sink) in a process',
    target: '≤ 15 MB',
    command: 'npm run bench -- footprint',
    figure: ({ footprint }) =>
      atMost(
        footprint?.find(({ process: name }) => name === 'one more pipeline in a process')?.residentBytes,
        MOST_MARGINAL_BYTES,
        (bytes) => `${(bytes / 1e6).toFixed(1)} MB`,
      ),
  },
  ...(['tables', 'rows'] as const).flatMap((what): Target[] => [
    {
      work: what === 'tables' ? 'growth from few to many tables' : 'growth of one table',
      target: `throughput flat: the slowest ≥ ${FLAT} × the fastest`,
      command: GROWTH_COMMANDS[what],
      figure: ({ growth }) => {
        const found = growth?.filter((result) => result.what === what).map(({ changesPerSecond }) => changesPerSecond) ?? [];
        // Of a single size nothing can be said.
        if (found.length < 2) return undefined;
        return ratio(least(found), best(found), (value) => value >= FLAT);
      },
    },
    {
      work: what === 'tables' ? 'growth from few to many tables' : 'growth of one table',
      target: 'memory flat: peak ≤ 350 MB',
      command: GROWTH_COMMANDS[what],
      figure: ({ growth }) => {
        const found = growth?.filter((result) => result.what === what).map(({ peakBytes }) => peakBytes) ?? [];
        return found.length < 2 ? undefined : atMost(best(found), MOST_PEAK_BYTES, megabytes);
      },
    },
  ]),
  clientTarget('PostgreSQL', 'postgresSink', 'postgresLimit'),
  clientTarget('ClickHouse', 'clickhouseSink', 'clickhouseLimit'),
  {
    work: 'PostgreSQL to PostgreSQL through Kafka',
    target: '≥ 45,000 changes/s',
    command: 'npm run bench -- sinks',
    figure: ({ sinks }) => {
      const value = sinkRate(sinks, 'whole');
      return value === undefined ? undefined : { text: thousands(value), isMet: value >= LEAST_WHOLE };
    },
  },
];

function clientTarget(product: string, sink: SinkPath, limit: SinkPath): Target {
  return {
    work: `Kafka to ${product}`,
    target: `≥ ${LEAST_OF_CLIENT} × the same rows, already prepared, by ${product}’s own client`,
    command: 'npm run bench -- sinks',
    figure: ({ sinks }) => ratio(sinkRate(sinks, sink), sinkRate(sinks, limit), (value) => value >= LEAST_OF_CLIENT),
  };
}

/** Every target with its figure, whether it is met, and the command that gives it. */
export function targetsTable(measured: Measured): ResultTable {
  return {
    head: ['work', 'target', 'measured', '', 'command'],
    rows: TARGETS.map(({ work, target, command, figure }) => {
      const found = figure(measured);
      return [work, target, found?.text ?? 'not measured', found === undefined ? '' : found.isMet ? 'met' : '**missed**', `\`${command}\``];
    }),
  };
}

const OWN = (stage: string) => stage === 'log to Kafka';
const LIMIT = (stage: string) => stage === 'pg_recvlogical';
const DEBEZIUM = (stage: string) => stage.startsWith('Debezium');

const OWN_SNAPSHOT = (stage: string) => stage === SOURCE_STAGE;

/** Of the largest table that a stage was measured with. */
function snapshotRate(result: SnapshotResult | undefined, isWanted: (stage: string) => boolean, of: 'whole' | 'afterStart'): number | undefined {
  const found = result?.stages.filter(({ stage }) => isWanted(stage)).toSorted((a, b) => b.rows - a.rows)[0];
  return found && median(snapshotRates(found)[of]);
}

function snapshotGrowth(result: SnapshotResult | undefined): Figure | undefined {
  const sizes = (result?.stages ?? []).filter(({ stage }) => OWN_SNAPSHOT(stage)).toSorted((a, b) => a.rows - b.rows);
  const [small, large] = [sizes[0], sizes.at(-1)].map((stage) => median((stage?.runs ?? []).map(({ peakBytes }) => peakBytes)));
  // Of a single size nothing can be said.
  if (sizes.length < 2 || small === undefined || large === undefined) return undefined;
  return { text: `${megabytes(small)} → ${megabytes(large)}`, isMet: small >= FLAT * large };
}

function rates(result: WorkloadResult | undefined, isWanted: (stage: string) => boolean): readonly number[] {
  return medians(result, isWanted, 'seconds').map((seconds) => (result?.changes ?? 0) / seconds);
}

function medians(
  result: WorkloadResult | undefined,
  isWanted: (stage: string) => boolean,
  of: keyof Pick<StageResult, 'seconds' | 'cpuSeconds' | 'peakBytes'>,
): readonly number[] {
  return (result?.stages ?? []).filter(({ stage }) => isWanted(stage)).map(({ runs }) => median(runs.map((run) => run[of])));
}

function sinkRate(results: readonly SinkPathResult[] | undefined, path: SinkPath): number | undefined {
  const runs = results?.find((result) => result.path === path)?.runs;
  return runs === undefined ? undefined : median(runs.map(({ changesPerSecond }) => changesPerSecond));
}

function best(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.max(...values);
}

function least(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.min(...values);
}

function ratio(value: number | undefined, of: number | undefined, isMet: (ratio: number) => boolean): Figure | undefined {
  if (value === undefined || of === undefined) return undefined;
  return { text: `${(value / of).toFixed(2)} ×`, isMet: isMet(value / of) };
}

function atMost(value: number | undefined, most: number, format: (value: number) => string): Figure | undefined {
  return value === undefined ? undefined : { text: format(value), isMet: value <= most };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
