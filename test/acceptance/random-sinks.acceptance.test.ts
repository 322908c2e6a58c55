import { createClient } from '@clickhouse/client';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readVerifySettings } from '../../cli/verify/settings.ts';
import { type TableReport, verify } from '../../cli/verify/verify.ts';
import type { Failpoint } from '../../shared/process/failpoint.ts';
import { deleteTopics } from '../contract/kafka-topics.ts';
import { PostgresBench } from '../contract/postgres-source-bench.ts';
import { randomNumbers } from '../contract/random-history.ts';
import { type Random, TARGET_KINDS } from '../random/column-kinds.ts';
import { RandomLoad } from '../random/random-load.ts';
import { buildInsert } from '../random/random-tables.ts';
import { ConnectorProcess } from './connector-process.ts';
import { sourceCaughtUp } from './source-caught-up.ts';
import { groupsAtEnd } from './topic-audit.ts';

const { KAFKA_BROKERS = '', CLICKHOUSE_URL = '' } = process.env;
/** Of writing; more by hand: CONTRIBUTING.md. */
const SECONDS = Number(process.env['DBMAZZ_SECONDS'] ?? 20);
const ROUND_SECONDS = 60;
const SEED = Number(process.env['DBMAZZ_SEED'] ?? Date.now() % 1_000_000_000);
const LEAST_KILLS = 3;
const CATCH_UP_MS = 240_000;
const POLL_MS = 20;
/** A number that no other row has. */
const LAST_ROW = 1000;

const SOURCE_POINTS: readonly Failpoint[] = [
  'after-read',
  'after-flush',
  'after-produce-before-commit',
  'after-commit-before-confirm',
  'inside-chunk',
  'after-mark-before-publish',
];
const SINK_POINTS: readonly Failpoint[] = ['after-decode', 'after-load-before-offsets', 'after-offsets'];

/** A process that is killed again and again: from outside at any moment, or at one of its own steps. */
class Victim {
  kills = 0;
  atSteps = 0;
  readonly #process: ConnectorProcess;
  readonly #points: readonly Failpoint[];
  readonly #random: Random;

  constructor(process: ConnectorProcess, points: readonly Failpoint[], random: Random) {
    this.#process = process;
    this.#points = points;
    this.#random = random;
  }

  /** Until it is over, and it was killed some times; then it runs on. */
  async suffer(isOver: () => boolean): Promise<void> {
    while (!isOver() || this.kills < LEAST_KILLS) {
      // Most often only once it has done something since it started: at times while it still starts, joins or catches up.
      if (this.#random(4) > 0) await this.#hasWorked();
      for (const end = performance.now() + this.#random(2500); performance.now() < end && !this.#process.hasEnded;) await delay(POLL_MS);
      if (this.#process.hasEnded) {
        // At its step, and not by a fault of its own.
        expect(await this.#process.ended(), this.#process.log.slice(-4000)).toBe('SIGKILL');
        this.atSteps++;
      }
      await this.#process.kill();
      this.kills++;
      await this.#process.start({ DBMAZZ_FAILPOINT: this.#nextPoint() });
    }
    // The one that is left may be armed.
    await this.#process.kill();
    await this.#process.start();
  }

  async #hasWorked(): Promise<void> {
    for (const end = performance.now() + CATCH_UP_MS; performance.now() < end && !this.#process.hasEnded; await delay(POLL_MS)) {
      if (Number((await this.#process.status())?.['records'] ?? 0) > 0) return;
    }
  }

  #nextPoint(): string {
    const point = this.#points[this.#random(this.#points.length)] ?? '';
    return this.#random(4) === 0 ? '' : `${point}:${1 + this.#random(4)}`;
  }
}

async function round(seed: number, seconds: number): Promise<void> {
  const random = randomNumbers(seed);
  await using bench = await PostgresBench.open();
  await using copy = await PostgresBench.open();
  await using _leftOver = { [Symbol.asyncDispose]: async () => cleanUp(bench.name) };
  const load = await RandomLoad.create(bench, random, TARGET_KINDS);
  const targets = {
    postgres: { SINK_TYPE: 'postgres', SINK_URL: copy.url },
    clickhouse: { SINK_TYPE: 'clickhouse', SINK_URL: CLICKHOUSE_URL, SINK_DATABASE: bench.name },
  };
  const settings = { SOURCE_TYPE: 'postgres', SOURCE_NAME: bench.name, SOURCE_URL: bench.url, TABLES: 'public.*', SNAPSHOT_CHUNK_SIZE: '37' };
  const sinkOf = (target: keyof typeof targets) =>
    new ConnectorProcess('sink', { ...targets[target], SINK_NAME: `${bench.name}-${target}`, SINK_TOPICS: `${bench.name}.*`, FLUSH_INTERVAL_MS: '200' });
  await using source = await new ConnectorProcess('source', settings).start();
  await using one = await sinkOf('postgres').start();
  await using other = await sinkOf('postgres').start();
  await using clickhouse = await sinkOf('clickhouse').start();
  const sinks = [one, other, clickhouse];
  const written = load.run(
    [1, 2].map((writer) => randomNumbers(seed * 31 + writer)),
    randomNumbers(seed * 31),
  );
  const victims = [new Victim(source, SOURCE_POINTS, random), ...sinks.map((sink, index) => new Victim(sink, SINK_POINTS, randomNumbers(seed * 37 + index)))];
  const end = performance.now() + seconds * 1000;
  const killed = Promise.all(victims.map(async (victim) => victim.suffer(() => performance.now() > end))).finally(() => load.stop());
  await Promise.all([written, killed]);
  // A changed definition travels with the next row.
  for (const table of load.tables) await bench.query(buildInsert(table, [LAST_ROW], random));
  await sourceCaughtUp(source, bench.url, CATCH_UP_MS);
  const groups = Object.keys(targets).map((target) => `dbmazz.${bench.name}-${target}`);
  const caughtUp = new AbortController();
  await Promise.race([groupsAtEnd(KAFKA_BROKERS, bench.name, groups), untilError(sinks, caughtUp.signal)]);
  caughtUp.abort();
  process.stderr.write(
    `random sinks, seed ${seed}: ${load.expected.size} transactions, ${load.schemaChanges} schema changes, kills ${victims.map(({ kills, atSteps }) => `${kills} (${atSteps} at a step)`).join(', ')}\n`,
  );
  for (const process of [source, ...sinks]) expect(process.errors).toEqual([]);
  for (const target of Object.values(targets)) await expectEqual({ ...settings, ...target });
  expect(load.expected.size).toBeGreaterThan(load.rolledBack);
  expect(await Promise.all([source, ...sinks].map(async (process) => process.stop()))).toEqual([0, 0, 0, 0]);
}

/** Of a table that has stopped the end never comes. */
async function untilError(processes: readonly ConnectorProcess[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted && processes.every(({ errors }) => errors.length === 0)) await delay(250);
}

async function expectEqual(environment: Readonly<Record<string, string>>): Promise<void> {
  const { source, openTarget } = readVerifySettings(environment);
  const target = await openTarget();
  try {
    const { tables } = await verify({ source, target });
    const different = tables.filter((table) => table.differences > 0 || table.checksum !== table.targetChecksum);
    expect({ target: target.name, different: different.map(shortened) }).toEqual({ target: target.name, different: [] });
    expect(tables.length).toBeGreaterThan(9);
  } finally {
    await target.close();
  }
}

/** The key of a table without one is its whole row. */
function shortened({ table, rows, targetRows, differences, problem, examples }: TableReport): unknown {
  const named = examples.map(({ kind, key, columns }) => `${kind}: ${key.slice(0, 100)} ${columns.join(',')}`);
  return { table, rows, targetRows, differences, problem, examples: named };
}

async function cleanUp(name: string): Promise<void> {
  await deleteTopics(name);
  const client = createClient({ url: CLICKHOUSE_URL });
  await client.command({ query: `DROP DATABASE IF EXISTS ${name}` });
  await client.close();
}

test(`random changes arrive in both targets, whoever is killed meanwhile (DBMAZZ_SEED=${SEED})`, { timeout: SECONDS * 10_000 + 400_000 }, async () => {
  for (let done = 0, index = 0; done < SECONDS; done += ROUND_SECONDS, index++) await round(SEED + index, Math.min(ROUND_SECONDS, SECONDS - done));
});
