import { EXIT } from '../../shared/errors/codes.ts';
import { print } from '../terminal.ts';
import { describeTable, describeVerdict } from './describe-report.ts';
import { readVerifySettings } from './settings.ts';
import { verify } from './verify.ts';

/** Compares what the environment names, prints what is found, and gives the exit code. */
export async function verifyOnce(): Promise<number> {
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
