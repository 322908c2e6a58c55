import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { type CellWriter, cellWriter } from './cells.ts';
import type { TargetNames } from './config.ts';
import { RowBinaryWriter } from './row-binary.ts';
import type { FoundTable } from './found-table.ts';
import { RowTranscoder } from './row-transcoder.ts';
import { type NamedType, qualify, ROW_ID_COLUMN } from './statements.ts';
import type { TimeRange } from './time-range.ts';
import { type ColumnType, widthOf } from './types.ts';

/** A column of the source that the target has too. */
export interface PlannedColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly write: CellWriter;
  /** Bytes of the value that stands for none in a column that cannot be null: zeros. */
  readonly emptyBytes: number;
}

/** How rows of one schema become rows of one target table: worked out once, used for every batch. */
export interface TablePlan {
  readonly schema: TableSchema;
  readonly names: TargetNames;
  /** The table that is written to, qualified and quoted. */
  readonly table: string;
  /** One entry a column of the schema, null where the target lacks it. */
  readonly columns: readonly (PlannedColumn | null)[];
  readonly isKeyless: boolean;
  /** What stands before the rows of an insert: names and types of its columns. */
  readonly header: Buffer;
  readonly comment: string;
  readonly transcoder: Pick<RowTranscoder, 'write'>;
}

export interface PlanInput {
  readonly schema: TableSchema;
  readonly names: TargetNames;
  readonly found: FoundTable;
  readonly range: TimeRange;
}

export function buildPlan({ schema, names, found, range }: PlanInput): TablePlan {
  const table = `${names.database}.${found.name}`;
  const columns = schema.columns.map(({ name, dataType }) => {
    const type = found.columns.get(name)?.type;
    if (type === undefined) return null;
    return { name, type, write: cellWriter(dataType, type, { table, column: name, range }), emptyBytes: widthOf(type) || 1 };
  });
  const isKeyless = schema.key.length === 0;
  return {
    schema,
    names,
    table: qualify(names.database, found.name),
    columns,
    isKeyless,
    header: buildHeader(written(columns, isKeyless, found)),
    comment: found.comment,
    transcoder: new RowTranscoder({ schema, columns, range }),
  };
}

/** Name and type of a planned column, as statements want them. */
export function namedType({ name, type }: PlannedColumn): NamedType {
  return { name, type: type.text };
}

/** Every planned column; of `indexes` only, where they are given. */
export function plannedColumns(plan: TablePlan, indexes: Iterable<number> = plan.columns.keys()): readonly PlannedColumn[] {
  return [...indexes].map((index) => plan.columns[index] ?? null).filter((column) => column !== null);
}

/** In the order in which an encoded row has them; the time of writing is the server's to fill in. */
function written(columns: TablePlan['columns'], isKeyless: boolean, found: FoundTable): readonly NamedType[] {
  const meta = [...(isKeyless ? [ROW_ID_COLUMN] : []), META_COLUMNS.opType, META_COLUMNS.isDeleted, META_COLUMNS.version];
  return [...columns.filter((column) => column !== null).map(namedType), ...meta.map((name) => ({ name, type: found.columns.get(name)?.type.text ?? '' }))];
}

function buildHeader(columns: readonly NamedType[]): Buffer {
  const out = new RowBinaryWriter();
  out.length(columns.length);
  for (const { name } of columns) out.string(name);
  for (const { type } of columns) out.string(type);
  return out.view();
}
