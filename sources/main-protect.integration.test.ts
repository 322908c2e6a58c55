import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deleteTopics } from '../test/contract/kafka-topics.ts';
import { PostgresBench } from '../test/contract/postgres-source-bench.ts';
import { SourceProcess } from '../test/contract/source-process.ts';
import { liveConfig, liveSettings, readCommitted } from '../test/live-topics.ts';
import { Registry } from '../topics/avro/registry.ts';
import { parseTableSchema } from '../topics/avro/table-schemas.ts';
import { schemaIdOf, WIRE_HEADER_BYTES } from '../topics/avro/wire-format.ts';
import { EnvelopeDecoder } from '../topics/envelope-decoder.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;

let bench: PostgresBench;
let folder: string;

beforeEach(async () => {
  bench = await PostgresBench.open();
  folder = mkdtempSync(join(tmpdir(), 'dbmazz-protect-'));
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await bench[Symbol.asyncDispose]();
  await deleteTopics(bench.name);
});

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The last state of each row of `t` as readers of its topic find it, by its first column. */
async function rows(): Promise<readonly unknown[]> {
  const topic = `${bench.name}.public.t`;
  const registry = new Registry(liveSettings(bench.name));
  const found = new Map<unknown, unknown>();
  for (const { value } of await readCommitted(liveConfig(), [topic])) {
    if (value === null) continue;
    const schema = parseTableSchema(await registry.schema(schemaIdOf(value, topic)), topic);
    const record = new EnvelopeDecoder(schema, topic).decode(value, WIRE_HEADER_BYTES);
    const row = 'after' in record ? record.after : null;
    if (row !== null) found.set(row.values()[0], Object.fromEntries(row.table.columns.map(({ name }, index) => [name, row.values()[index]])));
  }
  return [...found].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, row]) => row);
}

test('a column that is added beside excluded ones comes for all rows, with one process and its address in a file; nothing that is protected reaches a topic', async () => {
  await bench.query(
    `CREATE TABLE t (id int PRIMARY KEY, hidden text, mail text, v text); INSERT INTO t VALUES (1, 'secret 1', 'ann@secret', 'a'), (2, 'secret 2', NULL, 'b')`,
  );
  await using source = new SourceProcess({
    SOURCE_TYPE: 'postgres',
    SOURCE_NAME: bench.name,
    SOURCE_URL_FILE: fileOf('url', `${bench.url}\n`),
    TABLES: 'public.t',
    EXCLUDE_COLUMNS: 'public.t.hidden',
    MASK_COLUMNS: 'public.t.mail',
    KAFKA_BROKERS,
    SCHEMA_REGISTRY_URL,
    TOPIC_PARTITIONS: '1',
    LOG_FORMAT: 'json',
  });
  await source.said('snapshot: done');
  await bench.query(`ALTER TABLE t ADD added int DEFAULT 7; INSERT INTO t VALUES (3, 'secret 3', 'bob@secret', 'c', 8)`);
  await source.said('"code":"SETUP_CHANGED"');
  await source.said('snapshot: done', 2);
  const expected = [
    { id: 1, mail: '***', v: 'a', added: 7 },
    { id: 2, mail: null, v: 'b', added: 7 },
    { id: 3, mail: '***', v: 'c', added: 8 },
  ];
  while (JSON.stringify(await rows()) !== JSON.stringify(expected)) await bench.query('SELECT pg_sleep(0.1)');
  expect(await source.stop()).toMatchObject({ code: 0 });
  const topics = ['public.t', 'positions', 'transaction', 'schema-changes'].map((name) => `${bench.name}.${name}`);
  const bytes = (await readCommitted(liveConfig(), topics)).flatMap(({ key, value }) => [key, value]).filter((part) => part !== null);
  const everything = Buffer.concat(bytes).toString('latin1');
  expect([everything.includes('***'), everything.includes('secret'), source.log.includes('secret')]).toEqual([true, false, false]);
});
