import { EXIT } from '../../shared/errors/codes.ts';
import { print, progress } from '../terminal.ts';
import { describeTable, describeVerdict } from './describe-report.ts';
import { readRepairSettings, repair } from './repair.ts';
import { readVerifySettings } from './settings.ts';
import { TableRepair } from './table-repair.ts';
import { reportOf, verify, type VerifyOptions, type VerifyReport } from './verify.ts';

export interface VerifyChoices {
  /** Has the source publish anew what differs, and compares once more. */
  readonly repair?: boolean;
}

/** Compares what the environment names, prints what is found, and gives the exit code. */
export async function verifyOnce({ repair: isRepairing = false }: VerifyChoices = {}): Promise<number> {
  const { source, openTarget } = readVerifySettings(process.env);
  const repairSettings = isRepairing ? readRepairSettings(process.env) : undefined;
  const target = await openTarget();
  try {
    const options: VerifyOptions = { source, target, onTable: (table) => print(describeTable(table)) };
    const repairs = new Map<string, TableRepair>();
    const differencesOf: VerifyOptions['differencesOf'] = (table) => {
      const found = new TableRepair(table);
      repairs.set(table.qualifiedName, found);
      return (kind, row, place) => found.add(kind, row, place);
    };
    let report = await verify(isRepairing ? { ...options, differencesOf } : options);
    if (repairSettings !== undefined && report.differences > 0) {
      const asked = await repair(report, repairs, repairSettings);
      if (asked.size > 0) {
        progress('What was published anew is written. Comparing these tables once more.');
        report = merged(report, await verify({ ...options, only: asked }));
      }
    }
    print(describeVerdict(report));
    return report.differences === 0 ? EXIT.stopped : EXIT.failed;
  } finally {
    await target.close();
  }
}

/** The first report, with what the second one says of its tables. */
function merged(first: VerifyReport, second: VerifyReport): VerifyReport {
  const latest = new Map(second.tables.map((report) => [report.table, report]));
  return reportOf(
    first.target,
    first.tables.map((report) => latest.get(report.table) ?? report),
  );
}
