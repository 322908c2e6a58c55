import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { CommonSettings } from '../../shared/config/common-options.ts';
import { addEndpoints, guard } from '../../shared/observe/http.ts';
import { mergeMetricsTexts } from '../../shared/observe/metrics-text.ts';
import type { Metrics } from '../../shared/observe/metrics.ts';
import type { Pipelines } from './pipelines.ts';

/**
 * The endpoints of a process with several pipelines: those of a single one speak of all, and under
 * `/sources/<name>` and `/sinks/<name>` of one.
 */
export function createManyApp(settings: Pick<CommonSettings, 'HTTP_TOKEN'>, pipelines: Pipelines, own: Metrics['registry']): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use(guard(settings));
  const { all } = pipelines;
  addEndpoints(app, {
    notReady: () => pipelines.notReady(),
    status: () => ({ pipelines: all.map((pipeline) => pipelines.statusOf(pipeline)) }),
    pause: () => all.forEach(({ view }) => view.pause()),
    resume: () => all.forEach(({ view }) => view.resume()),
    metrics: async () => mergeMetricsTexts(await Promise.all([own, ...all.map(({ metrics }) => metrics.registry)].map(async (each) => each.metrics()))),
  });
  for (const pipeline of all) {
    const one = new Hono<{ Bindings: HttpBindings }>();
    addEndpoints(one, {
      ...pipeline.view,
      notReady: () => pipelines.notReadyOf(pipeline),
      status: () => pipelines.statusOf(pipeline),
      metrics: async () => pipeline.metrics.registry.metrics(),
    });
    app.route(`/${pipeline.kind}s/${encodeURIComponent(pipeline.name)}`, one);
  }
  return app;
}
