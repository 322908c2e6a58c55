import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { StackUrls } from '../stack/service.ts';
import type { Bench } from './bench.ts';
import { flagsOfScript } from './connector.ts';
import { median } from './measure.ts';
import { type Rate, type StageResult, toRate } from './stages/stage.ts';
import { plainText, thousands, type ResultTable } from './table.ts';
import { publishBacklog } from './published-backlog.ts';
import { backlogOf } from './workloads.ts';

const ROOT = new URL('../', import.meta.url);

export interface ConsumeResult {
  readonly mode: string;
  readonly runs: readonly Rate[];
}

/** Reads the backlog back: decoded to records, and to records with every cell as a value. */
export const consumeBench: Bench = {
  name: 'consume',
  about: 'Kafka to nowhere: the backlog decoded by one consumer',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const workload = backlogOf(context.options.rows);
    const topic = await publishBacklog(context, workload);
    const results: ConsumeResult[] = ['records', 'values'].map((mode) => ({ mode, runs: [] }));
    for (let run = 1; run <= context.options.runs; run++) {
      for (const [index, { mode, runs: before }] of results.entries()) {
        context.say(`consume: run ${run} of ${context.options.runs}, ${mode} …`);
        results[index] = { mode, runs: [...before, await consumeBacklog(context.urls, { mode, topic, changes: workload.changes })] };
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

/** Read by one process that drops what it has read. `records` leaves rows as bytes, `values` decodes every cell. */
export async function consumeBacklog(
  urls: StackUrls,
  { mode, topic, changes }: { readonly mode: string; readonly topic: string; readonly changes: number },
): Promise<Rate> {
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
  return toRate(changes, JSON.parse(output) as StageResult);
}
