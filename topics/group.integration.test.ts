import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { dropAll, liveConfig, readCommitted, uniqueName, withAdmin } from '../test/live-topics.ts';
import { scriptedLog, seededTransactions, type Step } from '../test/scripted-log.ts';
import { createPublisher, publishScript } from '../test/scripted-publisher.ts';
import { TestMember } from '../test/test-member.ts';

const PREFIX = uniqueName('group');
const config = liveConfig();
const members: TestMember[] = [];
let names = 0;

const ORDERS: readonly (readonly Step[])[] = Array.from({ length: 40 }, (_, index) => [{ kind: 'insert', table: 0, id: index + 1 }]);

afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.close()));
});
afterAll(async () => dropAll(PREFIX));

/** A source whose orders are published, in the four partitions of one topic. */
async function publishOrders(): Promise<{ readonly name: string; readonly topic: string; readonly count: number }> {
  const name = `${PREFIX}-${names++}`;
  const publisher = createPublisher(name);
  await publishScript(publisher, scriptedLog(ORDERS));
  await publisher.close();
  const topic = `${name}.public.orders`;
  return { name, topic, count: (await readCommitted(config, [topic])).length };
}

function join(groupId: string, patterns: readonly string[], options: Partial<ConstructorParameters<typeof TestMember>[0]> = {}): TestMember {
  const member = new TestMember({ groupId, patterns, ...options });
  members.push(member);
  return member;
}

/** What one member is given may be what makes it so for all. */
async function untilTogether(some: readonly TestMember[], isSo: () => boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  for (const member of some) member.until(isSo).then(resolve, reject);
  await promise;
}

async function endsOf(topic: string) {
  return withAdmin(config, async (admin) => admin.fetchTopicOffsets(topic));
}

/** As retention does it. */
async function removeUpTo(topic: string, partitions: readonly { partition: number; offset: string }[]): Promise<void> {
  await withAdmin(config, async (admin) => {
    // The client takes the leaders from what it has asked for before.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [...partitions] });
  });
}

test('the lag of partitions is known before anything of them is read, and from their end', async () => {
  const { name, topic } = await publishOrders();
  const member = join(name, [topic]);
  await member.until(() => member.joins.length > 0);
  const ends = await endsOf(topic);
  const known = new Map(member.assigned.map(({ partition, offset, end }) => [partition, { offset, end }]));
  expect(known).toEqual(new Map(ends.map(({ partition, high }) => [partition, { offset: 0n, end: BigInt(high) }])));
});

describe('retention has passed a sink that slept', () => {
  test('it stops, with exit code 4 and what to do: also for partitions that it had read nothing of', async () => {
    const { name, topic } = await publishOrders();
    const first = join(name, [topic]);
    await first.until(() => first.joins.length > 0);
    await first.close();
    await removeUpTo(topic, [{ partition: 2, offset: '1' }]);
    const second = join(name, [topic]);
    await expect(second.running).rejects.toMatchObject({
      code: 'TOPIC_HISTORY_LOST',
      exitCode: 4,
      message: expect.stringContaining(`${topic}/2: read up to 0, begins at 1`),
    });
    expect(second.all).toEqual([]);
  });

  test('it goes on where it had read all that is gone', async () => {
    const { name, topic, count } = await publishOrders();
    const first = join(name, [topic]);
    await first.until(() => first.all.length === count);
    await first.commit();
    await first.close();
    await removeUpTo(
      topic,
      [...first.ends.values()].map(({ partition, offset }) => ({ partition, offset: String(offset) })),
    );
    const second = join(name, [topic]);
    await second.until(() => second.joins.length > 0);
    expect(second.assigned.map(({ why }) => why)).toEqual(['kept', 'kept', 'kept', 'kept']);
  });

  test('it stops in mid-stream, too, where records go before it comes to them', async () => {
    const { name, topic, count } = await publishOrders();
    const held = Promise.withResolvers<void>();
    const member = join(name, [topic], { onDelivery: async () => held.promise });
    await member.until(() => member.all.length > 0);
    const ends = await endsOf(topic);
    await removeUpTo(
      topic,
      ends.map(({ partition, high }) => ({ partition, offset: high })),
    );
    member.subscriber.restart(
      topic,
      ends.map(({ partition }) => ({ topic, partition, offset: 0n })),
    );
    held.resolve();
    await expect(member.running).rejects.toMatchObject({ code: 'TOPIC_HISTORY_LOST' });
    expect(member.all.length).toBeLessThan(count);
  });
});

test('a sink that is new begins with what retention has left', async () => {
  const { name, topic, count } = await publishOrders();
  await removeUpTo(topic, [{ partition: 1, offset: '2' }]);
  const member = join(name, [topic]);
  await member.until(() => member.all.length > 0 && member.all.length >= count - 2);
  expect(member.assigned.find(({ partition }) => partition === 1)).toMatchObject({ offset: 2n, why: 'beginning' });
});

describe('offsets that the target has stored', () => {
  test('are gone on with where the group has lost its own', async () => {
    const { name, topic, count } = await publishOrders();
    const ends = await endsOf(topic);
    const first = join(name, [topic]);
    await first.until(() => first.assigned.length === 4);
    const topicId = first.assigned[0]?.topicId;
    await first.close();
    const [whole, ...rest] = ends;
    const storedOffsets = [{ topic, partition: whole?.partition ?? 0, offset: BigInt(whole?.high ?? 0), topicId }];
    const second = join(`${name}-other`, [topic], { storedOffsets });
    const left = count - first.all.filter(({ partition }) => partition === whole?.partition).length;
    await second.until(() => second.all.length >= Math.min(left, 1) && second.assigned.length === rest.length + 1);
    expect(second.assigned.find(({ partition }) => partition === whole?.partition)).toMatchObject({ why: 'kept', offset: BigInt(whole?.high ?? 0) });
  });

  test('mean nothing where they are of a topic that is gone', async () => {
    const { name, topic, count } = await publishOrders();
    const storedOffsets = [0, 1, 2, 3].map((partition) => ({ topic, partition, offset: 5n, topicId: '0'.repeat(32) }));
    const member = join(name, [topic], { storedOffsets });
    await member.until(() => member.all.length >= count);
    expect(member.all).toHaveLength(count);
  });
});

test('a topic that is deleted and made again, while the sink runs, is read from its beginning', async () => {
  const { name, topic, count } = await publishOrders();
  const member = join(name, [`${name}.public.*`], {
    onDelivery: async (of, { topic: from, partition, nextOffset }) => of.subscriber.commit([{ topic: from, partition, offset: nextOffset }]),
  });
  await member.until(() => member.all.length >= count);
  await withAdmin(config, async (admin) => admin.deleteTopics({ topics: [topic] }));
  await member.until(() => member.joins.at(-1)?.includes(topic) === false);
  const publisher = createPublisher(name);
  await publishScript(
    publisher,
    scriptedLog(seededTransactions(3, 5)).map((record) => ({ ...record, position: { ...record.position, transaction: `9${record.position.transaction}` } })),
  );
  await publisher.close();
  const fresh = (await readCommitted(config, [topic])).filter(({ value }) => value !== null).length;
  await member.until(() => member.count(topic) >= count + fresh);
  expect(member.count(topic)).toBe(count + fresh);
});

test('three members with a new topic join together: the group gives its partitions out anew once or twice', async () => {
  const { name, topic } = await publishOrders();
  const three = [0, 1, 2].map(() => join(name, [`${name}.*`]));
  const all = (partitions: number) =>
    three.reduce((sum, { assigned }) => sum + assigned.length, 0) === partitions && three.every(({ assigned }) => assigned.length > 0);
  await untilTogether(three, () => all(12));
  const before = three.map(({ joins }) => joins.length);
  await withAdmin(config, async (admin) => admin.createTopics({ topics: [{ topic: `${topic}_later`, numPartitions: 4 }] }));
  await untilTogether(three, () => all(16));
  for (const [index, { joins }] of three.entries()) expect(joins.length - (before[index] ?? 0)).toBeLessThanOrEqual(2);
});
