import { silentLogger } from '../shared/observe/log.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import type { Environment } from '../shared/config/options.ts';
import { Publisher, type PublisherOptions } from '../topics/publisher.ts';
import { liveSettings } from './live-topics.ts';
import { logFrom, TABLES } from './scripted-log.ts';

export type ScriptOptions = Partial<Pick<PublisherOptions, 'onCommitted' | 'createProducer'>> & { readonly environment?: Environment };

/** A publisher on the real broker and registry. */
export function createPublisher(name: string, { environment, ...options }: ScriptOptions = {}): Publisher {
  return new Publisher({
    settings: liveSettings(name, environment),
    connector: 'script',
    version: '0',
    log: silentLogger(),
    onCommitted: () => undefined,
    ...options,
  });
}

/**
 * Opens a publisher and feeds it what a source would send from there on, in batches of changing size. Resolves when all
 * of it is committed, or rejects with what ended publishing before.
 */
export async function publishScript(publisher: Publisher, log: readonly CdcRecord[]): Promise<void> {
  const { position } = await publisher.open();
  await publisher.addTables(TABLES);
  const records = logFrom(log, position);
  let size = 1;
  for (let start = 0; start < records.length; start += size) {
    size = ((start * 7 + size * 13) % 60) + 1;
    const batch = records.slice(start, start + size);
    await (publisher.publish({ records: batch, bytes: batch.length * 100 }) ?? Promise.resolve());
    await new Promise(setImmediate);
  }
  await publisher.drain();
}
