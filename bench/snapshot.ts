import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Bench, BenchContext } from './bench.ts';
import { flagsOfScript } from './connector.ts';
import { BenchDatabase, PUBLICATION } from './database.ts';
import type { StageRuns } from './log-stages.ts';
import { median, usageOf } from './measure.ts';
import { runDebezium } from './peers/debezium.ts';
import type { StageResult } from './stages/stage.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { plainText, type ResultTable, thousands } from './table.ts';
import { ORDERS, type Workload } from './workloads.ts';

const ROOT = new URL('../', import.meta.url);
export const COPY_STAGE = 'COPY to nowhere';
export const SOURCE_STAGE = 'tables to Kafka';
const SAMPLE_MS = 20;
const DEFAULT_ROWS = 1_000_000;
/** A peer's rate is no lower over so many rows: it has long warmed up. */
const MOST_PEER_ROWS = 1_000_000;
/** The line of the log behind which tables are read: until then the process starts, and sets up. */
const STARTED = 'snapshot: reading tables';
/** Lines of the log that are neither warnings nor errors. */
const INFORMATION = '"level":30';

interface Job {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
  readonly slot: string;
  readonly publication: string;
  readonly runName: string;
}

interface SnapshotStage {
  readonly name: string;
  readonly about: string;
  /** Of its table. */
  readonly rows: number;
  run(job: Job): Promise<StageResult>;
}

/** A stage as it was measured, with a table of so many rows. */
export interface SnapshotRuns extends StageRuns {
  readonly rows: number;
}

export interface SnapshotResult {
  readonly rows: number;
  readonly stages: readonly SnapshotRuns[];
}

/** A table of so many rows, nothing else going on: what `COPY` gives away, one source process publishes, and a peer does. */
export const snapshotBench: Bench = {
  name: 'snapshot',
  about: 'a table of a million rows (--rows 10000000), and of a tenth of them: COPY, and one source process',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const stages = stagesOf(context);
    await using tables = new SnapshotTables(context);
    const results = new Map<SnapshotStage, StageResult[]>(stages.map((stage) => [stage, []]));
    for (const { rows } of stages) await tables.of(rows);
    for (let run = 1; run <= context.options.runs; run++) {
      for (const stage of stages) {
        context.say(`snapshot: run ${run} of ${context.options.runs}, ${stage.name}, ${thousands(stage.rows)} rows …`);
        results.get(stage)?.push(await runOnce(context, { database: await tables.of(stage.rows), run }, stage));
      }
    }
    const summaries = stages.map((stage) => ({ stage: stage.name, about: stage.about, rows: stage.rows, runs: results.get(stage) ?? [] }));
    const result = { rows: context.options.rows ?? DEFAULT_ROWS, stages: summaries };
    context.print(`\nsnapshot: ${tableOf(result.rows).about}\n${plainText(snapshotTable(result))}`);
    context.keep('snapshot', result);
  },
};

function stagesOf({ options, say }: BenchContext): readonly SnapshotStage[] {
  const { rows = DEFAULT_ROWS, peerRows = Math.min(rows, MOST_PEER_ROWS), peers } = options;
  const own = [copyStage(rows), sourceStage(rows), sourceStage(Math.round(rows / 10))];
  return peers.includes('debezium') ? [...own, debeziumStage(peerRows, say)] : own;
}

/** Tables by their number of rows, each in a database of its own: made once, and gone afterwards. */
class SnapshotTables implements AsyncDisposable {
  readonly #context: BenchContext;
  readonly #made = new Map<number, BenchDatabase>();

  constructor(context: BenchContext) {
    this.#context = context;
  }

  async of(rows: number): Promise<BenchDatabase> {
    const made = this.#made.get(rows);
    if (made !== undefined) return made;
    const workload = tableOf(rows);
    const database = new BenchDatabase(this.#context.urls.postgresUrl, `snapshot_${rows}`);
    this.#context.say(`snapshot: making ${workload.about} …`);
    this.#made.set(rows, database);
    await database.create(workload);
    // So that nothing has to be tidied up, or estimated, while something is measured.
    await database.query('VACUUM ANALYZE');
    await database.query('CHECKPOINT');
    return database;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const database of this.#made.values()) await database.drop();
  }
}

/** The changes of this workload are its rows. */
function tableOf(rows: number): Workload {
  return {
    name: 'snapshot',
    about: `a table of 13 columns and ${rows.toLocaleString('en')} rows`,
    tables: ['public.orders'],
    changes: rows,
    deletes: 0,
    schema: ORDERS,
    load: `INSERT INTO orders SELECT g, g % 1000, g % 10, 'new', 'some note text for row ' || g, (g % 100000 * 1.5)::numeric(12,2), 'EUR', now(), now(),
      1.25 * g, true, jsonb_build_object('a', g, 'b', 'text'), gen_random_uuid() FROM generate_series(1, ${rows}) g`,
  };
}

async function runOnce(
  { urls }: BenchContext,
  { database, run }: { readonly database: BenchDatabase; readonly run: number },
  stage: SnapshotStage,
): Promise<StageResult> {
  const slot = await database.newSlotHere();
  try {
    const runName = `bench-snapshot-${process.pid}-${stage.name.replaceAll(/[^a-z]/g, '')}-${stage.rows}-${run}`;
    return await stage.run({ ...urls, postgresUrl: database.url, publication: PUBLICATION, slot, runName });
  } finally {
    await database.dropSlot(slot);
  }
}

/** The limit: what one session gives to PostgreSQL's own client, or to a program of ours that throws it away where that is not installed. */
function copyStage(rows: number): SnapshotStage {
  const psql = findPsql();
  const [file, args] =
    psql === undefined ? [process.execPath, ['bench/stages/copy-child.ts']] : [psql, ['-q', '-c', 'COPY orders TO STDOUT', '-o', '/dev/null']];
  return {
    name: COPY_STAGE,
    about: psql === undefined ? 'COPY … TO STDOUT, read and dropped by a program' : 'COPY … TO STDOUT, by psql into /dev/null',
    rows,
    run: async ({ postgresUrl }) => timed(file, psql === undefined ? [...args, postgresUrl] : [...args, '-d', postgresUrl], {}),
  };
}

/** The product as its users run it, to the end of its process; its start, up to the first look at the tables, is told apart. */
function sourceStage(rows: number): SnapshotStage {
  return {
    name: SOURCE_STAGE,
    about: 'one source process with SNAPSHOT_MODE=only, exactly once into the topics; from its first read to its end',
    rows,
    run: async (job) => {
      const settings = { ...sourceEnvironment({ ...job, tables: ['public.orders'] }), SNAPSHOT_MODE: 'only', LOG_LEVEL: 'info', LOG_FORMAT: 'json' };
      return timed(process.execPath, [...flagsOfScript('source'), 'sources/main.ts'], settings, STARTED);
    },
  };
}

function debeziumStage(rows: number, say: (line: string) => void): SnapshotStage {
  return {
    name: 'Debezium, initial snapshot',
    about: 'Kafka Connect standalone, Avro converter, snapshot.mode=initial, tuned as for the backlog; from its first record to its last',
    rows,
    run: async ({ runName, ...job }) =>
      runDebezium({
        ...job,
        tables: ['public.orders'],
        topicPrefix: runName,
        expectedRecords: rows,
        tuning: 'tuned',
        snapshotMode: 'initial',
        onProgress: (line) => say(`  ${line}`),
      }),
  };
}

/** Runs a program to its end, timed from the line that has `mark`, where there is one; CPU and memory are those of the last look before the end. */
async function timed(file: string, args: readonly string[], settings: Readonly<Record<string, string>>, mark?: string): Promise<StageResult> {
  const launchedAt = performance.now();
  const child = spawn(file, args, { cwd: ROOT, env: { ...process.env, ...settings }, stdio: ['ignore', 'ignore', 'pipe'] });
  let startedAt = mark === undefined ? launchedAt : undefined;
  createInterface(child.stderr).on('line', (line) => {
    if (mark !== undefined && line.includes(mark)) startedAt = performance.now();
    else if (!line.includes(INFORMATION)) process.stderr.write(`${line}\n`);
  });
  let usage = { cpuSeconds: 0, peakBytes: 0 };
  const timer = setInterval(() => (usage = look(child.pid ?? 0) ?? usage), SAMPLE_MS);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  if (startedAt === undefined) throw new Error(`${file} did not say "${mark}": what the bench waits for has to be what is logged`);
  const { cpuSeconds, peakBytes } = usage;
  return { seconds: (performance.now() - startedAt) / 1000, startSeconds: (startedAt - launchedAt) / 1000, cpuSeconds, peakBytes };
}

function look(pid: number): { cpuSeconds: number; peakBytes: number } | undefined {
  try {
    const usage = usageOf(pid);
    return usage.peakBytes === 0 ? undefined : usage;
  } catch {
    return undefined;
  }
}

/** Rows a second, with the start and without it: a peer that is started once may be judged by the second. */
export function snapshotTable({ stages }: SnapshotResult): ResultTable {
  const first = median(stages[0] === undefined ? [] : snapshotRates(stages[0]).whole);
  const lines = stages.map((stage) => {
    const { whole, afterStart } = snapshotRates(stage);
    const of = (value: (run: StageResult) => number) => median(stage.runs.map(value));
    return [
      stage.stage,
      thousands(stage.rows),
      thousands(median(afterStart)),
      thousands(median(whole)),
      of(({ startSeconds = 0 }) => startSeconds).toFixed(1),
      of(({ cpuSeconds }) => cpuSeconds).toFixed(1),
      (of(({ peakBytes }) => peakBytes) / 1e6).toFixed(0),
      `${(median(whole) / first).toFixed(2)} ×`,
    ];
  });
  return {
    head: ['', 'rows', 'rows/s after its start (median)', 'rows/s with it', 'start s', 'CPU s', 'peak MB', 'with its start, of the first line'],
    rows: lines,
  };
}

export function snapshotRates({ rows, runs }: SnapshotRuns): { readonly whole: readonly number[]; readonly afterStart: readonly number[] } {
  return {
    whole: runs.map(({ seconds, startSeconds = 0 }) => rows / (seconds + startSeconds)),
    afterStart: runs.map(({ seconds }) => rows / seconds),
  };
}

function findPsql(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(':').map((folder) => `${folder}/psql`);
  const root = '/usr/lib/postgresql';
  const installed = existsSync(root) ? readdirSync(root).map((version) => `${root}/${version}/bin/psql`) : [];
  return [...installed, ...onPath].find((path) => existsSync(path));
}
