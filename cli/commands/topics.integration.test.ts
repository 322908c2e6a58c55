import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deleteTopics } from '../../test/contract/kafka-topics.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';
import { SourceProcess } from '../../test/contract/source-process.ts';

const COMMAND = join(import.meta.dirname, '..', 'dbmazz.ts');
const LOG = { KAFKA_BROKERS: process.env['KAFKA_BROKERS'] ?? '', SCHEMA_REGISTRY_URL: process.env['SCHEMA_REGISTRY_URL'] ?? '' };

let bench: PostgresBench;
let settings: Readonly<Record<string, string>>;
let things: string;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function topics(args: readonly string[], environment: Readonly<Record<string, string>> = LOG): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  execFile(process.execPath, [COMMAND, 'topics', ...args], { env: { PATH: process.env['PATH'], ...environment } }, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
  );
  return promise;
}

interface Line {
  readonly timestamp: string;
  readonly key: unknown;
  readonly value: { readonly op: string; readonly after: Readonly<Record<string, unknown>> | null } | null;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** All that is in the topic, as `--json` prints it. */
async function linesOf(...args: readonly string[]): Promise<readonly Line[]> {
  const { code, stdout, stderr } = await topics(['tail', things, '--from', 'beginning', '--no-follow', '--json', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

beforeAll(async () => {
  bench = await PostgresBench.open();
  things = `${bench.name}.public.things`;
  settings = {
    ...LOG,
    SOURCE_TYPE: 'postgres',
    SOURCE_NAME: bench.name,
    SOURCE_URL: bench.url,
    TABLES: 'public.*',
    TOPIC_PARTITIONS: '3',
    HEARTBEAT_INTERVAL_MS: '200',
  };
  await bench.query('CREATE TABLE things (id bigint PRIMARY KEY, price numeric(9,2), seen timestamptz)');
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await deleteTopics(bench.name);
});

describe('before the source has run', () => {
  test('create makes its topics and schemas, and no slot; a second time it finds them there', async () => {
    const first = await topics(['create'], settings);
    expect(first).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(`created ${things}\n`) });
    expect(first.stdout).toContain('6 topics created; 1 tables');
    expect((await topics(['create'], settings)).stdout).toContain('0 topics created');
    expect(await bench.value(`SELECT count(*) FROM pg_replication_slots WHERE database = '${bench.name}'`)).toBe('0');
    const { partitions, schemas } = JSON.parse((await topics(['describe', things, '--json'])).stdout) as {
      partitions: unknown[];
      schemas: Record<string, unknown[]>;
    };
    expect([partitions.length, Object.entries(schemas).map(([subject, versions]) => [subject, versions.length])]).toEqual([
      3,
      [
        [`${things}-key`, 1],
        [`${things}-value`, 1],
      ],
    ]);
  });

  test('create says what is wrong with the settings of the source, and exits by it', async () => {
    expect(await topics(['create'], { ...settings, TABLES: 'public.nothing' })).toMatchObject({ code: 3, stderr: expect.stringContaining('TABLE_NOT_FOUND') });
    expect(await topics(['create'], { ...settings, TABLES: '' })).toMatchObject({ code: 2, stderr: expect.stringContaining('TABLES is missing') });
  });
});

describe('of a source that has published', () => {
  const rows = 4;

  beforeAll(async () => {
    await bench.query(`INSERT INTO things SELECT i, i, '2026-11-24 01:02:03.000004Z' FROM generate_series(1, ${rows}) i`);
    await using source = new SourceProcess(settings);
    await source.said('snapshot: done');
    await bench.query('ALTER TABLE things ADD COLUMN note text');
    await bench.query(`UPDATE things SET price = -0.05, note = 'größe' WHERE id = 2`);
    await bench.query('UPDATE things SET id = 9007199254740993 WHERE id = 3');
    await bench.query('DELETE FROM things WHERE id = 4');
    const end = await bench.value(`SELECT pg_logical_emit_message(true, 'test', '')`);
    await bench.until(`SELECT confirmed_flush_lsn >= '${end}' FROM pg_replication_slots WHERE slot_name = 'dbmazz_${bench.name}'`);
    await source.stop();
  });

  test('list shows them and where the source stands', async () => {
    for (const args of [[bench.name], ['list', bench.name]]) {
      const { code, stdout } = await topics(args);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/stands at [0-9A-F]+\/[0-9A-F]+/) as string });
      expect(stdout).toContain(things);
    }
  });

  test('describe shows partitions, settings, and a version for each layout of the table', async () => {
    const { stdout } = await topics(['describe', things]);
    expect(stdout).toMatch(/^\S+things \(table\)\n\npartition +first +next +leader +replicas +in sync\n/);
    expect(stdout).toMatch(/max\.message\.bytes +\d+\n/);
    expect(stdout).toMatch(new RegExp(`${things}-value +2 +\\d+`));
  });

  test('tail shows every record decoded with its own schema: each row once, deletes, tombstones, changed keys', async () => {
    const lines = await linesOf();
    const after = lines.flatMap(({ value }) => (value?.op === 'r' ? [value.after] : []));
    expect(after).toHaveLength(rows);
    expect(after).toContainEqual({ id: 1, price: '1.00', seen: '2026-11-24T01:02:03.000004Z' });
    expect(lines.find(({ value }) => value?.op === 'u')?.value?.after).toEqual({ id: 2, price: '-0.05', seen: '2026-11-24T01:02:03.000004Z', note: 'größe' });
    expect(lines.filter(({ value }) => value === null)).toHaveLength(2);
    expect(lines.filter(({ value }) => value?.op === 'd').map(({ key, headers }) => [key, Object.keys(headers)])).toEqual(
      expect.arrayContaining([
        [{ id: 3 }, ['__debezium.newkey']],
        [{ id: 4 }, []],
      ]),
    );
  });

  test('tail keeps all digits of a number, and finds records by their key', async () => {
    const { stdout } = await topics(['tail', things, '--from', 'beginning', '--no-follow', '--key', '9007199254740993']);
    expect(stdout).toMatch(/^\d:\d+ {2}\S+Z {2}insert {2}\{"id":9007199254740993\} {2}\{"id":9007199254740993,/);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect((await linesOf('--key', '{"id":4}')).map(({ value }) => value?.op ?? null)).toEqual(['r', 'd', null]);
  });

  test('tail begins at a time, and ends at its limit', async () => {
    const update = (await linesOf()).find(({ value }) => value?.op === 'u');
    for (const from of [String(update?.timestamp), String(Date.parse(String(update?.timestamp)))]) {
      const since = await linesOf('--from', from);
      expect(since.map(({ value }) => value?.op)).toContain('u');
      expect(since.map(({ value }) => value?.op)).not.toContain('r');
    }
    expect(await linesOf('--limit', '3')).toHaveLength(3);
  });

  test('tail shows control topics too', async () => {
    const { stdout } = await topics(['tail', `${bench.name}.transaction`, '--from', 'beginning', '--limit', '1']);
    expect(stdout).toMatch(/"status":"BEGIN"/);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('tail waits for more, and ends with 0 at %s', async (signal) => {
    const child = spawn(process.execPath, [COMMAND, 'topics', 'tail', things, '--from', 'beginning'], { env: { PATH: process.env['PATH'], ...LOG } });
    await printed(child, 'tombstone');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('tail ends with 0 when nobody reads on', async () => {
    const child = spawn(process.execPath, [COMMAND, 'topics', 'tail', things, '--from', 'beginning'], { env: { PATH: process.env['PATH'], ...LOG } });
    await printed(child, 'read');
    const ended = once(child, 'exit');
    child.stdout.destroy();
    await using source = new SourceProcess(settings);
    await source.said('going on where the topics stand');
    await bench.query('INSERT INTO things VALUES (100)');
    expect(await ended).toEqual([0, null]);
    await source.stop();
  });
});

test('what is not there, or not understood, is said, with the exit code of the contract', async () => {
  for (const command of ['tail', 'describe'])
    expect(await topics([command, `${bench.name}.no.such`])).toMatchObject({ code: 3, stderr: expect.stringContaining('TABLE_NOT_FOUND') });
  for (const args of [['tail', things, '--from', 'yesterday'], ['tail', things, '--limit', '0'], ['tail']])
    expect(await topics(args)).toMatchObject({ code: 2 });
  expect(await topics(['tail', things], { ...LOG, KAFKA_BROKERS: '127.0.0.1:9' })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('KAFKA_UNAVAILABLE'),
  });
});

/** Resolves when the process has printed the text. */
async function printed(child: ChildProcess, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let output = '';
  child.once('exit', (code) => reject(new Error(`it ended with ${code} before it said ${text}: ${output}`)));
  child.stdout?.on('data', (bytes: Buffer) => {
    output += bytes.toString();
    if (output.includes(text)) resolve();
  });
  await promise;
  child.removeAllListeners('exit');
}
