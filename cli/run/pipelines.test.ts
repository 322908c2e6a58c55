import { describe, expect, test } from 'vitest';
import { Secret } from '../../shared/config/secret.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { createMetrics, createProcessMetrics } from '../../shared/observe/metrics.ts';
import type { Pipeline } from '../../shared/process/pipeline.ts';
import { createManyApp } from './many-http.ts';
import { Pipelines } from './pipelines.ts';

class Scripted implements Pipeline {
  readonly kind: Pipeline['kind'];
  readonly name: string;
  readonly log = silentLogger();
  readonly metrics;
  readonly calls: string[] = [];
  readonly outcome = Promise.withResolvers<void>();
  readonly view = {
    notReady: () => undefined,
    status: () => ({ kind: this.kind, name: this.name, state: 'streaming' }),
    pause: () => void this.calls.push('pause'),
    resume: () => void this.calls.push('resume'),
  };

  constructor(kind: Pipeline['kind'], name: string) {
    this.kind = kind;
    this.name = name;
    this.metrics = createMetrics(kind, name, false);
  }

  run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.outcome.resolve());
    return this.outcome.promise;
  }
}

const failure = () => new CdcError('POSITION_LOST', 'The slot is gone.');

describe('pipelines in one process', () => {
  test('go on when one fails, and end well when asked to', async () => {
    const [shop, copy] = [new Scripted('source', 'shop'), new Scripted('sink', 'copy')];
    const pipelines = new Pipelines([shop, copy]);
    const stop = new AbortController();
    let hasEnded = false;
    const running = pipelines.run(stop.signal).finally(() => (hasEnded = true));
    shop.outcome.reject(failure());
    await new Promise(setImmediate);
    expect(hasEnded).toBe(false);
    expect(pipelines.notReady()).toBe('source shop: it has failed (POSITION_LOST)');
    expect(pipelines.statusOf(shop)).toMatchObject({ name: 'shop', state: 'failed', lastError: { code: 'POSITION_LOST' } });
    expect(pipelines.statusOf(copy)).toMatchObject({ state: 'streaming' });
    stop.abort();
    await running;
  });

  test('end with the first failure once none is left', async () => {
    const [shop, copy] = [new Scripted('source', 'shop'), new Scripted('sink', 'copy')];
    const running = new Pipelines([shop, copy]).run(new AbortController().signal);
    copy.outcome.reject(new CdcError('AUTH_FAILED', 'Nobody of that name.'));
    shop.outcome.reject(failure());
    await expect(running).rejects.toMatchObject({ code: 'POSITION_LOST', exitCode: 4 });
  });
});

describe('their endpoints', () => {
  const three = () => [new Scripted('source', 'shop'), new Scripted('source', 'billing'), new Scripted('sink', 'shop')] as const;
  const appOf = (all: readonly Scripted[], token?: string) =>
    createManyApp({ HTTP_TOKEN: token === undefined ? undefined : new Secret(token) }, new Pipelines(all), createProcessMetrics());

  test('/status lists all; under a name it is of one', async () => {
    const app = appOf(three());
    expect(await (await app.request('/status')).json()).toMatchObject({ pipelines: [{ name: 'shop' }, { name: 'billing' }, { kind: 'sink', name: 'shop' }] });
    expect(await (await app.request('/sinks/shop/status')).json()).toMatchObject({ kind: 'sink', name: 'shop' });
    expect((await app.request('/sinks/billing/status')).status).toBe(404);
    expect((await app.request('/sources/billing/readyz')).status).toBe(200);
  });

  test('/pause and /resume reach all; under a name, one', async () => {
    const all = three();
    const app = appOf(all);
    await app.request('/pause', { method: 'POST' });
    await app.request('/sources/shop/resume', { method: 'POST' });
    expect(all.map(({ calls }) => calls)).toEqual([['pause', 'resume'], ['pause'], ['pause']]);
  });

  test('/metrics has those of all, told apart by name, and those of the process once', async () => {
    const all = three();
    all[0].metrics.records.inc(3);
    all[1].metrics.records.inc(4);
    const text = await (await appOf(all).request('/metrics')).text();
    expect(text).toContain('dbmazz_source_records_total{source="shop"} 3\ndbmazz_source_records_total{source="billing"} 4\n');
    expect(text).toContain('dbmazz_sink_records_total{sink="shop"} 0\n');
    expect(text.match(/^dbmazz_process_cpu_seconds_total /gm)).toHaveLength(1);
    const one = await (await appOf(all).request('/sources/shop/metrics')).text();
    expect(one).not.toContain('billing');
  });

  test('ask for the token everywhere', async () => {
    const app = appOf(three(), 'let-me-in');
    for (const path of ['/status', '/sources/shop/status']) expect((await app.request(path)).status).toBe(401);
    const answer = await app.request('/sources/shop/status', { headers: { authorization: 'Bearer let-me-in' } });
    expect(answer.status).toBe(200);
  });
});
