import { Command } from 'commander';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { exitWith } from '../terminal.ts';

const DESCRIPTION = `let a sink read its topics again, from a place of your choice

--from takes "beginning", a time (2026-11-24T06:00:00Z, or milliseconds since 1970) or one place (<topic>:<partition>:<offset>).

Without --into it sets the offsets of the sink, which must be stopped. Rows that the target has in a newer version stay as
they are, so a replay brings back what is missing and changes nothing else.

With --into <suffix> it builds side tables (orders<suffix>) while the sink goes on, until they have all that is in the topics,
and compares them with the live ones. Takes the settings of the sink. With --swap, the sink stopped, it brings them up to
date, compares them, and puts them in the place of the live tables, which are kept as orders_before.`;

interface ReplayArguments {
  readonly sink?: string;
  readonly from?: string;
  readonly tables?: string;
  readonly into?: string;
  readonly swap?: boolean;
  readonly acceptDifferences?: boolean;
}

export function replayCommand(): Command {
  return new Command('replay')
    .summary('let a sink read its topics again, from a place of your choice')
    .description(DESCRIPTION)
    .option('--sink <name>', 'SINK_NAME of the sink; the variable of that name if not given')
    .option('--from <place>', 'beginning, a time, or <topic>:<partition>:<offset>')
    .option('--tables <names>', 'only these, as schema.table, comma-separated')
    .option('--into <suffix>', 'build side tables, with this behind their names')
    .option('--swap', 'with --into: put the side tables in the place of the live ones')
    .option('--accept-differences', 'with --swap: also where they differ from the live ones')
    .action(async (options: ReplayArguments) => exitWith(async () => run(options)));
}

async function run({ into, from, swap, ...rest }: ReplayArguments): Promise<number> {
  if (into !== undefined) {
    const { replayInto } = await import('../replay/replay-into.ts');
    return replayInto({ into, ...(from === undefined ? {} : { from }), ...(swap === undefined ? {} : { swap }), ...rest });
  }
  if (from === undefined) throw new CdcError('CONFIG_INVALID', 'From where? Give --from beginning, a time, or <topic>:<partition>:<offset>.');
  if (swap === true) throw new CdcError('CONFIG_INVALID', '--swap is for side tables: give --into <suffix> with it.');
  const { replay } = await import('../replay/replay.ts');
  return replay({ from, ...rest });
}
