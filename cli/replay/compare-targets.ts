import type { TableSchema } from '../../shared/record/table-schema.ts';
import { compareTables, type TableReport } from '../verify/verify.ts';
import type { VerifyTarget } from '../verify/verify-target.ts';

export interface SideComparison {
  /** Tables that the side has: of a topic that holds nothing, none was made. */
  readonly built: readonly TableSchema[];
  readonly differences: number;
}

/** Compares side tables with the live ones, row by row, in the columns that the topics have now. */
export async function compareTargets(
  targets: { readonly live: VerifyTarget; readonly side: VerifyTarget },
  tables: readonly TableSchema[],
  onTable: (report: TableReport) => void,
): Promise<SideComparison> {
  const built: TableSchema[] = [];
  let differences = 0;
  for (const table of tables) {
    const isBuilt = (await targets.side.columnsOf(table.ref)) !== undefined;
    if (isBuilt) built.push(table);
    else if ((await targets.live.columnsOf(table.ref)) === undefined) continue;
    const report = await compareTables(table, targets.live, targets.side);
    onTable(report);
    differences += report.differences;
  }
  return { built, differences };
}
