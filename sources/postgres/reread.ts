import type { Client } from 'pg';
import type { RowRecord } from '../../shared/record/record.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import { buildSelectRow } from './statements.ts';
import { valueFromText } from './text-values.ts';

/**
 * Fills in large values that the log did not send with an update that changed the row's key, from the table as it is
 * now. They stay unchanged where the row is gone by then: its delete follows.
 */
export async function rereadRow(client: Client, record: RowRecord): Promise<RowRecord> {
  const { after, table } = record;
  if (after?.unchanged == null) return record;
  const missing = after.unchanged;
  const key = table.keyColumns.map(({ name, nativeType }) => ({ name, declaration: nativeType }));
  const sql = buildSelectRow(table.ref, missing.map((index) => table.column(index).name), key);
  const { rows } = await client.query<(string | null)[]>({ text: sql, values: keyTexts(record), rowMode: 'array' });
  const found = rows[0];
  if (found === undefined) return record;
  const values = after.values();
  for (const [place, index] of missing.entries()) {
    const text = found[place] ?? null;
    values[index] = text === null ? null : valueFromText(table.column(index).dataType, text);
  }
  return { ...record, after: new RowWriter(1024).row(table, values.map((value) => (value === UNCHANGED ? null : value))) };
}

function keyTexts(record: RowRecord): string[] {
  return (record.after?.keyValues() ?? []).map((value, place) => {
    const column = record.table.keyColumns[place];
    return keyText(value, column?.dataType.kind ?? 'text');
  });
}

/** A key value in the form in which PostgreSQL reads it. */
function keyText(value: unknown, kind: string): string {
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  switch (kind) {
    case 'date':
      return new Date(Number(value) * 86_400_000).toISOString().slice(0, 10);
    case 'time':
      return `${String(Number(value) / 1_000_000)} seconds`;
    case 'timestamp':
    case 'timestampTz':
      return timestampText(BigInt(value as number | bigint));
    default:
      return String(value);
  }
}

function timestampText(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (micros - fraction) / 1_000_000n;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(fraction).padStart(6, '0')}Z`;
}
