import { expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { PackedChanges } from '../../shared/record/packed-changes.ts';
import { PackedRecords } from '../../topics/kafka/fetched-record.ts';
import type { AssignedPartition, Delivery } from '../../topics/subscriber.ts';
import { Lane } from './lane.ts';
import { Lanes } from './lanes.ts';

const assigned = (partition: number, offset: bigint, end: bigint): AssignedPartition => ({
  topic: 'shop.public.orders',
  partition,
  offset,
  end,
  low: 0n,
  why: 'kept',
  topicId: undefined,
  isCommitted: true,
  isReset: false,
});
const delivery = (part: Partial<Delivery>): Delivery => ({
  topic: 'shop.public.orders',
  partition: 0,
  records: new PackedChanges([]),
  origins: new PackedRecords([]),
  bytes: 0,
  nextOffset: 0n,
  lag: 0,
  ...part,
});

test('the lag counts partitions of which nothing has been fetched', () => {
  const lane = new Lane('shop.public.orders');
  lane.assign([assigned(0, 10n, 30n), assigned(1, 5n, 5n), assigned(2, 0n, 4n)]);
  expect(lane.lag).toBe(24);
});

test('the lag falls with what is written, not with what is read', () => {
  const lane = new Lane('shop.public.orders');
  lane.assign([assigned(0, 10n, 30n)]);
  lane.add(delivery({ nextOffset: 20n, lag: 20 }), 0);
  expect(lane.lag).toBe(30);
  const { offsets } = lane.take(1);
  lane.wroteUpTo(offsets);
  expect(lane.lag).toBe(20);
  lane.endsAt(0, 50n);
  expect(lane.lag).toBe(30);
});

test('a stopped lane goes on from what is written; what was read beyond it comes again', () => {
  const lane = new Lane('shop.public.orders');
  lane.assign([assigned(0, 10n, 30n), assigned(1, 3n, 3n)]);
  lane.add(delivery({ nextOffset: 20n }), 0);
  lane.clear();
  expect(lane.places()).toEqual([
    { topic: 'shop.public.orders', partition: 0, offset: 10n },
    { topic: 'shop.public.orders', partition: 1, offset: 3n },
  ]);
});

test('a lane whose partitions are all given away is stopped no longer: whoever has them meets the error', () => {
  const lane = new Lane('shop.public.orders');
  lane.assign([assigned(0, 0n, 9n)]);
  lane.state = 'stopped';
  lane.error = new CdcError('RECORD_REJECTED', 'no');
  lane.assign([assigned(0, 0n, 9n)]);
  expect(lane.state).toBe('stopped');
  lane.assign([]);
  expect(lane).toMatchObject({ state: 'running', error: undefined, lag: 0 });
});

test('a lane that is stuck does not hold the others back until very much is stuck', () => {
  const lanes = new Lanes(100);
  const [stuck, running] = [lanes.of('stuck'), lanes.of('running')];
  stuck.add(delivery({ bytes: 350 }), 0);
  expect(lanes).toMatchObject({ isFull: true, hasRoom: false });
  stuck.state = 'retrying';
  expect(lanes).toMatchObject({ isFull: false, hasRoom: true });
  running.add(delivery({ bytes: 60 }), 0);
  expect(lanes).toMatchObject({ isFull: false, hasRoom: false });
});

test('what is being written counts until it is settled', () => {
  const lanes = new Lanes(100);
  const lane = lanes.of('shop.public.orders');
  lane.add(delivery({ bytes: 250 }), 0);
  lane.take(1);
  expect(lanes.hasRoom).toBe(false);
  lane.settle();
  expect(lanes.hasRoom).toBe(true);
});
