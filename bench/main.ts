import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { startStack } from '../stack/mod.ts';
import { BenchDatabase } from './database.ts';
import { measureConsume } from './consume.ts';
import { measureFootprint } from './footprint.ts';
import { measureLatency } from './latency.ts';
import { debeziumStages } from './stages/debezium.ts';
import { avroStage, nowhereStage } from './stages/in-process.ts';
import { findRecvlogical, recvlogicalStage } from './stages/recvlogical.ts';
import { compressedStage, sourceStage } from './stages/source-process.ts';
import type { Stage, StageResult } from './stages/stage.ts';
import { printTable } from './table.ts';
import { findWorkload, type Workload, WORKLOADS } from './workloads.ts';

const HELP = `npm run bench                                   the backlog of a million changes: pg_recvlogical and one source process
npm run bench -- --workload wide,jsonb          other workloads: ${WORKLOADS.map(({ name }) => name).join(', ')}
npm run bench -- --stages all                   also log to nowhere, log to Avro, compressed
npm run bench -- --peers debezium               also Debezium on Kafka Connect, with defaults and tuned
npm run bench -- --runs 5                       runs of each, in turn (3 by default)
npm run bench -- --latency                      commit to consumer, at 200 and 1,000 commits a second
npm run bench -- --footprint                    idle processes
npm run bench -- --consume                      Kafka to nowhere: the backlog decoded by one consumer
npm run bench -- --save                         keep the results in bench/results`;

interface Summary {
  readonly stage: string;
  readonly about: string;
  readonly runs: readonly StageResult[];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workload: { type: 'string', default: 'backlog' },
      stages: { type: 'string', default: 'main' },
      peers: { type: 'string', default: '' },
      runs: { type: 'string', default: '3' },
      latency: { type: 'boolean', default: false },
      footprint: { type: 'boolean', default: false },
      consume: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  await using stack = await startStack({ services: ['kafka', 'registry', 'postgres'], onProgress: say });
  if (values.latency) return keep(values.save, 'latency', await measureLatency(stack.urls, values.peers.split(','), say));
  if (values.footprint) return keep(values.save, 'footprint', await measureFootprint(stack.urls, say));
  if (values.consume) return keep(values.save, 'consume', await measureConsume(stack.urls, Number(values.runs), say));
  for (const name of values.workload.split(',')) {
    const workload = findWorkload(name);
    const stages = stagesOf(values.stages, values.peers.split(','));
    keep(values.save, workload.name, await runWorkload(stack.urls, workload, stages, Number(values.runs)));
  }
}

function stagesOf(wanted: string, peers: readonly string[]): readonly Stage[] {
  const limit = findRecvlogical() === undefined ? [] : [recvlogicalStage];
  if (limit.length === 0) say('pg_recvlogical is not installed: install PostgreSQL’s client programs to have the limit beside it');
  const own = wanted === 'all' ? [nowhereStage, avroStage, sourceStage, compressedStage] : [sourceStage];
  return [...limit, ...own, ...(peers.includes('debezium') ? debeziumStages : [])];
}

/** Every stage in turn, then all again: a slow minute of the machine hits them all. */
async function runWorkload(
  urls: { postgresUrl: string; kafkaBrokers: string; registryUrl: string },
  workload: Workload,
  stages: readonly Stage[],
  runs: number,
): Promise<readonly Summary[]> {
  const database = new BenchDatabase(urls.postgresUrl, workload);
  say(`${workload.name}: making ${workload.changes.toLocaleString('en')} changes (${workload.about}) …`);
  await database.create(workload);
  const endOfLog = await database.endOfLog();
  const results = new Map<Stage, StageResult[]>(stages.map((stage) => [stage, []]));
  try {
    for (let run = 1; run <= runs; run++) {
      for (const stage of stages) {
        say(`${workload.name}: run ${run} of ${runs}, ${stage.name} …`);
        results.get(stage)?.push(await runOnce(urls, { workload, database, endOfLog, stage, run }));
      }
    }
  } finally {
    await database.drop();
  }
  const summaries = stages.map((stage) => ({ stage: stage.name, about: stage.about, runs: results.get(stage) ?? [] }));
  printTable(workload, summaries);
  return summaries;
}

interface OneRun {
  readonly workload: Workload;
  readonly database: BenchDatabase;
  readonly endOfLog: string;
  readonly stage: Stage;
  readonly run: number;
}

async function runOnce(urls: { kafkaBrokers: string; registryUrl: string }, { workload, database, endOfLog, stage, run }: OneRun): Promise<StageResult> {
  const slot = await database.newSlot();
  try {
    return await stage.run({
      postgresUrl: database.url,
      kafkaBrokers: urls.kafkaBrokers,
      registryUrl: urls.registryUrl,
      slot,
      publication: database.publication,
      endOfLog,
      tables: workload.tables,
      changes: workload.changes,
      deletes: workload.deletes,
      runName: `bench-${process.pid}-${stage.name.replaceAll(/[^a-z]/g, '')}-${run}`,
    });
  } finally {
    await database.dropSlot(slot);
  }
}

function keep(isSaved: boolean, name: string, results: unknown): void {
  if (!isSaved) return;
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version };
  const file = new URL(`${name}.json`, folder);
  writeFileSync(file, `${JSON.stringify({ name, measuredAt: new Date().toISOString(), machine, results }, null, 2)}\n`);
  say(`kept in bench/results/${name}.json`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

await main();
