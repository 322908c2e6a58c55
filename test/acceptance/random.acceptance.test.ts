import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { installedVersions, OwnPostgres } from '../contract/own-postgres.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { randomNumbers } from '../contract/random-history.ts';
import { BINARY_KINDS, type Random, SMALL_KINDS } from '../random/column-kinds.ts';
import { RandomLoad } from '../random/random-load.ts';
import { buildTexts, type RandomTable } from '../random/random-tables.ts';
import { ConnectorProcess } from './connector-process.ts';
import { sourceCaughtUp } from './source-caught-up.ts';
import { TopicAuditor } from './topic-audit.ts';
import { readTopics } from './topic-reader.ts';
import { showValue, TopicReplay } from './topic-replay.ts';

const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
/** Of writing, for each server; more by hand: CONTRIBUTING.md. */
const SECONDS = Number(process.env['DBMAZZ_SECONDS'] ?? 12);
/** A round has a database, a source and topics of its own. */
const ROUND_SECONDS = 30;
const SEED = Number(process.env['DBMAZZ_SEED'] ?? Date.now() % 1_000_000_000);
/** The log is read in binary form; so until a column is added that has none; as text from the start. */
const KINDS = [
  { atFirst: BINARY_KINDS, added: BINARY_KINDS },
  { atFirst: BINARY_KINDS, added: SMALL_KINDS },
  { atFirst: SMALL_KINDS, added: SMALL_KINDS },
] as const;
const KILLS_IN_SNAPSHOT = 2;
const CATCH_UP_MS = 240_000;

/** Kills the source and starts it again at once: most often after it has published something, at times while it still starts. */
async function killAtRandom(source: ConnectorProcess, random: Random): Promise<void> {
  if (random(4) > 0) await source.until(({ records }) => Number(records) > 0, 'something published', CATCH_UP_MS);
  await delay(random(2000));
  await source.kill();
  await source.start();
}

async function round(server: string | undefined, seed: number, seconds: number): Promise<void> {
  const random = randomNumbers(seed);
  await using bench = await PostgresBench.open(server);
  const kinds = KINDS[random(KINDS.length)];
  const load = await RandomLoad.create(bench, random, kinds?.atFirst, kinds?.added);
  const settings = { SOURCE_TYPE: 'postgres', SOURCE_NAME: bench.name, SOURCE_URL: bench.url, TABLES: 'public.*', SNAPSHOT_CHUNK_SIZE: '37' };
  await using source = await new ConnectorProcess('source', settings).start();
  const written = load.run(
    [1, 2].map((writer) => randomNumbers(seed * 31 + writer)),
    randomNumbers(seed * 31),
  );
  let kills = 0;
  const kill = async () => killAtRandom(source, random).then(() => kills++);
  const killed = (async () => {
    while (kills < KILLS_IN_SNAPSHOT) await kill();
    await sourceCaughtUp(source, bench.url, CATCH_UP_MS);
    for (const end = performance.now() + seconds * 1000; performance.now() < end || kills < KILLS_IN_SNAPSHOT + 3;) await kill();
  })().finally(() => load.stop());
  await Promise.all([written, killed]);
  await sourceCaughtUp(source, bench.url, CATCH_UP_MS);
  process.stderr.write(
    `random, seed ${seed}: ${load.expected.size} transactions, ${load.rolledBack} rolled back, ${load.schemaChanges} schema changes, ${kills} kills\n`,
  );
  expect(source.errors).toEqual([]);
  await expectExact(bench, load);
  expectUseful(load);
  expect(await source.stop()).toBe(0);
  await deleteTopics(bench.name);
}

/** A load that did nothing would prove nothing. */
function expectUseful(load: RandomLoad): void {
  expect(load.expected.size).toBeGreaterThan(load.rolledBack);
  expect(load.schemaChanges).toBeGreaterThan(2);
}

async function expectExact(bench: PostgresBench, load: RandomLoad): Promise<void> {
  const [auditor, replay] = [new TopicAuditor(bench.name), new TopicReplay()];
  await readTopics({ brokers: KAFKA_BROKERS, registryUrl: SCHEMA_REGISTRY_URL, source: bench.name }, (topic, partition, value) => {
    auditor.add(topic, partition, value);
    replay.add(topic, value);
  });
  expect(auditor.finish().faults.slice(0, 20)).toEqual([]);
  expect(differentCounts(load, auditor)).toEqual([]);
  for (const table of load.tables) await expectSameRows(bench, table, replay);
}

/** Transactions whose records on the topics are not those that they must give. */
function differentCounts({ expected }: RandomLoad, auditor: TopicAuditor): string[] {
  const told = new Map([...auditor.told].map(([id, tables]) => [id.slice(0, id.indexOf(':')), tables]));
  return [...expected].flatMap(([xid, tables]) =>
    [...tables].flatMap(([table, records]) => {
      const found = told.get(xid)?.get(table) ?? 0;
      // What the pass over a table without a key has seen does not come again as a change.
      const isFine = found === records || (table === 'public.keyless' && found < records);
      return isFine ? [] : [`transaction ${xid}: ${found} records of ${table} instead of ${records}`];
    }),
  );
}

async function expectSameRows(bench: PostgresBench, table: RandomTable, replay: TopicReplay): Promise<void> {
  const source = (await bench.query<{ texts: (string | null)[] }>(buildTexts(table))).map(({ texts }) => JSON.stringify(texts));
  const target = replay.rows(`public.${table.name}`, table.isKeyless ? [] : table.key.columns).map((row) => {
    const key = table.key.columns.map((name) => (table.name === 'toasted' ? decimalKey(row[name]) : showValue(row[name])));
    const values = table.columns.map(({ name, kind }) =>
      row[name] == null ? null : typeof row[name] === 'symbol' ? showValue(row[name]) : kind.show(row[name]),
    );
    return JSON.stringify([...key, ...values]);
  });
  const [missing, tooMany] = [lacking(source, target), lacking(target, source)];
  expect({ table: table.name, missing: missing.slice(0, 5), tooMany: tooMany.slice(0, 5) }).toEqual({ table: table.name, missing: [], tooMany: [] });
}

/** What is in the first more often than in the second. */
function lacking(these: readonly string[], those: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const text of those) left.set(text, (left.get(text) ?? 0) + 1);
  return these.filter((text) => {
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    return count <= 0;
  });
}

function decimalKey(value: unknown): string {
  const bytes = value as Buffer;
  const text = String(BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))).padStart(4, '0');
  return `${text.slice(0, -3)}.${text.slice(-3)}`;
}

async function rounds(server: string | undefined, seed: number): Promise<void> {
  for (let done = 0, index = 0; done < SECONDS; done += ROUND_SECONDS, index++) await round(server, seed + index, Math.min(ROUND_SECONDS, SECONDS - done));
}

const TIMEOUT_MS = SECONDS * 10_000 + 400_000;

describe(`random changes of tables of all shapes, with a source that is killed meanwhile (DBMAZZ_SEED=${SEED})`, () => {
  test('are in the topics once each, and replayed give the tables', { timeout: TIMEOUT_MS }, async () => rounds(undefined, SEED));

  const installed = installedVersions();
  test.skipIf(installed.length > 0)('older versions of PostgreSQL: none is installed in /usr/lib/postgresql', () => undefined);

  test.each(installed)('also on PostgreSQL %i', { timeout: TIMEOUT_MS }, async (_, binaries) => {
    await using server = await OwnPostgres.start({ binaries });
    await rounds(server.url, SEED);
  });
});
