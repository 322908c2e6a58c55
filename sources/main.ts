import { readFileSync } from 'node:fs';
import { COMMON_OPTIONS, type CommonSettings } from '../shared/config/common-options.ts';
import { loadEnvironment } from '../shared/config/load-environment.ts';
import { type Environment, findUnknown, readOptions, throwIfProblems } from '../shared/config/options.ts';
import { settingNames } from '../shared/config/secret-file.ts';
import { SINK_OPTIONS } from '../shared/config/sink-options.ts';
import { SOURCE_OPTIONS, type SourceSettings } from '../shared/config/source-options.ts';
import type { SourceConnector } from '../shared/connector/connector.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import { assertTokenWhereNeeded, serveHttp } from '../shared/observe/http.ts';
import { createLogger } from '../shared/observe/log.ts';
import { createMetrics } from '../shared/observe/metrics.ts';
import { armFailpoint } from '../shared/process/failpoint.ts';
import type { Pipeline, PipelineOptions } from '../shared/process/pipeline.ts';
import { runProcess } from '../shared/process/run-process.ts';
import { allSourceOptionNames, findSource, sourceTypeProblem } from './create-source.ts';
import { Gate, runSource } from './runner/source-runner.ts';
import { SourceStatus } from './runner/source-status.ts';

export interface SourceProcessConfig {
  readonly connector: SourceConnector;
  readonly settings: CommonSettings & SourceSettings;
}

/** Reads and checks all settings of a source; every problem at once. */
export function readSourceConfig(environment: Environment): SourceProcessConfig {
  const type = environment['SOURCE_TYPE'];
  const connector = findSource(type);
  const options = { ...COMMON_OPTIONS, ...SOURCE_OPTIONS, ...connector?.options };
  const { settings, problems } = readOptions(options, environment);
  const known = ['SOURCE_TYPE', 'SINK_TYPE', ...settingNames(options), ...settingNames(SINK_OPTIONS), ...allSourceOptionNames()];
  throwIfProblems([...(connector === undefined ? [sourceTypeProblem(type)] : []), ...problems, ...findUnknown(environment, known)]);
  if (connector === undefined) throw new CdcError('INVARIANT_BROKEN', 'A source without a type was not refused.');
  assertTokenWhereNeeded(settings);
  return { connector, settings };
}

/** One source in the foreground. Gives the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  return runProcess(async (signal) => {
    armFailpoint(process.env['DBMAZZ_FAILPOINT']);
    const config = readSourceConfig(loadEnvironment('source', argv, process.env));
    const pipeline = createSourcePipeline(config, { withProcessMetrics: true });
    const http = await serveHttp(config.settings, pipeline.view, pipeline.metrics);
    try {
      await pipeline.run(signal);
    } finally {
      await http?.close();
    }
  });
}

/** A source with its log, its metrics and what it says of itself; nothing is opened until it runs. */
export function createSourcePipeline({ connector, settings }: SourceProcessConfig, { withProcessMetrics }: PipelineOptions): Pipeline {
  const name = settings.SOURCE_NAME;
  const log = createLogger({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT, fields: { source: name } });
  const metrics = createMetrics('source', name, withProcessMetrics);
  const status = new SourceStatus(name, metrics);
  const gate = new Gate();
  const hold = (isPaused: boolean) => {
    status.isPaused = isPaused;
    if (isPaused) gate.close();
    else gate.open();
  };
  const view = { notReady: () => status.notReady(), status: () => status, pause: () => hold(true), resume: () => hold(false) };
  const run = async (signal: AbortSignal) => runSource({ connector, settings, version: productVersion(), log, status, gate, signal });
  return { kind: 'source', name, log, metrics, view, run };
}

export function productVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

// What still waits for a server that does not answer must not keep the process.
if (import.meta.main) process.exit(await main(process.argv.slice(2)));
