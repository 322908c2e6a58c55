import { CdcError } from '../../shared/errors/cdc-error.ts';
import { serveApp } from '../../shared/observe/http.ts';
import { createProcessMetrics } from '../../shared/observe/metrics.ts';
import { runProcess } from '../../shared/process/run-process.ts';
import { createSinkPipeline } from '../../sinks/main.ts';
import { createSourcePipeline } from '../../sources/main.ts';
import { readMany } from './many-config.ts';
import { createManyApp } from './many-http.ts';
import { Pipelines } from './pipelines.ts';

/** All sources and sinks of a file, in this process, in the foreground. Gives the exit code. */
export async function runMany(path: string | undefined): Promise<number> {
  return runProcess(async (signal) => {
    if (path === undefined) throw new CdcError('CONFIG_INVALID', 'Which sources and sinks? Name a file with them: --config <file.yaml>.');
    const config = readMany(path, process.env);
    const options = { withProcessMetrics: false };
    const sources = config.sources.map((source) => createSourcePipeline(source, options));
    const sinks = config.sinks.map((sink) => createSinkPipeline(sink, options));
    const pipelines = new Pipelines([...sources, ...sinks]);
    const http = await serveApp(config.process, () => createManyApp(config.process, pipelines, createProcessMetrics()));
    try {
      await pipelines.run(signal);
    } finally {
      await http?.close();
    }
  });
}
