import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { GroupAdmin, groupIsAlive } from '../../topics/kafka/group-admin.ts';
import type { PartitionOffset } from '../../topics/kafka/group-offsets.ts';
import { readLogSettings } from '../look/log-settings.ts';
import { formatCount, plainTable, print } from '../terminal.ts';
import { isTopicOf, parseReplayFrom, type ReplayFrom } from './replay-from.ts';

export interface ReplayOptions {
  readonly sink?: string;
  readonly from: string;
  readonly tables?: string;
}

/** Sets the offsets of a sink that is stopped, and prints what it did; gives the exit code. */
export async function replay({ sink = process.env['SINK_NAME'] ?? '', from, tables }: ReplayOptions): Promise<number> {
  if (sink === '') throw new CdcError('CONFIG_INVALID', 'Which sink? Give --sink <name>, or set SINK_NAME.');
  const start = parseReplayFrom(from);
  const groupId = `dbmazz.${sink}`;
  const admin = new GroupAdmin(kafkaConfig(readLogSettings(), 'dbmazz-cli', silentLogger()));
  try {
    await admin.connect();
    const members = await admin.members(groupId);
    if (members > 0) throw groupIsAlive(groupId);
    const committed = await readCommitted(admin, groupId, tables);
    const offsets = await placesOf(admin, committed, start);
    await admin.setOffsets(groupId, offsets);
    printPlaces(committed, offsets);
    print(`\nSet. The sink ${sink} begins there when it is started; rows that it already has in a newer version stay as they are.`);
    return EXIT.stopped;
  } finally {
    await admin.close();
  }
}

async function readCommitted(admin: GroupAdmin, groupId: string, tables: string | undefined): Promise<readonly PartitionOffset[]> {
  const committed = await admin.committed(groupId);
  if (committed.length === 0)
    throw new CdcError('TABLE_NOT_FOUND', `The broker knows no offsets of group ${groupId}.`, {
      remedy: 'Check the name; a sink that was never started has no offsets, and begins at the beginning anyway.',
    });
  if (tables === undefined) return committed;
  const wanted = tables.split(',').map((table) => table.trim());
  const missing = wanted.filter((table) => !committed.some(({ topic }) => isTopicOf(topic, table)));
  if (missing.length > 0) throw new CdcError('TABLE_NOT_FOUND', `The sink reads no topic of ${missing.join(', ')}.`, { remedy: 'Check --tables.' });
  return committed.filter(({ topic }) => wanted.some((table) => isTopicOf(topic, table)));
}

async function placesOf(admin: GroupAdmin, committed: readonly PartitionOffset[], from: ReplayFrom): Promise<readonly PartitionOffset[]> {
  if (from.kind === 'offset') return [await onePlace(admin, committed, from)];
  const topics = [...new Set(committed.map(({ topic }) => topic))];
  const places = await Promise.all(
    topics.map(async (topic) => {
      if (from.kind === 'time') return admin.offsetsAt(topic, from.ms);
      return (await admin.bounds(topic)).map(({ partition, low }): PartitionOffset => ({ topic, partition, offset: low }));
    }),
  );
  return places.flat();
}

async function onePlace(admin: GroupAdmin, committed: readonly PartitionOffset[], { topic, partition, offset }: PartitionOffset): Promise<PartitionOffset> {
  if (!committed.some((each) => each.topic === topic && each.partition === partition))
    throw new CdcError('TABLE_NOT_FOUND', `The sink does not read partition ${partition} of ${topic}.`, { remedy: 'Check --from.' });
  const bounds = (await admin.bounds(topic)).find((each) => each.partition === partition);
  if (bounds === undefined || offset < bounds.low || offset > bounds.high)
    throw new CdcError('CONFIG_INVALID', `Partition ${partition} of ${topic} goes from ${bounds?.low} to ${bounds?.high}: there is no offset ${offset}.`, {
      remedy: 'Check --from.',
    });
  return { topic, partition, offset };
}

function printPlaces(committed: readonly PartitionOffset[], offsets: readonly PartitionOffset[]): void {
  const before = new Map(committed.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]));
  const rows = offsets.map(({ topic, partition, offset }) => {
    const was = before.get(`${topic}/${partition}`);
    return [topic, partition, was === undefined ? '' : formatCount(Number(was)), formatCount(Number(offset))];
  });
  print(plainTable(['topic', 'partition', 'was at', 'begins at'], rows, [1, 2, 3]));
}
