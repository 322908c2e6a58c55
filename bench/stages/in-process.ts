import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { flagsOfScript } from '../connector.ts';
import { sourceEnvironment } from './source-process.ts';
import type { Stage, StageInput, StageResult } from './stage.ts';

const ROOT = new URL('../../', import.meta.url);

/** Reads the log and drops the records: what the source connector costs. */
export const nowhereStage: Stage = { name: 'log to nowhere', about: 'the source connector alone, records dropped', run: (input) => runChild('nowhere', input) };

/** Encodes everything as for the broker, and drops the bytes. */
export const avroStage: Stage = { name: 'log to Avro', about: 'envelopes and record batches built, then dropped', run: (input) => runChild('avro', input) };

async function runChild(end: string, input: StageInput): Promise<StageResult> {
  const env = { ...process.env, ...sourceEnvironment(input) };
  const child = spawn(process.execPath, [...flagsOfScript('source'), 'bench/stages/source-child.ts', end, String(input.changes)], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => void (output += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the stage ${end} ended with ${code}`);
  return JSON.parse(output) as StageResult;
}
