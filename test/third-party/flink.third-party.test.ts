import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { cacheFolder, provide } from '../../stack/cache.ts';
import { findJava, runMaven } from '../../stack/download.ts';
import { rowsOf, shopOfRun } from './shop.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const FLINK_VERSION = '2.0.0';
const FOLDER_NAME = `flink-${FLINK_VERSION}`;
const ARTIFACTS = [
  ...['flink-clients', 'flink-table-planner-loader', 'flink-table-runtime', 'flink-connector-base', 'flink-sql-avro-confluent-registry'].map(
    (name) => [name, FLINK_VERSION] as const,
  ),
  ['flink-sql-connector-kafka', '4.0.1-2.0'] as const,
];
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dbmazz.test</groupId>
  <artifactId>flink</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${ARTIFACTS.map(([name, version]) => `    <dependency><groupId>org.apache.flink</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`).join('\n')}
  </dependencies>
</project>
`;

test('Flink SQL keeps an aggregate right over inserts, updates, changed keys and deletes', async () => {
  const { databaseUrl, millisSource } = shopOfRun();
  const printed = await runOnFlink('OrdersPerCustomer.java', [KAFKA_BROKERS, SCHEMA_REGISTRY_URL, `${millisSource}.public.orders`]);
  const rows = await rowsOf<{ line: string }>(
    databaseUrl,
    `SELECT concat_ws('|', customer, count(*), coalesce(sum(total)::text, 'null'), to_char(max(placed), 'YYYY-MM-DD"T"HH24:MI:SS.MS')) AS line
     FROM orders GROUP BY customer ORDER BY customer`,
  );
  expect(linesOf(printed)).toEqual(rows.map(({ line }) => line));
});

/** Java leaves out a fraction of zero, and seconds of zero too. */
function linesOf(output: string): string[] {
  return [...output.matchAll(/^RESULT (.*)$/gm)].map(([, line = '']) =>
    line.replace(/T(\d\d:\d\d)(:\d\d)?(\.\d+)?$/, (_, minutes, seconds, fraction) => `T${minutes}${seconds ?? ':00'}${fraction ?? '.000'}`),
  );
}

/** Runs a program of one file on an embedded cluster; gives what it printed. */
async function runOnFlink(program: string, args: readonly string[]): Promise<string> {
  const java = await findJava({ maven: !existsSync(join(cacheFolder(), FOLDER_NAME)) });
  const home = await provide(FOLDER_NAME, async (folder) => {
    await writeFile(join(folder, 'pom.xml'), POM);
    const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'libs')}`];
    await runMaven(folder, copy, { title: `Flink ${FLINK_VERSION}`, size: '151 MB', onProgress: (line) => process.stderr.write(`${line}\n`) });
  });
  const temporary = await mkdtemp(join(tmpdir(), 'dbmazz-flink-'));
  const opened = ['java.util', 'java.lang'].flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`]);
  const flags = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `-Djava.io.tmpdir=${temporary}`, ...opened];
  try {
    const { stdout } = await promisify(execFile)(java.file, [...flags, '-cp', join(home, 'libs', '*'), join(import.meta.dirname, program), ...args], {
      cwd: temporary,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
