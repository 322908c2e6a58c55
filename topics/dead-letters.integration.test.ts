import { afterAll, describe, expect, test } from 'vitest';
import { dropAll, liveConfig, readCommitted, uniqueName } from '../test/live-topics.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import { type DeadLetter, DeadLetterQueue, deadLetterTopic } from './dead-letters.ts';

const PREFIX = uniqueName('letters');
const config = liveConfig();
const queues: DeadLetterQueue[] = [];
let names = 0;

afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.close()));
  await dropAll(`dbmazz.${PREFIX}`);
});

function newQueue(): DeadLetterQueue {
  const queue = new DeadLetterQueue(config, `${PREFIX}-${names++}`);
  queues.push(queue);
  return queue;
}

function letterOf(value: Buffer | null, offset = '7'): DeadLetter {
  return {
    topic: 'shop.public.orders',
    partition: 3,
    offset,
    key: Buffer.from([0, 1]),
    value,
    error: new CdcError('RECORD_REJECTED', 'The target refuses größe.'),
  };
}

describe('a dead letter', () => {
  test('keeps the record byte for byte, with where it came from and why', async () => {
    const queue = newQueue();
    const value = Buffer.from([0, 255, 1, 2]);
    await queue.put([letterOf(value)]);
    await queue.put([{ ...letterOf(null, '8'), key: null }]);
    const letters = await readCommitted(config, [queue.topic]);
    const headers = {
      'dbmazz.topic': Buffer.from('shop.public.orders'),
      'dbmazz.partition': Buffer.from('3'),
      'dbmazz.offset': Buffer.from('7'),
      'dbmazz.code': Buffer.from('RECORD_REJECTED'),
      'dbmazz.message': Buffer.from('The target refuses größe.'),
    };
    expect(letters).toMatchObject([
      { key: Buffer.from([0, 1]), value, headers },
      { key: null, value: null, headers: { 'dbmazz.offset': Buffer.from('8') } },
    ]);
  });

  test('may be large, and one of many: together they weigh more than the topic takes at once', async () => {
    const queue = newQueue();
    const letters = Array.from({ length: 30 }, (_, index) => letterOf(Buffer.alloc(index === 9 ? 6_000_000 : 1_000_000, index), String(index)));
    await queue.put(letters);
    const read = await readCommitted(config, [queue.topic]);
    expect(read.map(({ value, headers }) => [String(headers['dbmazz.offset']), value?.length])).toEqual(
      letters.map(({ value, offset }) => [offset, value?.length]),
    );
  });
});

describe('a queue', () => {
  test('makes its topic with the first letter, not before', async () => {
    const queue = newQueue();
    await queue.put([]);
    await expect(readCommitted(config, [queue.topic])).rejects.toThrow();
    await queue.put([letterOf(null)]);
    expect(await readCommitted(config, [queue.topic])).toHaveLength(1);
  });

  test('can be closed though it was never used', async () => {
    await expect(newQueue().close()).resolves.toBeUndefined();
  });

  test('has the name of its sink', () => {
    expect(deadLetterTopic('lake')).toBe('dbmazz.lake.dead-letters');
  });

  test('says when the broker is not there', async () => {
    const queue = new DeadLetterQueue({ ...config, brokers: ['127.0.0.1:1'], retry: { initialRetryTime: 1, retries: 1 } }, `${PREFIX}-none`);
    await expect(queue.put([letterOf(null)])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
  });
});
