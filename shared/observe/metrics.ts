import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The metrics of one connector process. Names are constants here; labels are few. */
export interface Metrics {
  readonly registry: Registry;
  /** Records published by a source, or written by a sink. */
  readonly records: Counter;
  readonly bytes: Counter;
  readonly errors: Counter<'code'>;
  readonly lagBytes: Gauge;
  readonly lagSeconds: Gauge;
  readonly lagRecords: Gauge;
  readonly lastPositionTime: Gauge;
  /** Seconds that one transaction (source) or one batch (sink) took. */
  readonly batchSeconds: Histogram;
}

/** The metrics of a process that is shared by several pipelines: memory, CPU, event loop. */
export function createProcessMetrics(): Registry {
  const registry = new Registry();
  addProcessMetrics(registry);
  return registry;
}

/** The event loop's delay is sampled at long intervals: at prom-client's 10 ms it is most of what an idle process does. */
function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, prefix: 'dbmazz_', eventLoopMonitoringPrecision: 500 });
}

export function createMetrics(kind: 'source' | 'sink', name: string, withProcess = true): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ [kind]: name });
  if (withProcess) addProcessMetrics(registry);
  const registers = [registry];
  const did = kind === 'source' ? 'published' : 'written';
  return {
    registry,
    records: new Counter({ name: `dbmazz_${kind}_records_total`, help: `Records ${did}`, registers }),
    bytes: new Counter({ name: `dbmazz_${kind}_bytes_total`, help: `Bytes of rows ${did}`, registers }),
    errors: new Counter({ name: `dbmazz_${kind}_errors_total`, help: 'Errors by code', labelNames: ['code'], registers }),
    lagBytes: new Gauge({ name: `dbmazz_${kind}_lag_bytes`, help: 'Bytes that are still to be read', registers }),
    lagSeconds: new Gauge({
      name: `dbmazz_${kind}_lag_seconds`,
      help: 'Seconds from the commit in the source database to here, of the last record',
      registers,
    }),
    lagRecords: new Gauge({ name: `dbmazz_${kind}_lag_records`, help: 'Records that are still to be read', registers }),
    lastPositionTime: new Gauge({ name: `dbmazz_${kind}_last_commit_timestamp_seconds`, help: 'When the last position or offset was committed', registers }),
    batchSeconds: new Histogram({
      name: `dbmazz_${kind}_batch_duration_seconds`,
      help: 'Seconds a batch took',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
  };
}
