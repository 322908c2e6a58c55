import { COMMON_OPTIONS, type CommonSettings } from '../shared/config/common-options.ts';
import { loadEnvironment } from '../shared/config/load-environment.ts';
import { type Environment, findUnknown, readOptions, throwIfProblems } from '../shared/config/options.ts';
import { settingNames } from '../shared/config/secret-file.ts';
import { SINK_OPTIONS, type SinkSettings } from '../shared/config/sink-options.ts';
import { SOURCE_OPTIONS } from '../shared/config/source-options.ts';
import type { SinkConnector } from '../shared/connector/connector.ts';
import { assertTokenWhereNeeded, serveHttp } from '../shared/observe/http.ts';
import { createLogger } from '../shared/observe/log.ts';
import { createMetrics } from '../shared/observe/metrics.ts';
import { armFailpoint } from '../shared/process/failpoint.ts';
import type { Pipeline, PipelineOptions } from '../shared/process/pipeline.ts';
import { runProcess } from '../shared/process/run-process.ts';
import { allSinkOptionNames, findSink } from './create-sink.ts';
import { SinkControl } from './runner/sink-control.ts';
import { runSink } from './runner/sink-runner.ts';
import { SinkStatus } from './runner/sink-status.ts';

export interface SinkProcessConfig {
  readonly type: string;
  readonly connector: SinkConnector;
  readonly settings: CommonSettings & SinkSettings;
}

/** Settings of source connectors that a shared environment may hold too. */
const FOREIGN_OPTIONS = ['SOURCE_TYPE', 'SOURCE_SLOT_NAME', 'SOURCE_PUBLICATION_NAME'];

/** Reads and checks all settings of a sink; every problem at once. */
export function readSinkConfig(environment: Environment): SinkProcessConfig {
  const type = environment['SINK_TYPE'];
  const connector = findSink(type);
  const options = { ...COMMON_OPTIONS, ...SINK_OPTIONS, ...connector.options };
  const { settings, problems } = readOptions(options, environment);
  const known = ['SINK_TYPE', ...FOREIGN_OPTIONS, ...settingNames(options), ...settingNames(SOURCE_OPTIONS), ...allSinkOptionNames()];
  throwIfProblems([...problems, ...findUnknown(environment, known)]);
  assertTokenWhereNeeded(settings);
  return { type: type ?? '', connector, settings };
}

/** One sink in the foreground. Gives the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  return runProcess(async (signal) => {
    armFailpoint(process.env['DBMAZZ_FAILPOINT']);
    const config = readSinkConfig(loadEnvironment('sink', argv, process.env));
    const pipeline = createSinkPipeline(config, { withProcessMetrics: true });
    const http = await serveHttp(config.settings, pipeline.view, pipeline.metrics);
    try {
      await pipeline.run(signal);
    } finally {
      await http?.close();
    }
  });
}

/** A sink with its log, its metrics and what it says of itself; nothing is opened until it runs. */
export function createSinkPipeline({ type, connector, settings }: SinkProcessConfig, { withProcessMetrics }: PipelineOptions): Pipeline {
  const name = settings.SINK_NAME;
  const log = createLogger({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT, fields: { sink: name } });
  const metrics = createMetrics('sink', name, withProcessMetrics);
  const status = new SinkStatus({ name, type }, metrics);
  const control = new SinkControl();
  const view = {
    notReady: () => status.notReady(),
    status: () => status,
    pause: () => control.set(true),
    resume: () => control.set(false),
    tables: control,
  };
  const run = async (signal: AbortSignal) => runSink({ connector, settings, log, status, control, signal });
  return { kind: 'sink', name, log, metrics, view, run };
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
