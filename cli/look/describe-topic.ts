import { EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { describeTopic, type TopicDescription } from '../../topics/topic-description.ts';
import { formatCount, plainTable, print } from '../terminal.ts';
import { readLogSettings } from './log-settings.ts';

/** Prints what broker and registry say of a topic; gives the exit code. */
export async function showTopic(topic: string, { json }: { readonly json?: boolean }): Promise<number> {
  const description = await describeTopic(readLogSettings(), topic, silentLogger());
  print(json === true ? JSON.stringify(description, null, 2) : buildDescription(description));
  return EXIT.stopped;
}

export function buildDescription({ topic, kind, partitions, config, schemas }: TopicDescription): string {
  const places = partitions.map(({ partition, first, next, leader, replicas, inSync }) => [
    partition,
    formatCount(first),
    formatCount(next),
    leader,
    replicas.join(','),
    inSync.join(','),
  ]);
  const versions = Object.entries(schemas).flatMap(([subject, found]) => found.map(({ version, id }) => [subject, version, id]));
  return [
    `${topic} (${kind})`,
    plainTable(['partition', 'first', 'next', 'leader', 'replicas', 'in sync'], places, [0, 1, 2, 3]),
    plainTable(['setting', 'value'], Object.entries(config)),
    versions.length === 0 ? 'The registry has no schema of it.' : plainTable(['subject', 'version', 'id'], versions, [1, 2]),
  ].join('\n\n');
}
