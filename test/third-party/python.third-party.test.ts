import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { provide } from '../../stack/cache.ts';
import { runPip } from '../../stack/download.ts';
import { type ReadChange, rebuildTable, tableByKey } from './rebuilt-table.ts';
import { rowsOf, shopOfRun } from './shop.ts';

const PACKAGES = ['confluent-kafka==2.16.1', 'fastavro==1.13.1'];
const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const { databaseUrl, source } = shopOfRun();

interface Line extends ReadChange {
  readonly topic: string;
  readonly partition: number;
}

/** The rows of the database in the texts that Python has for its types. */
const EXPECTED: Readonly<Record<string, { readonly key: readonly string[]; readonly query: string }>> = {
  orders: { key: ['id'], query: `SELECT id::int, customer, state, total::text, to_char(placed, 'YYYY-MM-DD HH24:MI:SS.US') AS placed FROM orders` },
  documents: { key: ['id'], query: 'SELECT * FROM documents' },
  sessions: { key: ['id'], query: `SELECT id::text, to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS seen FROM sessions` },
  everything: {
    key: ['id', 'name'],
    query: `SELECT id, name, a_bool, a_small, an_int, a_big::float8, a_real, a_double, a_decimal::text, a_number::text, a_text, a_uuid::text,
      a_json::text, encode(some_bytes, 'hex') AS some_bytes, a_date::text, to_char(a_time, 'HH24:MI:SS.US') AS a_time,
      to_char(a_timestamp, 'YYYY-MM-DD HH24:MI:SS.US') AS a_timestamp,
      to_char(an_instant AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS an_instant, some_texts, a_mood::text, an_address::text FROM everything`,
  },
};

test('confluent-kafka and fastavro rebuild each table from its topic, with the types of Python', async () => {
  const tables = Object.keys(EXPECTED);
  const lines = await readByPython(tables.map((table) => `${source}.public.${table}`));
  for (const [table, { key, query }] of Object.entries(EXPECTED)) {
    const changes = lines.filter(({ topic }) => topic.endsWith(`.${table}`));
    expect(rebuildTable(changes), table).toEqual(tableByKey(await rowsOf<Record<string, unknown>>(databaseUrl, query), key));
  }
  expect(new Set(lines.filter(({ topic }) => topic.endsWith('.orders')).map(({ partition }) => partition)).size).toBe(4);
});

async function readByPython(topics: readonly string[]): Promise<Line[]> {
  const folder = await provide(`python-${PACKAGES.join('-').replaceAll('==', '-')}`, (temporary) =>
    runPip(temporary, PACKAGES, { title: 'confluent-kafka and fastavro', size: '8 MB', onProgress: (line) => process.stderr.write(`${line}\n`) }),
  );
  const script = join(import.meta.dirname, 'read_topics.py');
  const { stdout } = await promisify(execFile)(join(folder, 'bin', 'python'), [script, KAFKA_BROKERS, SCHEMA_REGISTRY_URL, ...topics], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}
