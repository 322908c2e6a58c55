import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { StackUrls } from '../stack/service.ts';
import type { Bench, BenchContext } from './bench.ts';
import { flagsOfScript } from './connector.ts';
import { BenchDatabase } from './database.ts';
import { median } from './measure.ts';
import { sourceStage } from './stages/source-process.ts';
import type { StageResult } from './stages/stage.ts';
import { plainText, thousands, type ResultTable } from './table.ts';
import { findWorkload } from './workloads.ts';

const ROOT = new URL('../', import.meta.url);
const BACKLOG = findWorkload('backlog');

export interface ConsumeResult {
  readonly mode: string;
  readonly runs: readonly (StageResult & { readonly changesPerSecond: number; readonly changesPerCpuSecond: number })[];
}

/** Reads the backlog back: decoded to records, and to records with every cell as a value. */
export const consumeBench: Bench = {
  name: 'consume',
  about: 'Kafka to nowhere: the backlog decoded by one consumer',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const topic = await publishBacklog(context);
    const results: ConsumeResult[] = ['records', 'values'].map((mode) => ({ mode, runs: [] }));
    for (let run = 1; run <= context.options.runs; run++) {
      for (const [index, { mode, runs: before }] of results.entries()) {
        context.say(`consume: run ${run} of ${context.options.runs}, ${mode} …`);
        results[index] = { mode, runs: [...before, await consume(context.urls, mode, topic)] };
      }
    }
    context.print(plainText(consumeTable(results)));
    context.keep('consume', results);
  },
};

export function consumeTable(results: readonly ConsumeResult[]): ResultTable {
  return {
    head: ['Kafka to nowhere', 'changes/s (median)', 'changes a CPU second', 'peak MB'],
    rows: results.map(({ mode, runs }) => [
      mode === 'records' ? 'to records, rows as bytes' : 'to records, each cell as a value',
      thousands(median(runs.map(({ changesPerSecond }) => changesPerSecond))),
      thousands(median(runs.map(({ changesPerCpuSecond }) => changesPerCpuSecond))),
      (median(runs.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0),
    ]),
  };
}

/** Gives the topic that it is in. */
export async function publishBacklog({ urls, say }: Pick<BenchContext, 'urls' | 'say'>): Promise<string> {
  const database = new BenchDatabase(urls.postgresUrl, BACKLOG.name);
  say('making and publishing the backlog …');
  await database.create(BACKLOG);
  const runName = `bench-published-${process.pid}`;
  const slot = await database.newSlot();
  const { tables, changes, deletes } = BACKLOG;
  try {
    await sourceStage.run({ ...database.input(slot, urls), endOfLog: '', tables, changes, deletes, runName });
  } finally {
    await database.dropSlot(slot);
    await database.drop();
  }
  return `${runName}.public.orders`;
}

async function consume(urls: StackUrls, mode: string, topic: string) {
  const { changes } = BACKLOG;
  const env = { ...process.env, KAFKA_BROKERS: urls.kafkaBrokers, SCHEMA_REGISTRY_URL: urls.registryUrl };
  const child = spawn(process.execPath, [...flagsOfScript('sink'), 'bench/stages/sink-child.ts', mode, topic, String(changes)], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => void (output += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the consumer ended with ${code}`);
  const result = JSON.parse(output) as StageResult;
  return { ...result, changesPerSecond: Math.round(changes / result.seconds), changesPerCpuSecond: Math.round(changes / result.cpuSeconds) };
}
