import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { PostgresBench } from '../test/contract/postgres-source-bench.ts';
import { SourceProcess, sourceSettings } from '../test/contract/source-process.ts';
import { liveConfig, liveSettings, readCommitted, withAdmin } from '../test/live-topics.ts';
import { freePort } from '../stack/ports.ts';
import { Registry } from '../topics/avro/registry.ts';
import { EnvelopeDecoder } from '../topics/envelope-decoder.ts';
import { parseTableSchema } from '../topics/avro/table-schemas.ts';
import { schemaIdOf, WIRE_HEADER_BYTES } from '../topics/avro/wire-format.ts';

const run = promisify(execFile);

let bench: PostgresBench;
let port: number;

beforeEach(async () => {
  bench = await PostgresBench.open();
  port = await freePort();
  await bench.query('CREATE TABLE orders (id int PRIMARY KEY, n numeric(6, 2), v text); CREATE TABLE lines (id int PRIMARY KEY)');
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await deleteTopics(bench.name);
});

const start = (more: Readonly<Record<string, string>> = {}) => new SourceProcess(sourceSettings(bench, { HTTP_PORT: String(port), ...more }));

const status = async () => (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as { readonly stopped: Readonly<Record<string, unknown>> };

/** What `read_committed` readers find in a table's topic, as `op id`. */
async function published(table: string): Promise<readonly string[]> {
  const topic = `${bench.name}.public.${table}`;
  const registry = new Registry(liveSettings(bench.name));
  const decoders = new Map<number, EnvelopeDecoder>();
  const found: string[] = [];
  for (const { value } of await readCommitted(liveConfig(), [topic])) {
    if (value === null) continue;
    const id = schemaIdOf(value, topic);
    const decoder = decoders.get(id) ?? new EnvelopeDecoder(parseTableSchema(await registry.schema(id), topic), topic);
    decoders.set(id, decoder);
    const record = decoder.decode(value, WIRE_HEADER_BYTES);
    found.push(`${record.kind} ${String('after' in record ? record.after?.values()[0] : '')}`);
  }
  return found.toSorted();
}

async function untilPublished(table: string, what: string): Promise<void> {
  while (!(await published(table)).includes(what)) await bench.query('SELECT pg_sleep(0.05)');
}

/** Resolves once the broker tells it: it takes a moment until it has heard of it. */
async function limitTo(topic: string, value: string): Promise<void> {
  const resource = { type: 2, name: topic };
  await withAdmin(liveConfig(), async (admin) => {
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'max.message.bytes', value }] }] });
    for (;;) {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ ...resource, configNames: ['max.message.bytes'] }] });
      if (resources[0]?.configEntries[0]?.configValue === value) return;
    }
  });
}

describe('a table that cannot be carried', () => {
  test('stops alone, and is seen at /status, in the metrics and by dbmazz status; neither a kill nor a start anew changes that', async () => {
    {
      await using first = start();
      await first.said('snapshot: done');
      await bench.query(`INSERT INTO orders VALUES (1, 1), (2, 'NaN'), (3, 3); INSERT INTO lines VALUES (1)`);
      await first.said('Table public.orders is published no further; all others go on.');
      expect(await status()).toMatchObject({
        state: 'streaming',
        stopped: { 'public.orders': { code: 'VALUE_OUT_OF_RANGE', remedy: expect.stringContaining('DECIMAL_HANDLING=string') as string } },
      });
      expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain(
        `dbmazz_source_stopped_table_passed_over_records{table="public.orders",source="${bench.name}"}`,
      );
      const { stdout } = await run(process.execPath, ['cli/dbmazz.ts', 'status', `127.0.0.1:${port}`]);
      expect(stdout).toMatch(/stopped: public\.orders, \d+ records passed over\. VALUE_OUT_OF_RANGE: /);
      first.signal('SIGKILL');
      await first.ended();
    }
    await bench.slotIsFree();
    // A column that would refuse a first start: of a table that has stopped it is no news.
    await bench.query(`CREATE TYPE pair AS (a int, b int); ALTER TABLE orders ADD p pair; INSERT INTO orders VALUES (4, 4); INSERT INTO lines VALUES (2)`);
    await using second = start();
    await second.said('going on where the topics stand');
    await untilPublished('lines', 'insert 2');
    expect(Object.keys((await status()).stopped)).toEqual(['public.orders']);
    expect([await published('orders'), await published('lines')]).toEqual([['insert 1'], ['insert 1', 'insert 2']]);
    expect(await second.stop()).toMatchObject({ code: 0 });
  });

  test('for its size stops before the broker refuses it, with the topic, its limit and what to raise; once that is raised it goes on as a signal asks', async () => {
    await using source = start();
    await source.said('snapshot: done');
    const topic = `${bench.name}.public.orders`;
    await limitTo(topic, '1048588');
    const text = (bytes: number) => `(SELECT string_agg(md5(n::text), '') FROM generate_series(1, ${Math.ceil(bytes / 32)}) n)`;
    // Two that fit, though not into one batch, then one that does not.
    await bench.query(
      `INSERT INTO orders VALUES (1, 1, ${text(900_000)}), (2, 2, ${text(900_000)}), (3, 3, ${text(1_100_000)}), (4, 4, ''); INSERT INTO lines VALUES (1)`,
    );
    await source.said('Table public.orders is published no further');
    expect(await status()).toMatchObject({
      stopped: { 'public.orders': { code: 'VALUE_OUT_OF_RANGE', remedy: expect.stringContaining(`Raise max.message.bytes of ${topic} above 11`) as string } },
    });
    await untilPublished('lines', 'insert 1');
    expect(await published('orders')).toEqual(['insert 1', 'insert 2']);

    await limitTo(topic, '2000000');
    const { stdout } = await run(process.execPath, ['cli/dbmazz.ts', 'snapshot', '--source', bench.name, '--tables', 'public.orders', '--wait']);
    expect(stdout).toContain('Done: 4 rows of public.orders.');
    await bench.query(`INSERT INTO orders VALUES (5, 5, '')`);
    await untilPublished('orders', 'insert 5');
    const again = ['insert 5', 'read 1', 'read 2', 'read 3', 'read 4', ...Array.from({ length: 4 }, () => 'truncate ')];
    expect(await published('orders')).toEqual(['insert 1', 'insert 2', ...again]);
    expect(await status()).toMatchObject({ state: 'streaming', stopped: {} });
  });
});

describe('a schema that the registry refuses', () => {
  const change = `ALTER TABLE orders ALTER v TYPE int USING 7; INSERT INTO orders VALUES (2, 2, 8); INSERT INTO lines VALUES (2)`;

  test('stops its table; with the policy new-version its records go on under a new version', async () => {
    {
      await using source = start();
      await source.said('snapshot: done');
      await bench.query(`INSERT INTO orders VALUES (1, 1, 'x')`);
      await untilPublished('orders', 'insert 1');
      await bench.query(change);
      await source.said('Table public.orders is published no further');
      await untilPublished('lines', 'insert 2');
      expect(await status()).toMatchObject({ stopped: { 'public.orders': { code: 'SCHEMA_INCOMPATIBLE' } } });
      expect(await published('orders')).toEqual(['insert 1']);
      await source.stop();
    }
    await bench.slotIsFree();
    await using next = start({ ON_INCOMPATIBLE_SCHEMA: 'new-version' });
    await untilPublished('orders', 'read 2');
    expect(await status()).toMatchObject({ stopped: {} });
    const once = ['insert 1', 'read 1', 'read 2', 'truncate ', 'truncate ', 'truncate ', 'truncate '];
    expect(await published('orders')).toEqual(once);
    await bench.query(`ALTER TABLE orders ALTER v TYPE boolean USING true; INSERT INTO orders VALUES (3, 3, true)`);
    await untilPublished('orders', 'insert 3');
    expect([next.count('is published no further'), next.count('table public.orders begins anew')]).toEqual([1, 1]);
  });
});
