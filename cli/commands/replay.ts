import { Command } from 'commander';
import type { ReplayOptions } from '../replay/replay.ts';
import { exitWith } from '../terminal.ts';

const DESCRIPTION = `let a sink read its topics again, from a place of your choice; the sink must be stopped

--from takes "beginning", a time (2026-11-24T06:00:00Z, or milliseconds since 1970) or one place (<topic>:<partition>:<offset>).
Rows that the target has in a newer version stay as they are, so a replay brings back what is missing and changes nothing else.`;

export function replayCommand(): Command {
  return new Command('replay')
    .summary('let a sink read its topics again, from a place of your choice')
    .description(DESCRIPTION)
    .option('--sink <name>', 'SINK_NAME of the sink; the variable of that name if not given')
    .requiredOption('--from <place>', 'beginning, a time, or <topic>:<partition>:<offset>')
    .option('--tables <names>', 'only these, as schema.table, comma-separated')
    .action(async (options: ReplayOptions) =>
      exitWith(async () => {
        const { replay } = await import('../replay/replay.ts');
        return replay(options);
      }),
    );
}
