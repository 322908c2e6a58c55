import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../stack/ports.ts';
import { deleteTopics } from '../../test/contract/kafka-topics.ts';

/** Two sources, one of which finds no database, and two sinks, in one process that is driven from outside. */
const COMMAND = join(import.meta.dirname, '..', 'dbmazz.ts');
const NAME = `run_${randomBytes(4).toString('hex')}`;
const { POSTGRES_URL = '', KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const urlOf = (database: string) => Object.assign(new URL(POSTGRES_URL), { pathname: `/${database}` }).href;
const folder = mkdtempSync(join(tmpdir(), 'dbmazz-run-'));
const admin = new pg.Client({ connectionString: POSTGRES_URL });

beforeAll(async () => {
  await admin.connect();
  for (const database of [NAME, `${NAME}_copy`]) await admin.query(`CREATE DATABASE ${database}`);
  await query(NAME, "CREATE TABLE things (id int PRIMARY KEY, name text); INSERT INTO things VALUES (1, 'a'), (2, 'b')");
});

afterAll(async () => {
  await admin.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'dbmazz_${NAME}%' AND NOT active`);
  for (const database of [NAME, `${NAME}_copy`]) await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  await admin.end();
  await deleteTopics(NAME);
  rmSync(folder, { recursive: true });
});

async function query(database: string, sql: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: urlOf(database) });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function fileOf(yaml: string): string {
  const path = join(folder, 'many.yaml');
  writeFileSync(path, yaml);
  return path;
}

function start(path: string) {
  const env = { PATH: process.env['PATH'] ?? '', LOG_FORMAT: 'json' };
  const child = spawn(process.execPath, [COMMAND, 'run', '--config', path], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (text: Buffer) => void (log += text.toString()));
  return { child, exited: once(child, 'close'), log: () => log };
}

/** Asks until the answer is right; the test's own limit ends it. */
async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && isRight(answer)) return answer;
    await delay(50);
  }
}

test('several run in one process; one that fails leaves the others alone, and a signal ends all well', async () => {
  const port = await freePort();
  const { child, exited, log } = start(
    fileOf(`
kafka_brokers: ${KAFKA_BROKERS}
schema_registry_url: ${SCHEMA_REGISTRY_URL}
http_port: ${port}
flush_interval_ms: 100
sources:
  - { source_type: postgres, source_name: ${NAME}, source_url: "${urlOf(NAME)}", tables: public.* }
  - { source_type: postgres, source_name: ${NAME}-lost, source_url: "${urlOf(`${NAME}_none`)}", tables: public.* }
sinks:
  - { sink_type: postgres, sink_name: ${NAME}, sink_topics: ${NAME}.*, sink_url: "${urlOf(`${NAME}_copy`)}" }
  - { sink_type: postgres, sink_name: ${NAME}-b, sink_topics: ${NAME}.*, sink_url: "${urlOf(`${NAME}_copy`)}", sink_table: "{table}_b" }
`),
  );
  try {
    const address = `http://127.0.0.1:${port}`;
    const states = await until(
      async () => ((await (await fetch(`${address}/status`)).json()) as { pipelines: { state: string }[] }).pipelines.map(({ state }) => state),
      ([source, lost, ...sinks]) => source === 'streaming' && lost === 'failed' && sinks.every((state) => state === 'running'),
    );
    expect(states).toHaveLength(4);
    await query(NAME, "INSERT INTO things VALUES (3, 'c')");
    for (const table of ['things', 'things_b'])
      expect(
        await until(
          async () => query(`${NAME}_copy`, `SELECT id FROM ${table} ORDER BY id`),
          (rows) => rows.length === 3,
        ),
      ).toHaveLength(3);
    const ready = await fetch(`${address}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining(`source ${NAME}-lost: it has failed`)]);
    const told = spawn(process.execPath, [COMMAND, 'resume', `127.0.0.1:${port}/sinks/${NAME}`, '--table', 'nobody'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(told.stdout, 'data')) as [Buffer];
    expect(said.toString()).toContain(`127.0.0.1:${port}/sinks/${NAME}: this process has no partition of nobody`);
    await fetch(`${address}/sinks/${NAME}/pause`, { method: 'POST' });
    expect(await (await fetch(`${address}/sinks/${NAME}/status`)).json()).toMatchObject({ state: 'paused' });
    expect(await (await fetch(`${address}/sinks/${NAME}-b/status`)).json()).toMatchObject({ state: 'running' });
    child.kill('SIGTERM');
    await exited;
    expect(child.exitCode).toBe(0);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
  expect(log()).toContain('This source has ended; the others go on.');
});

test('with every one failed the process ends, by the code of the first', async () => {
  const source = `{ source_type: postgres, source_name: ${NAME}-x, source_url: "${urlOf(`${NAME}_none`)}", tables: public.* }`;
  const { child, exited, log } = start(fileOf(`kafka_brokers: ${KAFKA_BROKERS}\nschema_registry_url: ${SCHEMA_REGISTRY_URL}\nsources:\n  - ${source}\n`));
  await exited;
  expect(child.exitCode).toBe(3);
  expect(log()).toContain('remedy:');
});

test('what is wrong with a file is said at once, with exit code 2', async () => {
  const { child, exited, log } = start(fileOf('sources:\n  - source_name: shop\nsinks:\n  - sink_name: copy\n'));
  await exited;
  expect(child.exitCode).toBe(2);
  for (const said of ['source 1 (shop)', 'sink 1 (copy)']) expect(log()).toContain(said);
});
