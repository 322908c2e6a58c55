import { createHash } from 'node:crypto';
import type { SourceSettings } from '../config/source-options.ts';
import { type CdcError, isCdcError } from '../errors/cdc-error.ts';
import type { ErrorCode } from '../errors/codes.ts';
import type { SourcePosition } from '../record/position.ts';

/**
 * A table of which nothing more is published, because something of it could not be carried; all other tables go on.
 *
 * Everything before `position` is in its topic. What came since is not, so only a new snapshot makes the table whole:
 * it is kept stopped, over restarts too, until a setting that bears on it is changed or a snapshot of it is asked for.
 */
export interface StoppedTable {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
  readonly position: SourcePosition;
  readonly stoppedAtMs: number;
  /** `carryingOf` the settings that it was stopped under. */
  readonly settings: string;
}

/** By `schema.table`. */
export type StoppedTables = Readonly<Record<string, StoppedTable>>;

/** What one table cannot help; everything else concerns the whole source. */
const OF_ONE_TABLE = ['TYPE_UNSUPPORTED', 'VALUE_OUT_OF_RANGE', 'SCHEMA_INCOMPATIBLE', 'TABLE_NOT_FOUND', 'CONFIG_INVALID'] as const;

/** Whether an error that was met at one table stops that table alone. A value that cannot be read names its column. */
export function stopsTable(error: unknown): error is CdcError {
  return isCdcError(error, ...OF_ONE_TABLE) || (isCdcError(error, 'PARSE_FAILED') && error.context['column'] !== undefined);
}

export function toStoppedTable({ code, message, remedy }: CdcError, position: SourcePosition, settings: string): StoppedTable {
  return { code, message, remedy, position, stoppedAtMs: Date.now(), settings };
}

/** What tells whether the settings that decide what can be carried are still the same. */
export function carryingOf(settings: SourceSettings): string {
  const { EXCLUDE_COLUMNS, MASK_COLUMNS, ROW_FILTER, MESSAGE_KEY_COLUMNS } = settings;
  const { UNKNOWN_TYPES, DECIMAL_HANDLING, TIME_PRECISION, ON_INCOMPATIBLE_SCHEMA } = settings;
  const selection = [EXCLUDE_COLUMNS.toSorted(), MASK_COLUMNS, ROW_FILTER, MESSAGE_KEY_COLUMNS];
  const text = JSON.stringify([...selection, UNKNOWN_TYPES, DECIMAL_HANDLING, TIME_PRECISION, ON_INCOMPATIBLE_SCHEMA]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
