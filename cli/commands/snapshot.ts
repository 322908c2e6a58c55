import { Command } from 'commander';
import type { SnapshotOptions } from '../ask/snapshot.ts';
import { exitWith } from '../terminal.ts';

export function snapshotCommand(): Command {
  return new Command('snapshot')
    .description('ask a source to read tables again, beside the stream, or to hold, resume or stop reading; through its signals topic, so it may run anywhere')
    .option('--source <name>', 'name of the source; SOURCE_NAME if not given')
    .option('--tables <tables>', 'tables to read, as in TABLES')
    .option('--where <condition>', "only rows that meet this condition, in the database's own language")
    .option('--pause', 'take no further chunk until --resume; the stream goes on')
    .option('--resume', 'go on')
    .option('--stop', 'end what was asked for; the first snapshot of a table goes on')
    .option('--wait', 'wait until it is done, and not only until it is taken')
    .action(async (options: SnapshotOptions) =>
      exitWith(async () => {
        const { askForSnapshot } = await import('../ask/snapshot.ts');
        return askForSnapshot(options);
      }),
    );
}
