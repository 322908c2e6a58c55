import { Connector } from '../connector.ts';
import type { SourceInput, Stage, StageInput, StageResult } from './stage.ts';

/** The product as its users run it: one source process, exactly once into the topics. Timed from its start. */
export const sourceStage: Stage = {
  name: 'log to Kafka',
  about: 'one source process, Kafka transactions with the position inside',
  run: (input) => runSource(input, {}),
};

export const compressedStage: Stage = {
  name: 'log to Kafka, zstd',
  about: 'the same with KAFKA_COMPRESSION=zstd',
  run: (input) => runSource(input, { KAFKA_COMPRESSION: 'zstd' }),
};

export function sourceEnvironment(input: SourceInput & Pick<StageInput, 'tables' | 'runName'>): Record<string, string> {
  return {
    SOURCE_TYPE: 'postgres',
    SOURCE_NAME: input.runName,
    SOURCE_URL: input.postgresUrl,
    SOURCE_SLOT_NAME: input.slot,
    SOURCE_PUBLICATION_NAME: input.publication,
    TABLES: input.tables.join(','),
    SNAPSHOT_MODE: 'never',
    KAFKA_BROKERS: input.kafkaBrokers,
    SCHEMA_REGISTRY_URL: input.registryUrl,
    LOG_LEVEL: 'warn',
  };
}

async function runSource(input: StageInput, settings: Record<string, string>): Promise<StageResult> {
  await using source = await Connector.start({ program: 'source', settings: { ...sourceEnvironment(input), ...settings } });
  await source.until(({ changes = 0 }) => changes >= input.changes);
  const seconds = (performance.now() - source.startedAt) / 1000;
  const { cpuSeconds, peakBytes } = source.usage();
  return { seconds, cpuSeconds, peakBytes };
}
