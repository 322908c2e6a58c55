import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import kafkajs from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dockerAnswers } from './docker.ts';
import { cleanUpAbandoned, startStack, type RunningStack } from './mod.ts';
import { isAlive, type ProcessMark } from './process.ts';
import { SERVICE_VARIABLES } from './service.ts';
import { readStates, type StackState } from './state.ts';

// What these tests are about is done for processes of ours, not for services that somebody else runs.
for (const variable of Object.values(SERVICE_VARIABLES)) vi.stubEnv(variable, '');
const START_MS = 300_000;
const inContainers = await dockerAnswers();

describe.skipIf(inContainers)('a service that is killed and started again', () => {
  let stack: RunningStack;

  beforeAll(async () => {
    stack = await startStack({ services: ['kafka', 'registry', 'postgres', 'clickhouse'] });
  }, START_MS);

  afterAll(async () => stack.stop());

  test('the broker keeps its address, its topics and what they hold', async () => {
    const kafka = new kafkajs.Kafka({ brokers: [stack.urls.kafkaBrokers], logLevel: kafkajs.logLevel.NOTHING });
    await withAdmin(kafka, async (admin) => admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: true }));
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: 'kept', messages: [{ value: 'a' }, { value: 'b' }] });
    await producer.disconnect();

    await stack.kill('kafka');
    await stack.start('kafka');

    expect(await withAdmin(kafka, async (admin) => admin.fetchTopicOffsets('kept'))).toMatchObject([{ partition: 0, high: '2' }]);
  }, 60_000);

  test('the registry keeps the ids of its schemas', async () => {
    const subject = `${stack.urls.registryUrl}/subjects/kept-value/versions`;
    const register = async (schema: string): Promise<unknown> =>
      (
        await fetch(subject, { method: 'POST', headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' }, body: JSON.stringify({ schema }) })
      ).json();
    const first = await register('"string"');

    await stack.kill('registry');
    await stack.start('registry');

    expect(await register('"string"')).toEqual(first);
    expect(await register('"long"')).not.toEqual(first);
  }, 60_000);

  test('the database keeps its rows', async () => {
    await withClient(stack, async (client) => client.query('CREATE TABLE kept AS SELECT 1 AS id'));

    await stack.kill('postgres');
    await stack.start('postgres');

    const { rows } = await withClient(stack, async (client) => client.query('SELECT id FROM kept'));
    expect(rows).toEqual([{ id: 1 }]);
  }, 60_000);

  test('ClickHouse keeps every row it acknowledged', async () => {
    const client = createClient({ url: stack.urls.clickhouseUrl });
    await client.command({ query: 'CREATE TABLE kept (id UInt32) ENGINE = MergeTree ORDER BY id' });
    await client.insert({ table: 'kept', values: [{ id: 1 }], format: 'JSONEachRow' });

    await stack.kill('clickhouse');
    await stack.start('clickhouse');

    const result = await client.query({ query: 'SELECT id FROM kept', format: 'JSONCompactEachRow' });
    expect(await result.json()).toEqual([[1]]);
    await client.close();
  }, 60_000);
});

test('a service that was not started here cannot be killed', async () => {
  await using stack = await startStack({ services: [] });

  await expect(stack.kill('clickhouse')).rejects.toThrow('clickhouse cannot be killed: it is not part of this stack.');
});

describe.skipIf(inContainers)('a parent that is killed', () => {
  test(
    'leaves a stack that the next one cleans up, and nothing else',
    async () => {
      const parent = spawnParent(`const stack = await startStack({ services: ['postgres'] }); process.stdout.write('up'); setInterval(() => stack, 1000);`);
      await once(parent.stdout ?? parent, 'data');
      const left = stateOf(parent);
      const processes = processesOf(left);
      parent.kill('SIGKILL');
      await once(parent, 'exit');
      expect(processes.length).toBe(1);

      await cleanUpAbandoned(() => undefined);

      expect(processes.filter(isAlive)).toEqual([]);
      expect(existsSync(left.folder)).toBe(false);
      expect(readStates().map(({ id }) => id)).not.toContain(left.id);
    },
    START_MS,
  );

  test(
    'takes its stack with it when it ends without stopping it',
    async () => {
      const parent = spawnParent(
        `await startStack({ services: ['postgres'] }); process.stdout.write('up'); process.stdin.once('data', () => process.exit(0));`,
      );
      await once(parent.stdout ?? parent, 'data');
      const left = stateOf(parent);
      const processes = processesOf(left);

      parent.stdin?.write('end');
      await once(parent, 'exit');

      expect(processes.filter(isAlive)).toEqual([]);
      expect(existsSync(left.folder)).toBe(false);
      expect(readStates().map(({ id }) => id)).not.toContain(left.id);
    },
    START_MS,
  );
});

function spawnParent(script: string): ChildProcess {
  const text = `import { startStack } from ${JSON.stringify(join(import.meta.dirname, 'mod.ts'))};\n${script}`;
  return spawn(process.execPath, ['--input-type=module', '--eval', text], { stdio: ['pipe', 'pipe', 'inherit'] });
}

function stateOf(owner: ChildProcess): StackState {
  const state = readStates().find((candidate) => candidate.owner?.pid === owner.pid);
  if (state === undefined) throw new Error('The parent wrote no state.');
  return state;
}

function processesOf(state: StackState): ProcessMark[] {
  return Object.values(state.services).flatMap((service) => service.process ?? []);
}

async function withAdmin<T>(kafka: kafkajs.Kafka, work: (admin: kafkajs.Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

async function withClient<T>(stack: RunningStack, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: stack.urls.postgresUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
