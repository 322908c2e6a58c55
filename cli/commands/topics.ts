import { Command } from 'commander';
import { exitWith } from '../terminal.ts';

export function topicsCommand(): Command {
  return new Command('topics')
    .description('list the topics of a source, how much is in them, and where the source stands')
    .argument('[source]', 'SOURCE_NAME of the source; the variable of that name if not given')
    .action(async (source: string | undefined) =>
      exitWith(async () => {
        const { showTopics } = await import('../look/topics.ts');
        return showTopics(source ?? process.env['SOURCE_NAME'] ?? '');
      }),
    );
}
