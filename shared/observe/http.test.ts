import { describe, expect, test } from 'vitest';
import { COMMON_OPTIONS } from '../config/common-options.ts';
import { readOptions } from '../config/options.ts';
import { Secret } from '../config/secret.ts';
import { assertTokenWhereNeeded, createApp, type ProcessView } from './http.ts';
import { createMetrics } from './metrics.ts';

function appOf(view: Partial<ProcessView> = {}, token?: string) {
  const metrics = createMetrics('source', 'shop');
  const whole: ProcessView = { notReady: () => undefined, status: () => ({ state: 'streaming' }), pause: () => undefined, resume: () => undefined, ...view };
  return { metrics, app: createApp({ HTTP_TOKEN: token === undefined ? undefined : new Secret(token) }, whole, metrics) };
}

describe('the endpoints', () => {
  test('/healthz answers while the process turns', async () => {
    const answer = await appOf().app.request('/healthz');
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok' }]);
  });

  test('/readyz is 503 with the reason until the process is ready', async () => {
    const reasons = ['not streaming yet', undefined];
    const { app } = appOf({ notReady: () => reasons.shift() });
    const [before, after] = [await app.request('/readyz'), await app.request('/readyz')];
    expect([before.status, await before.json()]).toEqual([503, { status: 'not ready', reason: 'not streaming yet' }]);
    expect([after.status, await after.json()]).toEqual([200, { status: 'ready' }]);
  });

  test('/metrics has the text that Prometheus reads, with our names and the name of the process', async () => {
    const { app, metrics } = appOf();
    metrics.records.inc(3);
    metrics.errors.inc({ code: 'TIMEOUT' });
    metrics.batchSeconds.observe(0.02);
    const answer = await app.request('/metrics');
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('dbmazz_source_records_total{source="shop"} 3\n');
    expect(text).toContain('dbmazz_source_errors_total{code="TIMEOUT",source="shop"} 1\n');
    expect(text).toContain('dbmazz_source_batch_duration_seconds_bucket{le="0.025",source="shop"} 1\n');
    for (const line of text.split('\n')) if (line !== '' && !line.startsWith('#')) expect(line).toMatch(/^dbmazz_/);
  });

  test('/status is what the process says of itself', async () => {
    expect(await (await appOf().app.request('/status')).json()).toEqual({ state: 'streaming' });
  });

  test('/pause and /resume do so, by POST only', async () => {
    const calls: string[] = [];
    const { app } = appOf({ pause: () => void calls.push('pause'), resume: () => void calls.push('resume') });
    const answers = [
      await app.request('/pause', { method: 'POST' }),
      await app.request('/resume', { method: 'POST' }),
      await app.request('/pause'),
      await app.request('/resume'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 404]);
    expect(calls).toEqual(['pause', 'resume']);
  });

  test('a table of a sink goes on by POST, or it is said why it does not', async () => {
    const calls: string[] = [];
    const tables = {
      resume: async (topic: string) => {
        calls.push(`resume ${topic}`);
        return undefined;
      },
      skip: async (topic: string) => `${topic} is not stopped`,
    };
    const { app } = appOf({ tables });
    const [resumed, skipped] = [
      await app.request('/tables/shop.public.orders/resume', { method: 'POST' }),
      await app.request('/tables/shop.public.orders/skip', { method: 'POST' }),
    ];
    expect([resumed.status, skipped.status, await skipped.json()]).toEqual([200, 409, { error: 'shop.public.orders is not stopped' }]);
    expect(calls).toEqual(['resume shop.public.orders']);
  });

  test('there are no others', async () => {
    expect((await appOf().app.request('/')).status).toBe(404);
  });
});

describe('with a token', () => {
  const paths = ['/healthz', '/readyz', '/metrics', '/status', '/none'];

  test('nothing is said without it', async () => {
    const { app } = appOf({}, 'geheim');
    for (const path of paths) {
      for (const authorization of ['', 'Bearer', 'Bearer ', 'Bearer falsch', 'Bearer geheim2', 'bearer geheim', 'geheim', 'Basic geheim']) {
        const answer = await app.request(path, { headers: { authorization } });
        expect([path, authorization, answer.status]).toEqual([path, authorization, 401]);
      }
    }
  });

  test('nothing is done without it', async () => {
    const calls: string[] = [];
    const { app } = appOf({ pause: () => void calls.push('pause') }, 'geheim');
    expect((await app.request('/pause', { method: 'POST' })).status).toBe(401);
    expect(calls).toEqual([]);
  });

  test('all is open to who has it', async () => {
    const { app } = appOf({}, 'geheim');
    const answers = await Promise.all(paths.map(async (path) => app.request(path, { headers: { authorization: 'Bearer geheim' } })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 404]);
  });
});

describe('a token is asked for', () => {
  const needsToken = (environment: Readonly<Record<string, string>>) => () =>
    assertTokenWhereNeeded(readOptions(COMMON_OPTIONS, { KAFKA_BROKERS: 'b:1', SCHEMA_REGISTRY_URL: 'http://r', ...environment }).settings);

  test('once others can reach the port', () => {
    for (const HTTP_HOST of ['0.0.0.0', '::', '10.0.0.7', 'example.org']) {
      expect(needsToken({ HTTP_PORT: '8080', HTTP_HOST })).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('HTTP_TOKEN') }),
      );
      expect(needsToken({ HTTP_PORT: '8080', HTTP_HOST, HTTP_TOKEN: 'x' })).not.toThrow();
    }
  });

  test('not on the machine itself, and not without a port', () => {
    for (const HTTP_HOST of ['127.0.0.1', 'localhost', '::1']) expect(needsToken({ HTTP_PORT: '8080', HTTP_HOST })).not.toThrow();
    expect(needsToken({ HTTP_HOST: '0.0.0.0' })).not.toThrow();
  });
});
