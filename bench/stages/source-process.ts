import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { usageOf } from '../measure.ts';
import type { Stage, StageInput, StageResult } from './stage.ts';

const ROOT = new URL('../../', import.meta.url);
const PORT = 19_870;
const POLL_MS = 20;

/** The product as its users run it: one source process, exactly once into the topics. Timed from its start. */
export const sourceStage: Stage = {
  name: 'log to Kafka',
  about: 'one source process, Kafka transactions with the position inside',
  run: (input) => runSource(input, {}),
};

export const compressedStage: Stage = {
  name: 'log to Kafka, zstd',
  about: 'the same with KAFKA_COMPRESSION=zstd',
  run: (input) => runSource(input, { KAFKA_COMPRESSION: 'zstd' }),
};

export function sourceEnvironment(input: StageInput): Record<string, string> {
  return {
    SOURCE_TYPE: 'postgres',
    SOURCE_NAME: input.runName,
    SOURCE_URL: input.postgresUrl,
    SOURCE_SLOT_NAME: input.slot,
    SOURCE_PUBLICATION_NAME: input.publication,
    TABLES: input.tables.join(','),
    SNAPSHOT_MODE: 'never',
    KAFKA_BROKERS: input.kafkaBrokers,
    SCHEMA_REGISTRY_URL: input.registryUrl,
    LOG_LEVEL: 'warn',
  };
}

async function runSource(input: StageInput, settings: Record<string, string>): Promise<StageResult> {
  const startedAt = performance.now();
  const env = { ...process.env, ...sourceEnvironment(input), HTTP_PORT: String(PORT), ...settings };
  const child = spawn(process.execPath, ['sources/main.ts'], { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const exited = once(child, 'exit');
  while ((await publishedChanges()) < input.changes) {
    if (child.exitCode !== null) throw new Error(`the source ended with ${child.exitCode}`);
    await delay(POLL_MS);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { cpuSeconds, peakBytes } = usageOf(child.pid ?? 0);
  child.kill('SIGTERM');
  await exited;
  return { seconds, cpuSeconds, peakBytes };
}

async function publishedChanges(): Promise<number> {
  try {
    const response = await fetch(`http://127.0.0.1:${PORT}/status`);
    return ((await response.json()) as { changes: number }).changes;
  } catch {
    return 0;
  }
}
