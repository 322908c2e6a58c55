import { timingSafeEqual } from 'node:crypto';
import { type HttpBindings, serve } from '@hono/node-server';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { CommonSettings } from '../config/common-options.ts';
import { CdcError } from '../errors/cdc-error.ts';
import type { Metrics } from './metrics.ts';

/** What a connector process answers to its watchers. */
export interface ProcessView {
  /** Undefined when ready, else the reason why not. */
  readonly notReady: () => string | undefined;
  readonly status: () => unknown;
  readonly pause: () => void;
  readonly resume: () => void;
  /** Of a sink: lets a table go on that has stopped. Each gives what stands against it, or undefined when it is done. */
  readonly tables?: {
    resume(topic: string): Promise<string | undefined>;
    skip(topic: string): Promise<string | undefined>;
  };
}

export interface HttpEndpoints {
  readonly port: number;
  close(): Promise<void>;
}

/** Prometheus' text format. */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);

type HttpSettings = Pick<CommonSettings, 'HTTP_HOST' | 'HTTP_PORT' | 'HTTP_TOKEN'>;
type App = Hono<{ Bindings: HttpBindings }>;

/**
 * Serves `/healthz`, `/readyz`, `/metrics`, `/status`, `/pause` and `/resume`, and of a sink `/tables/<topic>/resume` and
 * `/tables/<topic>/skip`; nothing where HTTP_PORT is 0.
 */
export async function serveHttp(settings: CommonSettings, view: ProcessView, metrics: Metrics): Promise<HttpEndpoints | undefined> {
  return serveApp(settings, () => createApp(settings, view, metrics));
}

/** Serves endpoints on HTTP_PORT; nothing where that is 0. */
export async function serveApp(settings: HttpSettings, create: () => App): Promise<HttpEndpoints | undefined> {
  const { HTTP_HOST: hostname, HTTP_PORT: port } = settings;
  if (port === 0) return undefined;
  assertTokenWhereNeeded(settings);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = serve({ fetch: create().fetch, hostname, port }, () => resolve());
  server.once('error', (error) => {
    reject(
      new CdcError('CONFIG_INVALID', `HTTP_PORT is ${port}: it cannot be opened on ${hostname}.`, {
        cause: error,
        remedy: 'Set HTTP_PORT to a free port, or to 0 for none.',
      }),
    );
  });
  await promise;
  return {
    port,
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** Said at start, with all other problems of the settings. */
export function assertTokenWhereNeeded({ HTTP_HOST, HTTP_PORT, HTTP_TOKEN }: HttpSettings): void {
  if (HTTP_PORT === 0 || LOOPBACK.has(HTTP_HOST) || HTTP_TOKEN !== undefined) return;
  throw new CdcError('CONFIG_INVALID', `HTTP_HOST is ${HTTP_HOST}, which others can reach, so HTTP_TOKEN must be set.`);
}

/** The endpoints without a port. */
export function createApp(settings: Pick<CommonSettings, 'HTTP_TOKEN'>, view: ProcessView, metrics: Metrics): App {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use(guard(settings));
  addEndpoints(app, { ...view, metrics: async () => metrics.registry.metrics() });
  return app;
}

/** Lets nobody in without the token, where there is one. */
export function guard(settings: Pick<CommonSettings, 'HTTP_TOKEN'>): MiddlewareHandler {
  return async (context, next) => (isAllowed(context, settings) ? next() : context.json({ error: 'a bearer token is needed' }, 401));
}

/** What answers under one path: for a process, or for one of its pipelines. */
export interface EndpointsView extends ProcessView {
  readonly metrics: () => Promise<string>;
}

export function addEndpoints(app: App, view: EndpointsView): void {
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.get('/readyz', (context) => {
    const reason = view.notReady();
    return reason === undefined ? context.json({ status: 'ready' }) : context.json({ status: 'not ready', reason }, 503);
  });
  app.get('/metrics', async (context) => context.text(await view.metrics(), 200, { 'content-type': METRICS_TYPE }));
  app.get('/status', (context) => context.json(view.status() as object));
  app.post('/pause', (context) => {
    view.pause();
    return context.json({ status: 'paused' });
  });
  app.post('/resume', (context) => {
    view.resume();
    return context.json({ status: 'running' });
  });
  const { tables } = view;
  if (tables !== undefined) {
    app.post('/tables/:topic/resume', async (context) => answer(context, await tables.resume(context.req.param('topic'))));
    app.post('/tables/:topic/skip', async (context) => answer(context, await tables.skip(context.req.param('topic'))));
  }
}

function answer(context: Context, problem: string | undefined): Response {
  return problem === undefined ? context.json({ status: 'running' }) : context.json({ error: problem }, 409);
}

function isAllowed(context: Context, { HTTP_TOKEN }: Pick<CommonSettings, 'HTTP_TOKEN'>): boolean {
  if (HTTP_TOKEN === undefined) return true;
  const given = Buffer.from(context.req.header('authorization') ?? '');
  const wanted = Buffer.from(`Bearer ${HTTP_TOKEN.reveal()}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
