import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { TargetColumn } from './type-fit.ts';
import { stagingSqlOf } from './types.ts';

/** One column of a source table, and where its values go. */
export interface BoundColumn {
  /** Index into the columns of the table's schema. */
  readonly index: number;
  readonly name: string;
  readonly isKey: boolean;
  readonly stagingSql: string;
  /** The target column's type, for instance `character varying(40)`. */
  readonly targetSql: string;
  /** The same without length or digits: a value that is cast to it is read, but never cut or rounded. */
  readonly baseSql: string;
  /** Whether writing the staging value takes an explicit cast, as from text to inet. */
  readonly isCast: boolean;
  /** False for a column that PostgreSQL lets nobody update, only insert (GENERATED ALWAYS AS IDENTITY). */
  readonly isUpdatable: boolean;
}

/** How rows of one version of a source table are written to its target table. */
export interface Binding {
  readonly table: TableSchema;
  readonly schema: string;
  readonly name: string;
  /** In the order of the source table; columns that the target does not take are left out. */
  readonly columns: readonly BoundColumn[];
  /** In key order; empty for a table without a key. */
  readonly key: readonly BoundColumn[];
  /** Whether each value's staging form is also the target column's own, so that rows may go there directly. */
  readonly isDirect: boolean;
  /** Equal exactly for bindings that need the same staging table. */
  readonly fingerprint: string;
}

/** Columns of the staging table beside the row's own. */
export const STAGING_COLUMNS = {
  /** `c`, `u`, `d`, `r`; or `x`: the old row of an update of a table without a key, to be removed. */
  op: 'dbmazz_op_type',
  version: 'dbmazz_cdc_version',
  /** The key as the bytes of the row, for `dbmazz_deleted`; null in a table without a key. */
  key: 'dbmazz_key',
  /** Indexes of the columns that keep what the target has; null for none. */
  unchanged: 'dbmazz_unchanged',
} as const;

export interface BindingTarget {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly TargetColumn[];
}

/** Binds each column of the source to the target's column of its name; what the target lacks or computes is left out. */
export function bind(table: TableSchema, target: BindingTarget): Binding {
  const columns = table.columns.flatMap((_, index) => bindColumn(table, target, index));
  const key = table.key.map((index) => {
    const column = columns.find((found) => found.index === index);
    if (column !== undefined) return column;
    throw new CdcError(
      'SCHEMA_INCOMPATIBLE',
      `Key column ${table.column(index).name} of ${table.qualifiedName} cannot be written to ${target.schema}.${target.name}: it is missing there, or generated.`,
    );
  });
  const fingerprint = JSON.stringify([target.schema, target.name, table.fingerprint, columns]);
  const isDirect = columns.every(({ stagingSql, baseSql }) => stagingSql === baseSql || (stagingSql === 'text' && LIKE_TEXT.includes(baseSql)));
  return { table, schema: target.schema, name: target.name, columns, key, isDirect, fingerprint };
}

/** Types with the binary form of text, which check its length. */
const LIKE_TEXT = ['character varying', 'bpchar'];

function bindColumn(table: TableSchema, target: BindingTarget, index: number): readonly BoundColumn[] {
  const { name, dataType } = table.column(index);
  const column = target.columns.find((found) => found.name === name);
  if (column === undefined || column.isGenerated) return [];
  const stagingSql = stagingSqlOf(dataType);
  return [
    {
      index,
      name,
      isKey: table.key.includes(index),
      stagingSql,
      targetSql: column.type,
      baseSql: column.baseType,
      isCast: stagingSql !== column.baseType && column.category !== 'S',
      isUpdatable: !column.isIdentityAlways,
    },
  ];
}
