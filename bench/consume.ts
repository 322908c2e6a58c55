import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BenchDatabase } from './database.ts';
import { sourceStage } from './stages/source-process.ts';
import type { StageResult } from './stages/stage.ts';
import { findWorkload } from './workloads.ts';

const ROOT = new URL('../', import.meta.url);

export interface ConsumeResult {
  readonly mode: string;
  readonly runs: readonly (StageResult & { readonly changesPerSecond: number; readonly changesPerCpuSecond: number })[];
}

interface Urls {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
}

/** Publishes the backlog once, then reads it back: decoded to records, and to records with every cell as a value. */
export async function measureConsume(urls: Urls, runs: number, say: (line: string) => void): Promise<readonly ConsumeResult[]> {
  const workload = findWorkload('backlog');
  const database = new BenchDatabase(urls.postgresUrl, workload);
  say('consume: making and publishing the backlog …');
  await database.create(workload);
  const runName = `bench-consume-${process.pid}`;
  const slot = await database.newSlot();
  const input = {
    ...urls,
    postgresUrl: database.url,
    slot,
    publication: database.publication,
    endOfLog: '',
    tables: workload.tables,
    changes: workload.changes,
    deletes: workload.deletes,
    runName,
  };
  try {
    await sourceStage.run(input);
  } finally {
    await database.dropSlot(slot);
    await database.drop();
  }
  const results: ConsumeResult[] = ['records', 'values'].map((mode) => ({ mode, runs: [] }));
  for (let run = 1; run <= runs; run++) {
    for (const [index, { mode, runs: before }] of results.entries()) {
      const result = await consume(urls, mode, `${runName}.public.orders`, workload.changes);
      results[index] = { mode, runs: [...before, result] };
      process.stdout.write(`Kafka to nowhere, ${mode}: ${JSON.stringify(result)}\n`);
    }
  }
  return results;
}

async function consume(urls: Urls, mode: string, topic: string, changes: number) {
  const env = { ...process.env, KAFKA_BROKERS: urls.kafkaBrokers, SCHEMA_REGISTRY_URL: urls.registryUrl };
  const child = spawn(process.execPath, ['bench/stages/sink-child.ts', mode, topic, String(changes)], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (text: Buffer) => void (output += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the consumer ended with ${code}`);
  const result = JSON.parse(output) as StageResult;
  return { ...result, changesPerSecond: Math.round(changes / result.seconds), changesPerCpuSecond: Math.round(changes / result.cpuSeconds) };
}
