import { Command } from 'commander';
import { exitWith } from '../terminal.ts';

const DESCRIPTION = `compare the tables of a source with what a sink has made of them, row by row

Takes SOURCE_URL, TABLES and EXCLUDE_COLUMNS of the source, and SINK_TYPE, SINK_URL and the other addresses of the sink.
Stop the writers and let the sink catch up first: what is on its way shows as a difference. Exit code 1 if there are any.`;

export function verifyCommand(): Command {
  return new Command('verify')
    .summary('compare the tables of a source with what a sink has made of them')
    .description(DESCRIPTION)
    .action(async () =>
      exitWith(async () => {
        const { verifyOnce } = await import('../verify/verify-once.ts');
        return verifyOnce();
      }),
    );
}
