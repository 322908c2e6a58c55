import { Command } from 'commander';
import { exitWith } from '../terminal.ts';

export function resumeCommand(): Command {
  return new Command('resume')
    .description('let a table of a sink go on that has stopped, from where it is written up to')
    .argument('[address...]', 'addresses of all processes of the sink, for instance 127.0.0.1:8080; HTTP_HOST and HTTP_PORT if not given')
    .requiredOption('--table <name>', 'as schema.table, or the name of its topic')
    .action(async (addresses: string[], { table }: { table: string }) =>
      exitWith(async () => {
        const { tellTable } = await import('../look/tell-table.ts');
        return tellTable('resume', addresses, table);
      }),
    );
}
