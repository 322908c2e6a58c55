import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { usageOf } from '../measure.ts';
import type { Stage, StageInput, StageResult } from './stage.ts';

const SAMPLE_MS = 20;

/** The limit: what one walsender gives to a client that only writes bytes to a file. */
export const recvlogicalStage: Stage = {
  name: 'pg_recvlogical',
  about: 'log to a file, PostgreSQL’s own client: the limit of one walsender',
  run: (input) => run(input, []),
};

/** The source reads binary values where all types allow it: this is its own limit then. */
export const recvlogicalBinaryStage: Stage = {
  name: 'pg_recvlogical, binary',
  about: 'the same with values in binary form',
  run: (input) => run(input, ['-o', 'binary=true']),
};

/** Path of the tool, or undefined where PostgreSQL's client programs are not installed. */
export function findRecvlogical(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(':').map((folder) => `${folder}/pg_recvlogical`);
  const root = '/usr/lib/postgresql';
  const installed = existsSync(root) ? readdirSync(root).map((version) => `${root}/${version}/bin/pg_recvlogical`) : [];
  return [...onPath, ...installed].find((path) => existsSync(path));
}

async function run(input: StageInput, options: readonly string[]): Promise<StageResult> {
  const tool = findRecvlogical();
  if (tool === undefined) throw new Error('pg_recvlogical is not installed: it comes with the PostgreSQL client programs');
  const startedAt = performance.now();
  const child = spawn(
    tool,
    [
      '-d',
      input.postgresUrl,
      '--slot',
      input.slot,
      '--start',
      '-o',
      'proto_version=1',
      '-o',
      `publication_names=${input.publication}`,
      ...options,
      '-f',
      '/dev/null',
      '--endpos',
      input.endOfLog,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  let usage = { cpuSeconds: 0, peakBytes: 0 };
  const timer = setInterval(() => {
    try {
      usage = usageOf(child.pid ?? 0);
    } catch {
      // The process has just ended: the last sample stands.
    }
  }, SAMPLE_MS);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}`);
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: usage.cpuSeconds, peakBytes: usage.peakBytes };
}
