import { runDebezium } from '../peers/debezium.ts';
import type { Stage, StageInput, StageResult } from './stage.ts';

/** Debezium on Kafka Connect with the Avro converter, as it comes and as its own documentation advises. */
export const debeziumStages: readonly Stage[] = [
  { name: 'Debezium, defaults', about: 'Kafka Connect standalone, Avro converter, at least once', run: (input) => run(input, 'defaults') },
  { name: 'Debezium, tuned', about: 'the same with larger queues and batches, lz4, 3 GB of heap', run: (input) => run(input, 'tuned') },
];

async function run(input: StageInput, tuning: 'defaults' | 'tuned'): Promise<StageResult> {
  return runDebezium({
    postgresUrl: input.postgresUrl,
    kafkaBrokers: input.kafkaBrokers,
    registryUrl: input.registryUrl,
    slot: input.slot,
    publication: input.publication,
    tables: input.tables,
    topicPrefix: input.runName,
    expectedRecords: input.changes + input.deletes,
    tuning,
    onProgress: (line) => void process.stderr.write(`  ${line}\n`),
  });
}
