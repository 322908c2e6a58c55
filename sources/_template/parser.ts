import { z } from 'zod';
import { CdcError } from '../../shared/errors/cdc-error.ts';

/** What an entry of the log can be. */
export type LogEntry =
  | { readonly kind: 'begin'; readonly committedAtMicros: number }
  | TableEntry
  | { readonly kind: 'insert' | 'update' | 'delete'; readonly table: string; readonly cells: readonly (string | null)[] }
  | { readonly kind: 'commit' }
  | { readonly kind: 'mark'; readonly id: string };

/** How a table looks from here on. */
export interface TableEntry {
  readonly kind: 'table';
  readonly name: string;
  readonly columns: readonly (readonly [name: string, type: string])[];
  readonly key: string;
}

const CELLS = z.array(z.string().nullable());
const ENTRY = z.union([
  z.tuple([z.literal('begin'), z.number()]).transform(([kind, committedAtMicros]): LogEntry => ({ kind, committedAtMicros })),
  z
    .tuple([z.literal('table'), z.string(), z.array(z.tuple([z.string(), z.string()])), z.string()])
    .transform(([kind, name, columns, key]): LogEntry => ({ kind, name, columns, key })),
  z.tuple([z.enum(['insert', 'update', 'delete']), z.string(), CELLS]).transform(([kind, table, cells]): LogEntry => ({ kind, table, cells })),
  z.tuple([z.literal('commit')]).transform((): LogEntry => ({ kind: 'commit' })),
  z.tuple([z.literal('mark'), z.string()]).transform(([kind, id]): LogEntry => ({ kind, id })),
]);

/**
 * What belongs into `parser.ts`: from the bytes of the log to what they say, as plain functions without a connection,
 * tested on captured bytes and on random ones. Throws `PARSE_FAILED` and nothing else.
 */
export function parseEntry(bytes: Buffer): LogEntry {
  try {
    return ENTRY.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new CdcError('PARSE_FAILED', 'An entry of the log is not in the form that the database writes.', { cause: error });
  }
}
