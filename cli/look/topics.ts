import type { CommonSettings } from '../../shared/config/common-options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { formatPosition } from '../../shared/record/position.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { LogReader } from '../../topics/kafka/log-reader.ts';
import { controlTopic, isControlTopic } from '../../topics/names.ts';
import { readPositions, type StoredPosition } from '../../topics/positions.ts';
import { readLogSettings, withLogOverview } from './log-settings.ts';
import { formatCount, plainTable, print } from '../terminal.ts';

/** Prints the topics of a source and its stored position; gives the exit code. */
export async function showTopics(source: string): Promise<number> {
  if (source === '') throw new CdcError('CONFIG_INVALID', 'Which source? Give its name, or set SOURCE_NAME.');
  const settings = readLogSettings();
  const sizes = await withLogOverview(settings, async (overview) => {
    const topics = (await overview.topics()).filter((topic) => topic.startsWith(`${source}.`)).toSorted();
    return Promise.all(topics.map((topic) => overview.sizeOf(topic)));
  });
  if (sizes.length === 0) throw new CdcError('TABLE_NOT_FOUND', `The broker has no topic of a source named ${source}.`);
  const rows = sizes.map(({ topic, partitions, offsets }) => [
    topic,
    isControlTopic(topic) ? 'control' : 'table',
    formatCount(partitions),
    formatCount(offsets),
  ]);
  print(plainTable(['topic', 'kind', 'partitions', 'offsets'], rows, [2, 3]));
  print(`\n${describePosition(source, await lastPosition(settings, source))}`);
  return EXIT.stopped;
}

async function lastPosition(settings: CommonSettings, source: string): Promise<StoredPosition | undefined> {
  const reader = new LogReader(kafkaConfig(settings, 'dbmazz-cli', silentLogger()));
  await reader.connect();
  try {
    return (await readPositions(reader, source)).committed;
  } finally {
    await reader.close();
  }
}

function describePosition(source: string, stored: StoredPosition | undefined): string {
  if (stored === undefined) return `${controlTopic(source, 'positions')} has no position yet.`;
  const when = new Date(stored.rowVersion / 1000).toISOString();
  const snapshot = Object.entries(stored.snapshot?.tables ?? {});
  const open = snapshot.filter(([, { state }]) => state !== 'done').map(([table]) => table);
  const position = stored.position === null ? 'has published no transaction yet' : `stands at ${formatPosition(stored.position)}`;
  return `${source} ${position}; last row_version ${stored.rowVersion} (${when}).${open.length === 0 ? '' : ` Snapshot under way: ${open.join(', ')}.`}`;
}
