import type { BenchContext } from './bench.ts';
import { BenchDatabase } from './database.ts';
import { sourceStage } from './stages/source-process.ts';
import type { Workload } from './workloads.ts';

/** Makes the workload and publishes it once, for those who read it. Gives the topic that it is in. */
export async function publishBacklog({ urls, say }: Pick<BenchContext, 'urls' | 'say'>, workload: Workload): Promise<string> {
  const database = new BenchDatabase(urls.postgresUrl, workload.name);
  say('making and publishing the backlog …');
  await database.create(workload);
  const runName = `bench-published-${process.pid}`;
  const slot = await database.newSlot();
  try {
    await sourceStage.run({ ...workload, ...database.input(slot, urls), endOfLog: '', runName });
  } finally {
    await database.dropSlot(slot);
    await database.drop();
  }
  return `${runName}.${workload.tables[0] ?? ''}`;
}
