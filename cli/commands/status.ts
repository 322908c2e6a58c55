import { Command } from 'commander';
import type { StatusOptions } from '../look/status.ts';
import { exitWith } from '../terminal.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('how far sources and sinks are: running processes by their HTTP address, or the group of a sink by its name')
    .argument('[address...]', 'addresses of running processes, for instance 127.0.0.1:8080; HTTP_HOST and HTTP_PORT if not given')
    .option('--sink <name>', 'what the group of this sink still has to read, asked of the broker')
    .option('--json', 'as JSON')
    .action(async (addresses: string[], options: StatusOptions) =>
      exitWith(async () => {
        const { showStatus } = await import('../look/status.ts');
        return showStatus(addresses, options);
      }),
    );
}
