import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import type { Bench, BenchContext } from './bench.ts';
import { flagsOfScript } from './connector.ts';
import { BenchDatabase, PUBLICATION } from './database.ts';
import { usageOf } from './measure.ts';
import { runDebezium } from './peers/debezium.ts';
import type { StageResult } from './stages/stage.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { describeStages } from './table.ts';
import { ORDERS, type Workload } from './workloads.ts';

const ROOT = new URL('../', import.meta.url);
const SAMPLE_MS = 20;
const DEFAULT_ROWS = 1_000_000;

interface Job {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
  readonly rows: number;
  readonly slot: string;
  readonly publication: string;
  readonly runName: string;
}

interface SnapshotStage {
  readonly name: string;
  readonly about: string;
  run(job: Job): Promise<StageResult>;
}

/** A table of so many rows, nothing else going on: what `COPY` gives away, one source process publishes, and a peer does. */
export const snapshotBench: Bench = {
  name: 'snapshot',
  about: 'a table of a million rows (--rows 10000000): COPY, and one source process',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const { options, urls, say } = context;
    const workload = tableOf(options.rows ?? DEFAULT_ROWS);
    const database = new BenchDatabase(urls.postgresUrl, workload.name);
    const stages = [copyStage(), sourceStage, ...(options.peers.includes('debezium') ? [debeziumStage(say)] : [])];
    say(`snapshot: making ${workload.about} …`);
    await database.create(workload);
    // So that nothing has to be tidied up, or estimated, while something is measured.
    await database.query('VACUUM ANALYZE');
    await database.query('CHECKPOINT');
    const results = new Map<SnapshotStage, StageResult[]>(stages.map((stage) => [stage, []]));
    try {
      for (let run = 1; run <= options.runs; run++) {
        for (const stage of stages) {
          say(`snapshot: run ${run} of ${options.runs}, ${stage.name} …`);
          results.get(stage)?.push(await runOnce(context, { workload, database, run }, stage));
        }
      }
    } finally {
      await database.drop();
    }
    const summaries = stages.map((stage) => ({ stage: stage.name, about: stage.about, runs: results.get(stage) ?? [] }));
    context.print(describeStages(workload, summaries));
    context.keep('snapshot', { rows: workload.changes, stages: summaries });
  },
};

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
  { workload, database, run }: { readonly workload: Workload; readonly database: BenchDatabase; readonly run: number },
  stage: SnapshotStage,
): Promise<StageResult> {
  const slot = await database.newSlotHere();
  try {
    const runName = `bench-snapshot-${process.pid}-${stage.name.replaceAll(/[^a-z]/g, '')}-${run}`;
    return await stage.run({ ...urls, postgresUrl: database.url, publication: PUBLICATION, rows: workload.changes, slot, runName });
  } finally {
    await database.dropSlot(slot);
  }
}

/** The limit: what one session gives to PostgreSQL's own client, or to a program of ours that throws it away where that is not installed. */
function copyStage(): SnapshotStage {
  const psql = findPsql();
  const [file, args] =
    psql === undefined ? [process.execPath, ['bench/stages/copy-child.ts']] : [psql, ['-q', '-c', 'COPY orders TO STDOUT', '-o', '/dev/null']];
  return {
    name: 'COPY to nowhere',
    about: psql === undefined ? 'COPY … TO STDOUT, read and dropped by a program' : 'COPY … TO STDOUT, by psql into /dev/null',
    run: async ({ postgresUrl }) => timed(file, psql === undefined ? [...args, postgresUrl] : [...args, '-d', postgresUrl], {}),
  };
}

/** The product as its users run it, timed from the start of its process to its end. */
const sourceStage: SnapshotStage = {
  name: 'tables to Kafka',
  about: 'one source process with SNAPSHOT_MODE=only, exactly once into the topics',
  run: async (job) => {
    const settings = { ...sourceEnvironment({ ...job, tables: ['public.orders'] }), SNAPSHOT_MODE: 'only' };
    return timed(process.execPath, [...flagsOfScript('source'), 'sources/main.ts'], settings);
  },
};

function debeziumStage(say: (line: string) => void): SnapshotStage {
  return {
    name: 'Debezium, initial snapshot',
    about: 'Kafka Connect standalone, Avro converter, snapshot.mode=initial, tuned as for the backlog; from its first record to its last',
    run: async ({ rows, runName, ...job }) =>
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

/** Runs a program to its end; CPU and memory are those of the last look before it. */
async function timed(file: string, args: readonly string[], settings: Readonly<Record<string, string>>): Promise<StageResult> {
  const startedAt = performance.now();
  const child = spawn(file, args, { cwd: ROOT, env: { ...process.env, ...settings }, stdio: ['ignore', 'ignore', 'inherit'] });
  let usage = { cpuSeconds: 0, peakBytes: 0 };
  const timer = setInterval(() => (usage = look(child.pid ?? 0) ?? usage), SAMPLE_MS);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: usage.cpuSeconds, peakBytes: usage.peakBytes };
}

function look(pid: number): { cpuSeconds: number; peakBytes: number } | undefined {
  try {
    const usage = usageOf(pid);
    return usage.peakBytes === 0 ? undefined : usage;
  } catch {
    return undefined;
  }
}

function findPsql(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(':').map((folder) => `${folder}/psql`);
  const root = '/usr/lib/postgresql';
  const installed = existsSync(root) ? readdirSync(root).map((version) => `${root}/${version}/bin/psql`) : [];
  return [...installed, ...onPath].find((path) => existsSync(path));
}
