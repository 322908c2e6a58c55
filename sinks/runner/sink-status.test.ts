import { expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { createMetrics } from '../../shared/observe/metrics.ts';
import type { AssignedPartition } from '../../topics/subscriber.ts';
import { Lanes } from './lanes.ts';
import { SinkStatus } from './sink-status.ts';

function running() {
  const metrics = createMetrics('sink', 'warehouse', false);
  const status = new SinkStatus({ name: 'warehouse', type: 'postgres' }, metrics);
  const lanes = new Lanes(1000);
  status.lanes = lanes.all;
  status.state = 'running';
  return { metrics, status, lanes };
}

const partition = (topic: string, end: bigint): AssignedPartition => ({
  topic,
  partition: 0,
  offset: 0n,
  end,
  low: 0n,
  why: 'kept',
  topicId: undefined,
  isCommitted: true,
  isReset: false,
});

test('a sink is ready once it has partitions, and not while a table has stopped', () => {
  const { status, lanes } = running();
  expect(status.notReady()).toBe('the consumer group has not given out partitions yet');
  const lane = lanes.of('shop.public.orders');
  lane.assign([partition(lane.topic, 0n)]);
  status.assigned();
  expect(status.notReady()).toBeUndefined();
  lane.state = 'stopped';
  expect(status.notReady()).toBe('stopped topics: shop.public.orders');
});

test('a table that is being retried is no reason, unless all of them are', () => {
  const { status, lanes } = running();
  const [one, other] = [lanes.of('one'), lanes.of('other')];
  one.assign([partition('one', 0n)]);
  other.assign([partition('other', 0n)]);
  status.assigned();
  one.state = 'retrying';
  one.error = new CdcError('CONNECTION_LOST', 'PostgreSQL is not there.');
  expect(status.notReady()).toBeUndefined();
  other.state = 'retrying';
  expect(status.notReady()).toBe('the target takes nothing: PostgreSQL is not there.');
});

test('the lag in seconds is that of the last record, and none when all is written', async () => {
  const { status, lanes, metrics } = running();
  const lane = lanes.of('shop.public.orders');
  lane.assign([partition(lane.topic, 10n)]);
  status.wrote({ records: 5, bytes: 1, committedAtMicros: (Date.now() - 60_000) * 1000, seconds: 0.1 });
  const lag = () => (status.toJSON() as { lag: { seconds: number } }).lag.seconds;
  expect(lag()).toBeGreaterThanOrEqual(60);
  lane.wroteUpTo(new Map([[0, 10n]]));
  status.measured();
  expect(lag()).toBe(0);
  expect((await metrics.lagSeconds.get()).values[0]?.value).toBe(0);
});

test('metrics and status tell the state and the lag of each table, of those that are ours', async () => {
  const { status, lanes, metrics } = running();
  lanes.of('gone').assign([]);
  const lane = lanes.of('shop.public.orders');
  lane.assign([partition(lane.topic, 10n)]);
  lane.state = 'retrying';
  const text = await metrics.registry.metrics();
  expect(text).toContain('dbmazz_sink_table_state{topic="shop.public.orders",state="retrying",sink="warehouse"} 1\n');
  expect(text).toContain('dbmazz_sink_table_lag_records{topic="shop.public.orders",sink="warehouse"} 10\n');
  expect(text).toContain('dbmazz_sink_assigned_partitions{sink="warehouse"} 1\n');
  expect(text).not.toContain('topic="gone"');
  expect(status.toJSON()).toMatchObject({ group: { partitions: 1 }, tables: { 'shop.public.orders': { state: 'retrying', lag: 10 } } });
});
