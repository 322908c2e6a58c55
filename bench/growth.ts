import type { Bench, BenchContext } from './bench.ts';
import { Connector } from './connector.ts';
import { BenchDatabase } from './database.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { plainText, thousands, type ResultTable } from './table.ts';

/** Changes for each number of tables: the same work, spread ever more thinly. */
const CHANGES = 1_000_000;
/** Before them: the broker takes its time over the first records of a partition, once. Told by itself. */
const FIRST_CHANGES = 200_000;
const CHANGES_A_TRANSACTION = 100;
const TABLES = [10, 100, 1000, 5000];
const MILLION = 1_000_000;
const ROWS = [MILLION, 4 * MILLION];
/** A broker on a developer's machine holds 5,000 topics of one partition each; throughput is of one source either way. */
const TOPIC_PARTITIONS = '1';

export interface GrowthResult {
  readonly what: 'tables' | 'rows';
  readonly tables: number;
  readonly changes: number;
  /** From the start of the process until it streams. */
  readonly startSeconds: number;
  /** The first changes, which open every table's topic. */
  readonly firstChanges: number;
  readonly firstSeconds: number;
  /** From there to the last change. */
  readonly seconds: number;
  readonly changesPerSecond: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

export const growthBench: Bench = {
  name: 'growth',
  about: 'from 10 to 5,000 tables, or up to --tables; from 1 to 4 million rows of one table, or up to --rows',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    const { tables, rows } = context.options;
    // Who asks for one of them alone does not wait for the other, and keeps what was found of it.
    if (tables !== undefined || rows === undefined) await measureSteps(context, 'tables', upTo(TABLES, tables), measureTables);
    if (rows !== undefined || tables === undefined) await measureSteps(context, 'rows', upTo(ROWS, rows), measureRows);
  },
};

type Measure = (context: BenchContext, size: number) => Promise<GrowthResult>;

async function measureSteps(context: BenchContext, what: GrowthResult['what'], steps: readonly number[], measureOne: Measure): Promise<void> {
  const results: GrowthResult[] = [];
  for (const step of steps) results.push(await measureOne(context, step));
  context.print(plainText(growthTable(results)));
  context.keep(`growth-${what}`, results);
}

/** The steps below a limit, and the limit itself. */
function upTo(steps: readonly number[], limit: number | undefined): readonly number[] {
  return limit === undefined ? steps : [...steps.filter((step) => step < limit), limit];
}

export function growthTable(results: readonly GrowthResult[]): ResultTable {
  return {
    head: ['', 'starts in s', 'first changes in s', 'changes/s', 'CPU s', 'peak MB'],
    rows: results.map(({ what, tables, changes, startSeconds, firstChanges, firstSeconds, changesPerSecond, cpuSeconds, peakBytes }) => [
      what === 'tables' ? `${thousands(tables)} tables, ${thousands(changes)} changes over all of them` : `one table, ${thousands(changes)} rows`,
      startSeconds.toFixed(1),
      firstChanges === 0 ? '' : `${firstSeconds.toFixed(1)} (${thousands(firstChanges)})`,
      thousands(changesPerSecond),
      cpuSeconds.toFixed(1),
      (peakBytes / 1e6).toFixed(0),
    ]),
  };
}

async function measureTables(context: BenchContext, tables: number): Promise<GrowthResult> {
  const database = new BenchDatabase(context.urls.postgresUrl, `tables_${tables}`);
  context.say(`growth: ${thousands(tables)} tables …`);
  const create = `CREATE TABLE t%s (id bigint PRIMARY KEY, customer_id int, status text, amount numeric(12,2), created_at timestamptz)`;
  await database.create({
    // A transaction for every hundred tables: one for all would hold more locks than a server has room for.
    schema: `DO $$ BEGIN FOR i IN 0..${tables - 1} LOOP EXECUTE format('${create}', i); IF i % 100 = 99 THEN COMMIT; END IF; END LOOP; END $$`,
    load: `DO $$ BEGIN FOR i IN 0..${FIRST_CHANGES + CHANGES - 1} LOOP
      EXECUTE format('INSERT INTO t%s VALUES (%s, %s, ''new'', 12.5, now())', i % ${tables}, i, i % 1000);
      IF i % ${CHANGES_A_TRANSACTION} = ${CHANGES_A_TRANSACTION - 1} THEN COMMIT; END IF; END LOOP; END $$`,
  });
  return measure(context, { what: 'tables', tables, firstChanges: FIRST_CHANGES, changes: CHANGES, database, names: 'public.*' });
}

async function measureRows(context: BenchContext, rows: number): Promise<GrowthResult> {
  const database = new BenchDatabase(context.urls.postgresUrl, `rows_${rows}`);
  context.say(`growth: ${thousands(rows)} rows …`);
  await database.create({
    schema: 'CREATE TABLE t (id bigint PRIMARY KEY, customer_id int, status text, note text, amount numeric(12,2), created_at timestamptz)',
    load: `DO $$ BEGIN FOR i IN 0..${rows / 1000 - 1} LOOP
      INSERT INTO t SELECT i * 1000 + g, g, 'new', 'some note text for row ' || g, g * 0.25, now() FROM generate_series(0, 999) g; COMMIT; END LOOP; END $$`,
  });
  return measure(context, { what: 'rows', tables: 1, firstChanges: 0, changes: rows, database, names: 'public.t' });
}

interface GrowthRun extends Pick<GrowthResult, 'what' | 'tables' | 'firstChanges' | 'changes'> {
  readonly database: BenchDatabase;
  readonly names: string;
}

async function measure({ urls }: BenchContext, { what, tables, firstChanges, changes, database, names }: GrowthRun): Promise<GrowthResult> {
  const slot = await database.newSlot();
  try {
    const settings = sourceEnvironment({ ...database.input(slot, urls), tables: [names], runName: `bench-growth-${process.pid}-${what}-${tables}-${changes}` });
    await using source = await Connector.start({ program: 'source', settings: { ...settings, TOPIC_PARTITIONS } });
    await source.untilReady();
    const readyAt = performance.now();
    // Several at once become durable, so it may have come further.
    const atFirst = (await source.until((status) => (status.changes ?? 0) >= firstChanges)).changes ?? 0;
    const begunAt = performance.now();
    await source.until((status) => (status.changes ?? 0) >= firstChanges + changes);
    const seconds = (performance.now() - begunAt) / 1000;
    const { cpuSeconds, peakBytes } = source.usage();
    const startSeconds = (readyAt - source.startedAt) / 1000;
    const changesPerSecond = Math.round((firstChanges + changes - atFirst) / seconds);
    return {
      what,
      tables,
      changes,
      startSeconds,
      firstChanges: atFirst,
      firstSeconds: (begunAt - readyAt) / 1000,
      seconds,
      changesPerSecond,
      cpuSeconds,
      peakBytes,
    };
  } finally {
    await database.dropSlot(slot);
    await database.drop();
  }
}
