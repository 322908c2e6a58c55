import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** What was measured with `--save`; the pages quote nothing else. */
export const RESULTS = new URL('results/', import.meta.url);

export interface ResultFile<T> {
  readonly name: string;
  readonly measuredAt: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
  readonly results: T;
}

export function writeResult(name: string, results: unknown): void {
  mkdirSync(RESULTS, { recursive: true });
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version };
  const content: ResultFile<unknown> = { name, measuredAt: new Date().toISOString(), machine, results };
  writeFileSync(resultUrl(name), `${JSON.stringify(content, null, 2)}\n`);
}

/** Undefined where it was not measured. */
export function readResult<T>(name: string): ResultFile<T> | undefined {
  const file = resultUrl(name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ResultFile<T>) : undefined;
}

function resultUrl(name: string): URL {
  return new URL(`${name}.json`, RESULTS);
}
