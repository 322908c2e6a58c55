import type { ColumnDef, TableRef } from '../../shared/record/table-schema.ts';
import type { TargetLimits } from './canonical.ts';
import type { CanonicalRow } from './compare-rows.ts';

export interface RowsWanted {
  /** Columns of the source's table, in the order in which their cells are to come. */
  readonly columns: readonly ColumnDef[];
  readonly sortedBy: readonly string[];
}

/** A target as `verify` sees it. */
export interface VerifyTarget {
  /** `clickhouse`, `postgres`. */
  readonly name: string;
  readonly limits: TargetLimits;
  /** Names of the columns of the target of a source table; undefined where there is none. */
  columnsOf(table: TableRef): Promise<readonly string[] | undefined>;
  /** The live rows, sorted. Read as a stream: what was not asked for yet is not in memory. */
  rows(table: TableRef, wanted: RowsWanted): AsyncIterable<CanonicalRow>;
  close(): Promise<void>;
}
