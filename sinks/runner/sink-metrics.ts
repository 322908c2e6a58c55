import { Counter, Gauge, Histogram } from 'prom-client';
import type { Metrics } from '../../shared/observe/metrics.ts';
import type { Lane } from './lane.ts';

/** What is measured of sinks alone. Tables are those of which this process has partitions. */
export class SinkMetrics {
  readonly batchRecords: Histogram;
  readonly assignments: Counter;

  constructor({ registry }: Metrics, lanes: () => Iterable<Lane>) {
    const registers = [registry];
    this.batchRecords = new Histogram({
      name: 'dbmazz_sink_batch_records',
      help: 'Records of a batch',
      buckets: [1, 10, 100, 1000, 5000, 10_000, 20_000, 50_000],
      registers,
    });
    this.assignments = new Counter({ name: 'dbmazz_sink_assignments_total', help: 'How often the group has given out its partitions anew', registers });
    new Gauge({
      name: 'dbmazz_sink_assigned_partitions',
      help: 'Partitions that the group has given to this process',
      registers,
      collect() {
        this.set([...lanes()].reduce((sum, { partitions }) => sum + partitions, 0));
      },
    });
    new Gauge({
      name: 'dbmazz_sink_buffered_bytes',
      help: 'Memory of records that wait or are being written',
      registers,
      collect() {
        this.set([...lanes()].reduce((sum, { memory }) => sum + memory, 0));
      },
    });
    new Gauge({
      name: 'dbmazz_sink_table_lag_records',
      help: 'Offsets of a topic that are not written yet',
      labelNames: ['topic'],
      registers,
      collect() {
        this.reset();
        for (const { topic, lag, partitions } of lanes()) if (partitions > 0) this.set({ topic }, lag);
      },
    });
    new Gauge({
      name: 'dbmazz_sink_table_state',
      help: 'The state that a topic is in (running, retrying, stopped): 1',
      labelNames: ['topic', 'state'],
      registers,
      collect() {
        this.reset();
        for (const { topic, state, partitions } of lanes()) if (partitions > 0) this.set({ topic, state }, 1);
      },
    });
  }
}
