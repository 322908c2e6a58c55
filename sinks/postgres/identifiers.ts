import { CdcError } from '../../shared/errors/cdc-error.ts';

/** What PostgreSQL keeps of a name; the rest it would cut off (NAMEDATALEN). */
export const MAX_NAME_BYTES = 63;

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Text as a literal; sessions of ours have standard_conforming_strings on. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function qualified(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/** Throws `SCHEMA_INCOMPATIBLE` where PostgreSQL would cut the name, or cannot hold it. */
export function checkName(name: string, what: string): void {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES && name !== '' && !name.includes('\0')) return;
  throw new CdcError('SCHEMA_INCOMPATIBLE', `PostgreSQL cannot have ${what} named ${JSON.stringify(name)}: 1 to ${MAX_NAME_BYTES} bytes are possible.`, {
    remedy: 'Choose another SINK_TABLE pattern, or leave the table or column out at the source.',
  });
}
