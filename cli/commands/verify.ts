import { Command } from 'commander';
import type { VerifyChoices } from '../verify/verify-once.ts';
import { exitWith } from '../terminal.ts';

const DESCRIPTION = `compare the tables of a source with what a sink has made of them, row by row

Takes SOURCE_URL, TABLES and EXCLUDE_COLUMNS of the source, and SINK_TYPE, SINK_URL and the other addresses of the sink.
Stop the writers and let the sink catch up first: what is on its way shows as a difference. Exit code 1 if there are any.

With --repair the source, which has to run, publishes anew what differs: rows of the ranges of keys in which some are
missing or differ, and deletes of keys that the target alone has. Once the sink has written that, these tables are
compared again. Takes SOURCE_NAME, SINK_NAME and the settings of broker and registry as well.`;

export function verifyCommand(): Command {
  return new Command('verify')
    .summary('compare the tables of a source with what a sink has made of them')
    .description(DESCRIPTION)
    .option('--repair', 'have the source publish anew what differs, wait for the sink, and compare again')
    .action(async (choices: VerifyChoices) =>
      exitWith(async () => {
        const { verifyOnce } = await import('../verify/verify-once.ts');
        return verifyOnce(choices);
      }),
    );
}
