import { silentLogger } from '../../shared/observe/log.ts';
import type { Emit, RecordBatch } from '../../shared/connector/source.ts';
import { isRowRecord } from '../../shared/record/record.ts';
import { readSourceConfig } from '../../sources/main.ts';
import { type ProducerOptions, TransactionalProducer } from '../../topics/kafka/transactional-producer.ts';
import { Publisher } from '../../topics/publisher.ts';
import { usageOf } from '../measure.ts';

/** Builds each record batch, and then forgets it. */
class DroppingProducer extends TransactionalProducer {
  override async flush(): Promise<void> {
    this.dropAppended();
  }

  override async commit(): Promise<void> {
    this.dropAppended();
  }
}

const [end = '', changes = '0'] = process.argv.slice(2);
const startedAt = performance.now();
const { connector, settings } = readSourceConfig(process.env);
const log = silentLogger();
const source = connector.create(settings, { log });

const tables = await source.setup({ position: null, snapshot: null });
const target = end === 'avro' ? await openPublisher() : undefined;
await source.start({ position: null, snapshot: null }, countingEmit());

function countingEmit(): Emit {
  let count = 0;
  return (batch: RecordBatch) => {
    for (const record of batch.records) if (isRowRecord(record)) count++;
    count += batch.reads?.length ?? 0;
    const wait = target?.publish(batch);
    if (count >= Number(changes)) void report();
    return wait;
  };
}

async function report(): Promise<void> {
  await target?.drain();
  const { cpuSeconds, peakBytes } = usageOf(process.pid);
  process.stdout.write(JSON.stringify({ seconds: (performance.now() - startedAt) / 1000, cpuSeconds, peakBytes }));
  process.exit(0);
}

async function openPublisher(): Promise<Publisher> {
  const createProducer = (options: ProducerOptions) => new DroppingProducer(options);
  const publisher = new Publisher({ settings, connector: connector.connectorName, version: '0', log, onCommitted: () => undefined, createProducer });
  await publisher.open();
  await publisher.addTables(tables);
  return publisher;
}
