import { COMMON_OPTIONS } from '../../shared/config/common-options.ts';
import { readOptions } from '../../shared/config/options.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { type Delivery, Subscriber } from '../../topics/subscriber.ts';
import { usageOf } from '../measure.ts';

/**
 * Reads topics from their beginning and drops the records: `records` leaves rows as bytes, `values` decodes every cell.
 * Prints the time from the first record to the last.
 */
const [mode = '', topics = '', expected = '0'] = process.argv.slice(2);
const { settings } = readOptions(COMMON_OPTIONS, process.env);
let startedAt = 0;
let cpuAtStart = 0;
let count = 0;

const subscriber = new Subscriber({
  settings,
  groupId: `bench-${process.pid}`,
  patterns: [topics],
  log: silentLogger(),
  signal: new AbortController().signal,
  handlers: { deliver, refuse: (_topic, error) => fail(error), reassigned: () => undefined },
});
await subscriber.run();

function deliver({ records }: Delivery): undefined {
  if (startedAt === 0) {
    startedAt = performance.now();
    cpuAtStart = usageOf(process.pid).cpuSeconds;
  }
  if (mode === 'values') for (const record of records) if (record.kind !== 'truncate') (record.after ?? record.before)?.values();
  count += records.length;
  if (count >= Number(expected)) report();
}

function report(): void {
  const { cpuSeconds, peakBytes } = usageOf(process.pid);
  process.stdout.write(JSON.stringify({ seconds: (performance.now() - startedAt) / 1000, cpuSeconds: cpuSeconds - cpuAtStart, peakBytes }));
  process.exit(0);
}

function fail(error: Error): never {
  throw error;
}
