import { Gauge, type Registry } from 'prom-client';

/** What only sources have to measure, beside what every connector has. */
export class SourceMetrics {
  /** Of each table that is published no further: the records that were passed over since this process began. */
  readonly passedOver: Gauge<'table'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.passedOver = new Gauge({
      name: 'dbmazz_source_stopped_table_passed_over_records',
      help: 'Records of a stopped table that were passed over since the process began; a table without this metric is not stopped',
      labelNames: ['table'],
      registers,
    });
  }
}
