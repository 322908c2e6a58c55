import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { GroupAdmin } from '../../topics/kafka/group-admin.ts';
import type { PartitionOffset } from '../../topics/kafka/group-offsets.ts';
import { isTopicOf, type ReplayFrom } from './replay-from.ts';

/** The topics of tables, as a group reads them. */
export async function topicsOf(admin: GroupAdmin, groupId: string, tables: string): Promise<readonly string[]> {
  return [...new Set((await committedOf(admin, groupId, tables)).map(({ topic }) => topic))];
}

/** What a group has committed, of the tables that are meant. */
export async function committedOf(admin: GroupAdmin, groupId: string, tables: string | undefined): Promise<readonly PartitionOffset[]> {
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

/** Where a replay of these partitions begins. */
export async function placesOf(admin: GroupAdmin, committed: readonly PartitionOffset[], from: ReplayFrom): Promise<readonly PartitionOffset[]> {
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
