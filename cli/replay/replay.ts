import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { GroupAdmin, groupIsAlive } from '../../topics/kafka/group-admin.ts';
import type { PartitionOffset } from '../../topics/kafka/group-offsets.ts';
import { readLogSettings } from '../look/log-settings.ts';
import { formatCount, plainTable, print } from '../terminal.ts';
import { parseReplayFrom } from './replay-from.ts';
import { committedOf, placesOf } from './replay-places.ts';

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
    const committed = await committedOf(admin, groupId, tables);
    const offsets = await placesOf(admin, committed, start);
    await admin.setOffsets(groupId, offsets);
    printPlaces(committed, offsets);
    print(`\nSet. The sink ${sink} begins there when it is started; rows that it already has in a newer version stay as they are.`);
    return EXIT.stopped;
  } finally {
    await admin.close();
  }
}

function printPlaces(committed: readonly PartitionOffset[], offsets: readonly PartitionOffset[]): void {
  const before = new Map(committed.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]));
  const rows = offsets.map(({ topic, partition, offset }) => {
    const was = before.get(`${topic}/${partition}`);
    return [topic, partition, was === undefined ? '' : formatCount(Number(was)), formatCount(Number(offset))];
  });
  print(plainTable(['topic', 'partition', 'was at', 'begins at'], rows, [1, 2, 3]));
}
