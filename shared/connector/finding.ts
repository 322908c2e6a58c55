import type { ErrorCode } from '../errors/codes.ts';

/**
 * What a check of a database found: an error stops the connector with the code's exit code, a warning is logged.
 *
 * `remedy` is a sentence, and where possible the exact statement, that puts it right.
 */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
  /** `schema.table`, where it concerns that table alone: a source that has published it before stops the table, not itself. */
  readonly table?: string | undefined;
  /** Tables that are new, and without which it would not be: a source that goes on leaves them out until it is put right. */
  readonly without?: readonly string[] | undefined;
  /** Whether they may have been published all the same: then it is for the topics to tell whether they are new. */
  readonly mayBeKnown?: boolean | undefined;
}
