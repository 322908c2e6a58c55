import { Command } from 'commander';
import { EXIT } from '../../shared/errors/codes.ts';
import { exitWith, print } from '../terminal.ts';
import { describeTable, describeVerdict } from '../verify/describe-report.ts';
import { readVerifySettings } from '../verify/settings.ts';
import { verify } from '../verify/verify.ts';

const DESCRIPTION = `compare the tables of a source with what a sink has made of them, row by row

Takes SOURCE_URL, TABLES and EXCLUDE_COLUMNS of the source, and SINK_TYPE, SINK_URL and the other addresses of the sink.
Stop the writers and let the sink catch up first: what is on its way shows as a difference. Exit code 1 if there are any.`;

export function verifyCommand(): Command {
  return new Command('verify')
    .summary('compare the tables of a source with what a sink has made of them')
    .description(DESCRIPTION)
    .action(async () => exitWith(verifyOnce));
}

async function verifyOnce(): Promise<number> {
  const { source, openTarget } = readVerifySettings(process.env);
  const target = await openTarget();
  try {
    const report = await verify({ source, target, onTable: (table) => print(describeTable(table)) });
    print(describeVerdict(report));
    return report.differences === 0 ? EXIT.stopped : EXIT.failed;
  } finally {
    await target.close();
  }
}
