import { parseArgs } from 'node:util';
import { startStack } from '../stack/mod.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { consumeBench } from './consume.ts';
import { footprintBench } from './footprint.ts';
import { growthBench } from './growth.ts';
import { latencyBench } from './latency.ts';
import { backlogBench } from './log-stages.ts';
import { writePage } from './page.ts';
import { profileBench } from './profile.ts';
import { writeResult } from './results.ts';
import { sinksBench } from './sinks.ts';
import { snapshotBench } from './snapshot.ts';
import { WORKLOADS } from './workloads.ts';

/** Without a word of its own the first is run; `all` runs them in this order. */
const BENCHES: readonly Bench[] = [backlogBench, snapshotBench, consumeBench, sinksBench, latencyBench, footprintBench, growthBench, profileBench];

const WIDTH = 48;
const HELP = [
  ['', 'the backlog of a million changes: pg_recvlogical and one source process'],
  ['--workload wide,jsonb', `other workloads: ${WORKLOADS.map(({ name }) => name).join(', ')}`],
  ['--stages all', 'also log to nowhere, log to Avro, compressed'],
  ['--peers debezium', 'also Debezium on Kafka Connect, where a bench has it as a peer'],
  ['--runs 5', 'runs of each, in turn (3 by default)'],
  ['--peer-rows 1000000', 'fewer for a peer of the snapshot, which is compared by its rows a second'],
  ['--rows 100000, --tables 50, --seconds 5', 'more or fewer than a bench takes by itself'],
  ...BENCHES.slice(1).map(({ name, about }) => [name, about] as const),
  ['all --save', 'everything in turn, for a quiet machine, and the page'],
  ['page', 'bench/README.md from bench/results'],
  ['… --save', 'keep the results in bench/results'],
].map(([words, about]) => `${`npm run bench -- ${words}`.padEnd(WIDTH)}${about}`);

/** Words are taken with and without dashes before them: `sinks` and `--sinks`. */
const WORDS = [...BENCHES.map(({ name }) => name), 'all', 'page'];

async function main(): Promise<void> {
  const args = process.argv.slice(2).map((arg) => (arg.startsWith('--') && WORDS.includes(arg.slice(2)) ? arg.slice(2) : arg));
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      workload: { type: 'string', default: 'backlog' },
      stages: { type: 'string', default: 'main' },
      peers: { type: 'string', default: '' },
      runs: { type: 'string', default: '3' },
      rows: { type: 'string' },
      'peer-rows': { type: 'string' },
      seconds: { type: 'string' },
      tables: { type: 'string' },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.filter((word) => !WORDS.includes(word));
  if (values.help || unknown.length > 0) {
    process.stdout.write(`${[...unknown.map((word) => `There is no bench ${word}.`), ...HELP].join('\n')}\n`);
    process.exitCode = unknown.length > 0 ? 2 : 0;
    return;
  }
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  const sizes = { rows: number(values.rows), peerRows: number(values['peer-rows']), seconds: number(values.seconds), tables: number(values.tables) };
  const options = { ...values, ...sizes, peers: values.peers.split(','), runs: Number(values.runs) };
  if (positionals.includes('page')) return writePage();
  if (positionals.includes('all')) return runAll(options);
  const named = BENCHES.filter(({ name }) => positionals.includes(name));
  for (const bench of named.length === 0 ? [backlogBench] : named) await runBench(bench, options);
}

/** On a stack of its own, so that none works on what another left behind. */
async function runBench(bench: Bench, options: BenchOptions): Promise<void> {
  await using stack = await startStack({ services: bench.services, onProgress: say });
  const keep = (name: string, results: unknown): void => {
    if (!options.save) return;
    writeResult(name, results);
    say(`kept in bench/results/${name}.json`);
  };
  await bench.run({ urls: stack.urls, options, say, print: (text) => void process.stdout.write(`${text}\n`), keep });
}

/** Everything, for a quiet machine: some 25 minutes on two cores. One that fails does not keep the others from running. */
async function runAll(options: BenchOptions): Promise<void> {
  const startedAt = performance.now();
  for (const [bench, special] of planOf(options)) {
    try {
      await runBench(bench, { ...options, ...special });
    } catch (error) {
      process.exitCode = 1;
      say(`${bench.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    say(`${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes so far`);
  }
  if (options.save) writePage();
}

/** The main workload as often as asked for and with everything beside it, the others once or twice. */
function planOf({ runs, seconds, rows }: BenchOptions): readonly (readonly [Bench, Partial<BenchOptions>])[] {
  const others = WORKLOADS.map(({ name }) => name).filter((name) => name !== 'backlog');
  const peers = ['debezium'];
  return [
    [backlogBench, { stages: 'all', peers }],
    [backlogBench, { workload: others.join(','), runs: 1 }],
    [snapshotBench, { runs: 1, peers, rows: rows ?? 10_000_000 }],
    [consumeBench, {}],
    [sinksBench, { runs: Math.min(runs, 2) }],
    [latencyBench, { seconds: seconds ?? 10, peers }],
    [footprintBench, {}],
    [growthBench, {}],
    [profileBench, {}],
  ];
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

await main();
