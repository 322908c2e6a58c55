import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { provide } from '../../stack/cache.ts';
import { runPip } from '../../stack/download.ts';
import { type ReadChange, rebuildTable, tableByKey } from './rebuilt-table.ts';
import { rowsOf, shopOfRun, TABLES } from './shop.ts';

const PACKAGES = ['confluent-kafka==2.16.1', 'fastavro==1.13.1'];
const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const { databaseUrl, source } = shopOfRun();

interface Line extends ReadChange {
  readonly topic: string;
  readonly partition: number;
}

test('confluent-kafka and fastavro rebuild each table from its topic, with the types of Python', async () => {
  const tables = Object.keys(TABLES);
  const lines = await readByPython(tables.map((table) => `${source}.public.${table}`));
  for (const [table, { key, query }] of Object.entries(TABLES)) {
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
