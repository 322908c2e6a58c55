import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type RunningStack, startStack } from '../stack/mod.ts';
import { liveConfig, uniqueName } from '../test/live-topics.ts';
import { scriptedLog, seededTransactions, TABLES } from '../test/scripted-log.ts';
import { createPublisher, publishScript } from '../test/scripted-publisher.ts';
import { expectSameTopics } from '../test/seen-topics.ts';
import { TestMember } from '../test/test-member.ts';
import type { CdcError } from '../shared/errors/cdc-error.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import type { Publisher } from './publisher.ts';

/** A broker and a registry of this file's own, since they are killed. */
let stack: RunningStack;
let environment: Readonly<Record<string, string>>;
const opened: Publisher[] = [];

beforeAll(async () => {
  vi.stubEnv('KAFKA_BROKERS', '');
  vi.stubEnv('SCHEMA_REGISTRY_URL', '');
  stack = await startStack({ services: ['kafka', 'registry'] });
  environment = stack.env;
  vi.unstubAllEnvs();
}, 120_000);
afterEach(async () => {
  await Promise.all(opened.splice(0).map((publisher) => publisher.close()));
});
afterAll(async () => stack.stop());

function open(name: string, onCommitted: () => void = () => undefined): Publisher {
  const publisher = createPublisher(name, { environment, onCommitted });
  opened.push(publisher);
  return publisher;
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error as CdcError).code,
  );

describe('a broker that dies', () => {
  test('while a source publishes is KAFKA_UNAVAILABLE; once it is back the topics have neither a gap nor a repeat', { timeout: 180_000 }, async () => {
    const name = uniqueName('gone');
    const log = scriptedLog(seededTransactions(5, 3000));
    for (const commits of [1, 2, 3]) {
      const reached = Promise.withResolvers<void>();
      let count = 0;
      const publisher = open(name, () => {
        if (++count >= commits) reached.resolve();
      });
      const publishing = codeOf(publishScript(publisher, log));
      await Promise.race([reached.promise, publishing]);
      await stack.kill('kafka');
      expect(['KAFKA_UNAVAILABLE', 'fine']).toContain(await publishing);
      if ((await publishing) !== 'fine') expect(await publisher.failed).toMatchObject({ code: 'KAFKA_UNAVAILABLE', action: 'retry' });
      const closing = performance.now();
      await publisher.close();
      expect(performance.now() - closing).toBeLessThan(8000);
      await stack.start('kafka');
      await failToOpen(name);
    }
    await untilOpen(name, async (publisher) => publishScript(publisher, log));
    await expectSameTopics(name, log, environment);
  });

  test('is told to who wants to begin, in good time, and is no bug', { timeout: 60_000 }, async () => {
    await stack.kill('kafka');
    const begun = performance.now();
    await expect(open(uniqueName('gone')).open()).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', action: 'retry' });
    const admin = new TopicAdmin(liveConfig(environment));
    await expect(admin.connect()).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await admin.close();
    expect(performance.now() - begun).toBeLessThan(20_000);
    await stack.start('kafka');
  });

  test('ends the reading of a sink with KAFKA_UNAVAILABLE, or is waited for; nothing is lost', { timeout: 120_000 }, async () => {
    const name = uniqueName('gone');
    const log = scriptedLog(seededTransactions(8, 200));
    await untilOpen(name, async (publisher) => publishScript(publisher, log));
    const patterns = [`${name}.*`];
    const first = new TestMember({ groupId: name, patterns, environment });
    await first.until(() => first.all.length > 10);
    await stack.kill('kafka');
    await stack.start('kafka');
    await first.close();
    expect(['fine', 'KAFKA_UNAVAILABLE']).toContain(await codeOf(first.running));
    const second = new TestMember({ groupId: name, patterns, environment });
    const rows = log.filter(({ kind }) => kind === 'insert').length;
    await second.until(() => second.all.filter(({ record }) => record.kind === 'insert').length >= rows);
    await second.close();
  });
});

/** A start that gets no further than the registry: it has taken the topics over, and the next one has to know how they were left. */
async function failToOpen(name: string): Promise<void> {
  const registry = createServer(({ url = '' }, response) => {
    response.writeHead(url === '/subjects' ? 200 : 503, { 'content-type': 'application/json' });
    response.end('[]');
  });
  await once(registry.listen(0, '127.0.0.1'), 'listening');
  const { port } = registry.address() as AddressInfo;
  let code = 'KAFKA_UNAVAILABLE';
  while (code === 'KAFKA_UNAVAILABLE') {
    const publisher = createPublisher(name, { environment: { ...environment, SCHEMA_REGISTRY_URL: `http://127.0.0.1:${port}` } });
    code = await codeOf(publisher.open());
    await publisher.close();
  }
  registry.close();
  expect(code).toBe('REGISTRY_UNAVAILABLE');
}

/** Once a broker has started, its groups and transactions are still being loaded: the runners try again, and so does this. */
async function untilOpen(name: string, use: (publisher: Publisher) => Promise<void>): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    const publisher = open(name);
    const code = await codeOf(use(publisher));
    await publisher.close();
    if (code === 'fine') return;
    expect(code).toBe('KAFKA_UNAVAILABLE');
  }
  throw new Error('the broker does not come back');
}

describe('a registry that dies', () => {
  test('is REGISTRY_UNAVAILABLE for new tables and for who begins; what goes on needs it no more', { timeout: 60_000 }, async () => {
    const name = uniqueName('gone');
    const log = scriptedLog(seededTransactions(3, 20));
    const publisher = open(name);
    await untilOpen(uniqueName('gone'), async (other) => publishScript(other, []));
    await publisher.open();
    await publisher.addTables(TABLES);
    void publisher.publish({ records: [], bytes: 0, isPastSetup: true });
    await publisher.drain();
    const late = open(uniqueName('gone'));
    await late.open();
    await late.addTables(TABLES);
    await stack.kill('registry');
    void publisher.publish({ records: log, bytes: 1 });
    await publisher.drain();
    void late.publish({ records: log, bytes: 1 });
    await expect(late.drain()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', action: 'retry' });
    await expect(open(uniqueName('gone')).open()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', action: 'retry' });
    const member = new TestMember({ groupId: name, patterns: [`${name}.*`], environment });
    await expect(member.running).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    await member.close();
    await stack.start('registry');
  });
});
