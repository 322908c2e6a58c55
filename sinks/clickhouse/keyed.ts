import { mergeByKey, type RowState } from '../../shared/record/merge-by-key.ts';
import type { Records } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import type { ClickHouseClient } from './client.ts';
import type { ClickHouseConfig } from './config.ts';
import { fetchRows, identityOf } from './lookup.ts';
import type { OutgoingRow } from './outgoing.ts';
import type { TablePlan } from './plan.ts';

export interface KeyedInput {
  readonly plan: TablePlan;
  readonly states: readonly RowState[];
  /** The batch that the states were merged from. */
  readonly records: Records;
  readonly deleteMode: ClickHouseConfig['deleteMode'];
}

/** The rows to write for a table with a key; what the batch does not know of them is read from the target. */
export async function prepareKeyed(client: ClickHouseClient, input: KeyedInput): Promise<readonly OutgoingRow[]> {
  const rows = toRows(input);
  const incomplete = rows.filter(({ image }) => image.unchanged !== null);
  if (incomplete.length === 0) return rows;
  const images = incomplete.map(({ image }) => image);
  const wanted = [...new Set(images.flatMap(({ unchanged }) => unchanged ?? []))];
  const fetched = await fetchRows(client, input.plan, { images, wanted });
  return rows.map((row) => (row.image.unchanged === null ? row : { ...row, fetched: fetched.get(identityOf(input.plan, row.image)) ?? null }));
}

function toRows({ states, records, deleteMode }: KeyedInput): OutgoingRow[] {
  const writer = new RowWriter();
  const isSoft = deleteMode === 'soft' && states.some(({ isDeleted }) => isDeleted);
  const lastValues = isSoft ? valuesBeforeDelete(records) : new Map<string, readonly Value[]>();
  return states.map((state) => {
    const { kind, version } = state.record;
    const isKeyOnly = state.isDeleted && deleteMode === 'hard';
    return { kind, version, isDeleted: state.isDeleted, isKeyOnly, image: imageOf(state, writer, lastValues), fetched: null, rowId: null };
  });

  function imageOf(state: RowState, rowWriter: RowWriter, last: ReadonlyMap<string, readonly Value[]>): Row {
    const { record, isDeleted } = state;
    const image = (record.after ?? record.before) as Row;
    // Asked for its values, a state decodes its row: most rows go on as bytes.
    if (!isDeleted) return image.unchanged === null ? image : rowWriter.row(image.table, state.values);
    return deleteMode === 'hard' ? image : rowWriter.row(image.table, withLastValues(state.values, last.get(image.keyText())));
  }
}

/** What a batch says of rows before it deletes them, by `keyText`. */
function valuesBeforeDelete(records: Records): ReadonlyMap<string, readonly Value[]> {
  const { rows } = mergeByKey([...records].filter(({ kind }) => kind !== 'delete'));
  return new Map(rows.map(({ record, values }) => [((record.after ?? record.before) as Row).keyText(), values]));
}

/** A deleted row, kept and marked: its values by the old row that came with the delete, the batch, or the target. */
function withLastValues(values: readonly Value[], last: readonly Value[] | undefined): readonly Value[] {
  return values.map((value, index) => value ?? (last === undefined ? UNCHANGED : (last[index] ?? null)));
}
