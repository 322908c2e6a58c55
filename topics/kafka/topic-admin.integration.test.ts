import { afterAll, expect, test } from 'vitest';
import { deleteTopics } from '../../test/contract/kafka-topics.ts';
import { liveConfig, uniqueName } from '../../test/live-topics.ts';
import { LogReader } from './log-reader.ts';
import { TopicAdmin } from './topic-admin.ts';

const NAME = uniqueName('admin');
const define = (name: string, partitions = 1) => ({ topic: `${NAME}.${name}`, partitions, replication: undefined, config: {} });

afterAll(async () => deleteTopics(NAME));

async function withAdmin<T>(use: (admin: TopicAdmin) => Promise<T>): Promise<T> {
  const admin = new TopicAdmin(liveConfig());
  try {
    await admin.connect();
    return await use(admin);
  } finally {
    await admin.close();
  }
}

test('missing topics are created in one go and serve at once; what exists stays as it is', async () => {
  await withAdmin(async (admin) => {
    await admin.createMissing([define('a', 2)]);
    const many = Array.from({ length: 30 }, (_, index) => define(`t${index}`, 3));
    await admin.createMissing([define('a', 5), ...many]);
    const reader = new LogReader(liveConfig());
    try {
      await reader.connect();
      await reader.addTopics(many.map(({ topic }) => topic));
      expect(await reader.partitionCount(`${NAME}.a`)).toBe(2);
      for (const { topic } of many) expect(await reader.partitionCount(topic)).toBe(3);
      expect(await reader.readLast(`${NAME}.t29`, 2, 'committed')).toBeUndefined();
    } finally {
      await reader.close();
    }
  });
});

test('two that create the same topics at the same time both succeed', async () => {
  const same = Array.from({ length: 10 }, (_, index) => define(`same${index}`));
  await Promise.all([withAdmin(async (admin) => admin.createMissing(same)), withAdmin(async (admin) => admin.createMissing(same))]);
  expect(await withAdmin(async (admin) => admin.list())).toEqual(expect.arrayContaining(same.map(({ topic }) => topic)));
});

test('a topic that the broker refuses is named, wherever it stands among the others', async () => {
  const creation = withAdmin(async (admin) => admin.createMissing([define('fine'), define('not a name')]));
  await expect(creation).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(`creating topic ${NAME}.not a name`) });
});

test('the tightest bound of a batch is told with the setting that makes it: of the topic, or of the brokers', async () => {
  const wide = { ...define('wide'), config: { 'max.message.bytes': '2000000000' } };
  const narrow = { ...define('narrow'), config: { 'max.message.bytes': '1000000' } };
  const limits = await withAdmin(async (admin) => {
    await admin.createMissing([wide, narrow]);
    return [await admin.batchLimit(narrow.topic), await admin.batchLimit(wide.topic)];
  });
  expect(limits).toEqual([
    { bytes: 1_000_000, setting: `max.message.bytes of ${narrow.topic}` },
    { bytes: expect.any(Number) as number, setting: 'socket.request.max.bytes of the brokers' },
  ]);
  expect(limits[1]?.bytes).toBeLessThan(2_000_000_000);
});
