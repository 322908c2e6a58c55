import type { Bench, BenchContext } from './bench.ts';
import { BenchDatabase } from './database.ts';
import { debeziumStages } from './stages/debezium.ts';
import { avroStage, nowhereStage } from './stages/in-process.ts';
import { findRecvlogical, recvlogicalBinaryStage, recvlogicalStage } from './stages/recvlogical.ts';
import { compressedStage, sourceStage } from './stages/source-process.ts';
import type { Stage, StageResult } from './stages/stage.ts';
import { describeStages } from './table.ts';
import { type Workload, workloadOf } from './workloads.ts';

export interface StageRuns {
  readonly stage: string;
  readonly about: string;
  readonly runs: readonly StageResult[];
}

/** One workload as it was measured. */
export interface WorkloadResult {
  readonly about: string;
  readonly changes: number;
  readonly stages: readonly StageRuns[];
}

/** What lies in the log, taken out of it in several ways. */
export const backlogBench: Bench = {
  name: 'backlog',
  about: 'the workloads named by --workload',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const { options } = context;
    for (const name of options.workload.split(',')) {
      const workload = workloadOf(name, options.rows);
      const stages = await runWorkload(context, workload, stagesOf(context));
      context.print(describeStages(workload, stages));
      const result: WorkloadResult = { about: workload.about, changes: workload.changes, stages };
      context.keep(workload.name, result);
    }
  },
};

function stagesOf({ options, say }: BenchContext): readonly Stage[] {
  const limit = findRecvlogical() === undefined ? [] : [recvlogicalStage, recvlogicalBinaryStage];
  if (limit.length === 0) say('pg_recvlogical is not installed: install PostgreSQL’s client programs to have the limit beside it');
  const own = options.stages === 'all' ? [nowhereStage, avroStage, sourceStage, compressedStage] : [sourceStage];
  return [...limit, ...own, ...(options.peers.includes('debezium') ? debeziumStages : [])];
}

/** Every stage in turn, then all again: a slow minute of the machine hits them all. */
async function runWorkload(context: BenchContext, workload: Workload, stages: readonly Stage[]): Promise<readonly StageRuns[]> {
  const { urls, options, say } = context;
  const database = new BenchDatabase(urls.postgresUrl, workload.name);
  say(`${workload.name}: making ${workload.changes.toLocaleString('en')} changes (${workload.about}) …`);
  await database.create(workload);
  const endOfLog = await database.endOfLog();
  const results = new Map<Stage, StageResult[]>(stages.map((stage) => [stage, []]));
  try {
    for (let run = 1; run <= options.runs; run++) {
      for (const stage of stages) {
        say(`${workload.name}: run ${run} of ${options.runs}, ${stage.name} …`);
        results.get(stage)?.push(await runOnce(context, { workload, database, endOfLog, stage, run }));
      }
    }
  } finally {
    await database.drop();
  }
  return stages.map((stage) => ({ stage: stage.name, about: stage.about, runs: results.get(stage) ?? [] }));
}

interface OneRun {
  readonly workload: Workload;
  readonly database: BenchDatabase;
  readonly endOfLog: string;
  readonly stage: Stage;
  readonly run: number;
}

async function runOnce({ urls }: BenchContext, { workload, database, endOfLog, stage, run }: OneRun): Promise<StageResult> {
  const slot = await database.newSlot();
  try {
    return await stage.run({
      ...database.input(slot, urls),
      endOfLog,
      tables: workload.tables,
      changes: workload.changes,
      deletes: workload.deletes,
      runName: `bench-${process.pid}-${workload.name}-${stage.name.replaceAll(/[^a-z]/g, '')}-${run}`,
    });
  } finally {
    await database.dropSlot(slot);
  }
}
