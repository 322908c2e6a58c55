import pg, { type Client } from 'pg';
import type { RowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import type { IncompleteRecord } from './change-reader.ts';
import { copyRows } from './chunk-reader.ts';
import { Relation } from './relation.ts';
import { buildCopyRow, COLUMN_NAMES, type ReadTable } from './statements.ts';

const NO_TABLE = '42P01';
const NO_COLUMN = '42703';

/**
 * Fills in large values that the log did not send with an update that changed the row's key, from the table as it is
 * now, read as the snapshot reads it. They stay unchanged where the row is gone by then: its delete follows. So does a
 * value whose column is gone, or has another name; other columns may have changed in any way.
 */
export async function rereadRow(client: Client, record: RowRecord, entry: IncompleteRecord, table: ReadTable): Promise<RowRecord> {
  const { after } = record;
  const wanted = new Set(after?.unchanged?.map((index) => record.table.column(index).name));
  const found = await findRow(client, entry, table, wanted)
    .catch(async (error: unknown) => {
      if (codeOf(error) !== NO_COLUMN) throw error;
      for (const name of wanted.difference(await columnsOf(client, table))) wanted.delete(name);
      return findRow(client, entry, table, wanted);
    })
    .catch((error: unknown) => {
      if (codeOf(error) === NO_TABLE || codeOf(error) === NO_COLUMN) return undefined;
      throw error;
    });
  if (after === null || found === undefined) return record;
  const known = found.values();
  const isFound = (index: number) => wanted.has(record.table.column(index).name);
  const values = after.values().map((value, index) => (value === UNCHANGED && isFound(index) ? (known[index] ?? null) : value));
  return { ...record, after: new RowWriter(after.byteLength + found.byteLength).row(record.table, values) };
}

/** A row by its key, with no other values than those of the columns that are wanted. */
async function findRow(client: Client, { relation, key }: IncompleteRecord, from: ReadTable, wanted: ReadonlySet<string>): Promise<Row | undefined> {
  const { table, columns } = relation;
  const kept = columns.filter(({ column }) => column >= 0);
  const where = table.keyColumns.map(({ name }, place) => ({ name, text: key[place] ?? '' }));
  const names = kept.map(({ name, column }) => (wanted.has(name) || table.key.includes(column) ? name : null));
  const [row] = await copyRows(client, buildCopyRow(from, names, where), new Relation(table, kept));
  return row;
}

async function columnsOf(client: Client, { ref }: ReadTable): Promise<ReadonlySet<string>> {
  const name = `${pg.escapeIdentifier(ref.schema)}.${pg.escapeIdentifier(ref.name)}`;
  const { rows } = await client.query<{ attname: string }>(COLUMN_NAMES, [name]);
  return new Set(rows.map(({ attname }) => attname));
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}
