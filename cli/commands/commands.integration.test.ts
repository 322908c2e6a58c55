import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** The command as a user runs it: a process, its output and its exit code. */
const COMMAND = join(import.meta.dirname, '..', 'dbmazz.ts');
const NAME = `cli_${randomBytes(4).toString('hex')}`;
const POSTGRES_URL = process.env['POSTGRES_URL'] ?? '';
const LOG = { KAFKA_BROKERS: process.env['KAFKA_BROKERS'] ?? '', SCHEMA_REGISTRY_URL: process.env['SCHEMA_REGISTRY_URL'] ?? '' };
const SOURCE = { ...LOG, SOURCE_TYPE: 'postgres', SOURCE_NAME: NAME, SOURCE_URL: POSTGRES_URL, TABLES: `${NAME}.*` };
const SINK = { ...LOG, SINK_TYPE: 'postgres', SINK_NAME: NAME, SINK_TOPICS: `${NAME}.*`, SINK_URL: POSTGRES_URL, SINK_SCHEMA: `${NAME}_copy` };

const postgres = new pg.Client({ connectionString: POSTGRES_URL });

beforeAll(async () => {
  await postgres.connect();
  await postgres.query(`CREATE SCHEMA ${NAME}; CREATE TABLE ${NAME}.things (id integer PRIMARY KEY, name text); INSERT INTO ${NAME}.things VALUES (1, 'a')`);
});

afterAll(async () => {
  await postgres.query(`DROP SCHEMA IF EXISTS ${NAME}, ${NAME}_copy CASCADE`);
  await postgres.end();
});

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function dbmazz(args: readonly string[], settings: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const env = { PATH: process.env['PATH'], ...settings };
  execFile(process.execPath, [COMMAND, ...args], { env }, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
  );
  return promise;
}

test('help lists the commands that exist', async () => {
  const { code, stdout } = await dbmazz(['--help']);
  expect(code).toBe(0);
  for (const name of ['source', 'sink', 'run', 'check', 'topics', 'status', 'resume', 'skip', 'replay', 'verify', 'demo'])
    expect(stdout).toContain(`\n  ${name} `);
});

test.each([[['fly']], [['verify', '--loudly']], [['demo', '--seconds', 'many']]])('%j is a mistake in the configuration', async (args) => {
  expect((await dbmazz(args)).code).toBe(2);
});

test('a table is told to go on by the addresses of processes, and it is said so where there is none', async () => {
  for (const command of ['resume', 'skip'])
    expect(await dbmazz([command, '--table', 'public.orders'], LOG)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Give the address of each process of the sink'),
    });
});

test('check is content with a source and a sink that have what they need', async () => {
  const { code, stdout } = await dbmazz(['check'], { ...SOURCE, ...SINK });
  expect(stdout).toContain(`✓ source ${NAME}`);
  expect(stdout).toContain(`✓ sink ${NAME}`);
  expect(stdout).toContain('✓ broker');
  expect(stdout).toContain('✓ schema registry');
  expect(code).toBe(0);
});

test('check says what is missing, and exits by it', async () => {
  expect(await dbmazz(['check'])).toMatchObject({ code: 2, stderr: expect.stringContaining('neither SOURCE_TYPE nor SINK_TYPE is set') });
  const nowhere = await dbmazz(['check'], { ...SOURCE, KAFKA_BROKERS: '127.0.0.1:9' });
  expect(nowhere).toMatchObject({ code: 1, stdout: expect.stringContaining('✗ broker') });
  const refused = await dbmazz(['check'], { ...SOURCE, SOURCE_URL: POSTGRES_URL.replace(/:[^:@]+@/, ':wrong@') });
  expect(refused).toMatchObject({ code: 3, stdout: expect.stringContaining('AUTH_FAILED') });
  expect(refused.stdout + refused.stderr).not.toContain('wrong');
});

test('topics and status say so where there is nothing to show', async () => {
  expect(await dbmazz(['topics', `${NAME}_none`], LOG)).toMatchObject({ code: 3, stderr: expect.stringContaining(`no topic of a source named ${NAME}_none`) });
  expect(await dbmazz(['status', '--sink', `${NAME}_none`], LOG)).toMatchObject({ code: 3 });
  expect(await dbmazz(['status', '127.0.0.1:9'])).toMatchObject({ code: 1, stderr: expect.stringContaining('No process answers at 127.0.0.1:9') });
  expect((await dbmazz(['status'])).code).toBe(2);
});

test('verify exits with 1 for a difference and with 0 for none', async () => {
  const settings = { SOURCE_URL: POSTGRES_URL, TABLES: `${NAME}.things`, SINK_TYPE: 'postgres', SINK_URL: POSTGRES_URL, SINK_SCHEMA: `${NAME}_copy` };
  await postgres.query(`CREATE SCHEMA ${NAME}_copy; CREATE TABLE ${NAME}_copy.things AS SELECT *, false AS dbmazz_is_deleted FROM ${NAME}.things`);
  const equal = await dbmazz(['verify'], settings);
  expect(equal.stdout).toMatch(/\nverified postgres: 1 tables, 1 rows, 0 differences\n$/);
  expect(equal.code).toBe(0);
  await postgres.query(`UPDATE ${NAME}_copy.things SET name = 'b'`);
  const different = await dbmazz(['verify'], settings);
  expect(different.stdout).toContain('id=1 differs in name');
  expect(different.stdout).toMatch(/\nverified postgres: 1 tables, 1 rows, 1 differences\n$/);
  expect(different.code).toBe(1);
});
