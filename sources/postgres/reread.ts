import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { RowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import type { IncompleteRecord } from './change-reader.ts';
import { CopyTextReader } from './copy-text.ts';
import { Relation } from './relation.ts';
import { buildCopyRow, type ReadTable } from './statements.ts';

/** SQLSTATEs of a table and of a column that are no longer there. */
const GONE = new Set(['42P01', '42703']);

/**
 * Fills in large values that the log did not send with an update that changed the row's key, from the table as it is
 * now, read as the snapshot reads it. They stay unchanged where the row is gone by then: its delete follows.
 */
export async function rereadRow(client: Client, record: RowRecord, { relation, key }: IncompleteRecord, table: ReadTable): Promise<RowRecord> {
  const { after } = record;
  const found = after === null ? undefined : await findRow(client, relation, key, table);
  if (after === null || found === undefined) return record;
  const known = found.values();
  const values = after.values().map((value, index) => (value === UNCHANGED ? (known[index] ?? null) : value));
  return { ...record, after: new RowWriter(after.byteLength + found.byteLength).row(record.table, values) };
}

async function findRow(client: Client, { table, columns }: Relation, key: readonly string[], from: ReadTable): Promise<Row | undefined> {
  const kept = columns.filter(({ column }) => column >= 0);
  const where = table.keyColumns.map(({ name }, place) => ({ name, text: key[place] ?? '' }));
  const sql = buildCopyRow(
    from,
    kept.map(({ name }) => name),
    where,
  );
  const reader = new CopyTextReader(new Relation(table, kept), new RowWriter());
  try {
    const rows: Row[] = [];
    for await (const piece of client.query(copyTo(sql)) as AsyncIterable<Buffer>) rows.push(...reader.read(piece));
    return rows[0];
  } catch (error) {
    if (GONE.has(String((error as { code?: unknown }).code))) return undefined;
    throw error;
  }
}
