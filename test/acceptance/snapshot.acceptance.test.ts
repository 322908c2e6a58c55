import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../../stack/ports.ts';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { SourceProcess, sourceSettings } from '../contract/source-process.ts';
import { liveConfig, readCommitted } from '../live-topics.ts';

const ROOT = new URL('../../', import.meta.url);
const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const runFile = promisify(execFile);
const names: string[] = [];

afterEach(async () => {
  for (const name of names.splice(0)) await deleteTopics(name);
});

async function openBench(): Promise<PostgresBench> {
  const bench = await PostgresBench.open();
  names.push(bench.name);
  return bench;
}

interface Status {
  readonly snapshot: { readonly tables: Readonly<Record<string, { readonly rows: number; readonly state: string }>> } | null;
}

async function statusOf(port: number): Promise<Status | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/status`).catch(() => undefined);
  return response === undefined ? undefined : ((await response.json()) as Status);
}

async function untilRows(port: number, rows: number): Promise<void> {
  while (((await statusOf(port))?.snapshot?.tables['public.t']?.rows ?? 0) < rows);
}

const countIn = async (bench: PostgresBench, table = 't') => (await readCommitted(liveConfig(), [`${bench.name}.public.${table}`])).length;

/** The most memory that a process has used, as the kernel counts it. */
async function peakOf(run: SourceProcess): Promise<number> {
  let peak = 0;
  let isOver = false;
  const ended = run.ended().finally(() => (isOver = true));
  while (!isOver) {
    peak = Math.max(peak, peakNow(run.pid));
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  expect(await ended).toBe(0);
  return peak;
}

function peakNow(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

test('a snapshot that is killed goes on, reads less than a chunk a worker twice and publishes nothing twice', async () => {
  await using bench = await openBench();
  const [rows, chunk, workers] = [60_000, 1500, 3];
  await bench.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, ${rows}) n`);
  await bench.query('VACUUM ANALYZE t');
  const before = Number(await bench.value(`SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 't'`));
  const port = await freePort();
  const settings = sourceSettings(bench, { SNAPSHOT_CHUNK_SIZE: String(chunk), SNAPSHOT_PARALLEL_WORKERS: String(workers), HTTP_PORT: String(port) });
  {
    await using first = new SourceProcess(settings);
    await untilRows(port, rows / 3);
    first.signal('SIGKILL');
    await first.ended();
  }
  await using second = new SourceProcess({ ...settings, SNAPSHOT_MODE: 'only' });
  expect(await second.ended()).toBe(0);
  await bench.until(`SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dbmazz%'`);
  const read = Number(await bench.value(`SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 't'`)) - before;
  expect(await countIn(bench)).toBe(rows);
  expect(read).toBeGreaterThanOrEqual(rows);
  expect(read).toBeLessThanOrEqual(rows + chunk * workers);
});

test('a snapshot of ten times the rows takes no more memory', async () => {
  await using bench = await openBench();
  await bench.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, repeat('x', 150) FROM generate_series(1, 60000) n`);
  await bench.query(`CREATE TABLE u (id int PRIMARY KEY, v text); INSERT INTO u SELECT n, repeat('x', 150) FROM generate_series(1, 600000) n`);
  const settings = sourceSettings(bench, { SNAPSHOT_MODE: 'only', SNAPSHOT_CHUNK_SIZE: '5000' });
  const peaks: number[] = [];
  for (const table of ['t', 'u']) {
    names.push(`${bench.name}-${table}`);
    await using run = new SourceProcess({ ...settings, SOURCE_NAME: `${bench.name}-${table}`, TABLES: `public.${table}` });
    peaks.push(await peakOf(run));
  }
  const [small = 0, large = 0] = peaks;
  // All rows at once would be above 200 MB.
  expect(large - small).toBeLessThan(130 * 1024 * 1024);
});

test('whoever asks for it by the command gets a table again, and an answer', async () => {
  await using bench = await openBench();
  await bench.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'x' FROM generate_series(1, 100) n`);
  await using run = new SourceProcess(sourceSettings(bench));
  await run.said('snapshot: done');
  const ask = async (...args: readonly string[]) =>
    runFile(process.execPath, ['cli/dbmazz.ts', 'snapshot', '--source', bench.name, ...args], {
      cwd: ROOT,
      env: { ...process.env, KAFKA_BROKERS, SCHEMA_REGISTRY_URL },
    });
  expect((await ask('--tables', 'public.t', '--where', 'id > 60', '--wait')).stdout).toBe('Done: 40 rows of public.t.\n');
  expect(await countIn(bench)).toBe(140);
  await expect(ask('--tables', 'public.nothing')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the source has no table public.nothing') as string,
  });
  await expect(ask('--pause', '--resume')).rejects.toMatchObject({ code: 2 });
  expect((await ask('--pause')).stdout).toBe('Done: pause.\n');
  await run.stop();
  await using next = new SourceProcess(sourceSettings(bench));
  await next.said('going on where the topics stand');
  expect((await ask('--resume')).stdout).toBe('Done: resume.\n');
  expect(await countIn(bench)).toBe(140);
});
