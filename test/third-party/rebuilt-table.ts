/** A record of a table topic, as a reader that knows only Avro has it. */
export interface ReadChange {
  readonly key: unknown;
  /** null: a tombstone. */
  readonly change: {
    readonly op: string;
    readonly after: Readonly<Record<string, unknown>> | null;
    readonly unchanged: readonly string[] | null;
  } | null;
}

type Row = Readonly<Record<string, unknown>>;

/** The rows that the changes of one table lead to, by the text of their key; what did not change is taken from before. */
export function rebuildTable(changes: readonly ReadChange[]): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const { key, change } of changes) {
    const id = JSON.stringify(key);
    if (change === null || change.op === 'd') rows.delete(id);
    else if (change.op === 't') rows.clear();
    else rows.set(id, withUnchanged(change, rows.get(id) ?? {}));
  }
  return sortedByKey([...rows]);
}

function withUnchanged({ after, unchanged }: NonNullable<ReadChange['change']>, before: Row): Row {
  return { ...after, ...Object.fromEntries((unchanged ?? []).map((column) => [column, before[column]])) };
}

/** Rows of the database under the same keys. */
export function tableByKey(rows: readonly Row[], key: readonly string[]): Map<string, Row> {
  return sortedByKey(rows.map((row) => [JSON.stringify(Object.fromEntries(key.map((column) => [column, row[column]]))), row]));
}

function sortedByKey(entries: readonly (readonly [string, Row])[]): Map<string, Row> {
  return new Map(entries.toSorted(([a], [b]) => a.localeCompare(b)));
}
