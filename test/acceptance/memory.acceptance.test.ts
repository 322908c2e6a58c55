import { existsSync, readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { ConnectorProcess } from './connector-process.ts';
import { sourceCaughtUp } from './source-caught-up.ts';

const PATIENCE_MS = 400_000;
const ROWS = 300_000;
const LARGE_ROWS = 10;
const LARGE_BYTES = 10_000_000;
/** The heap still grows a little until the collector has found its pace. Kept in memory, the further rows would take several times this. */
const MARGIN_MIB = 128;

/** The most memory that a process has held, in MiB, as Linux counts it. */
function peakMib(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

interface Load {
  readonly rows: number;
  /** Of each row: SQL over its number `n`. */
  readonly value: string;
}

/** The peak of a source that publishes one transaction of so many rows, and a snapshot of as many before. */
async function peakWith({ rows, value }: Load): Promise<number> {
  const bench = await PostgresBench.open();
  onTestFinished(async () => {
    await bench[Symbol.asyncDispose]();
    await deleteTopics(bench.name);
  });
  const fill = (first: number) => `INSERT INTO t SELECT n, ${value} FROM generate_series(${first}, ${first + rows - 1}) n`;
  await bench.query(`CREATE TABLE t (id int PRIMARY KEY, v text); ${fill(1)}`);
  const settings = { SOURCE_TYPE: 'postgres', SOURCE_NAME: bench.name, SOURCE_URL: bench.url, TABLES: 'public.*' };
  await using source = await new ConnectorProcess('source', settings).start();
  await sourceCaughtUp(source, bench.url, PATIENCE_MS);
  await bench.query(fill(rows + 1));
  await sourceCaughtUp(source, bench.url, PATIENCE_MS);
  const { changes, stopped } = (await source.status()) ?? {};
  expect(stopped).toEqual({});
  expect(Number(changes)).toBeGreaterThanOrEqual(2 * rows);
  return peakMib(source.pid);
}

const hasProc = existsSync('/proc/self/status');

test.skipIf(hasProc)('the peak of memory: /proc is not there to tell it', () => undefined);

test.runIf(hasProc).each([
  ['a table and a transaction four times as large', `'some text that is the same in every row, number ' || n`, ROWS, 4 * ROWS],
  ['four times as many rows of megabytes', `repeat(chr(65 + n % 26), ${LARGE_BYTES})`, LARGE_ROWS, 4 * LARGE_ROWS],
])('%s take no more memory', { timeout: 900_000 }, async (_, value, few, many) => {
  const [small, large] = [await peakWith({ rows: few, value }), await peakWith({ rows: many, value })];
  process.stderr.write(`peak of the source: ${Math.round(small)} MiB for ${few} rows, ${Math.round(large)} MiB for ${many}\n`);
  expect(large).toBeLessThan(small + MARGIN_MIB);
});
