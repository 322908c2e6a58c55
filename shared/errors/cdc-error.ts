import { constants } from 'node:buffer';
import { CODES, type ErrorAction, type ErrorCode } from './codes.ts';

/** Where an error happened: names, positions and counts, never a cell value, a password or a URL that has one. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * The one error class. `message` is a sentence that says what failed and where; `remedy` what to do about it.
 * The driver's own error is kept in `cause` and never pasted into the message.
 */
export class CdcError extends Error {
  override readonly name = 'CdcError';
  readonly code: ErrorCode;
  readonly context: ErrorContext;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.context = details.context ?? {};
    this.remedy = details.remedy ?? CODES[code].remedy;
  }

  get action(): ErrorAction {
    return CODES[this.code].action;
  }

  get exitCode(): number {
    return CODES[this.code].exitCode;
  }
}

export interface ErrorDetails {
  readonly context?: ErrorContext | undefined;
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

export function isCdcError(error: unknown, ...codes: readonly ErrorCode[]): error is CdcError {
  return error instanceof CdcError && (codes.length === 0 || codes.includes(error.code));
}

/** Any thrown thing as a coded error: what has no code yet is a bug of ours. */
export function toCdcError(error: unknown): CdcError {
  if (error instanceof CdcError) return error;
  if (isTooLong(error)) return tooLong('A value', error);
  const text = error instanceof Error ? error.message : String(error);
  return new CdcError('INVARIANT_BROKEN', `Something unexpected happened: ${text}`, { cause: error });
}

/** Whether the engine has refused to make a text of bytes because they are too many. */
export function isTooLong(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null | undefined)?.code === 'ERR_STRING_TOO_LONG';
}

/** The same as ours; `what` begins its sentence. */
export function tooLong(what: string, cause: unknown, context: ErrorContext = {}): CdcError {
  const most = Math.floor(constants.MAX_STRING_LENGTH / 1024 / 1024);
  return new CdcError('VALUE_OUT_OF_RANGE', `${what} is longer than the ${most} MiB that a text can have in this process.`, {
    cause,
    context,
    remedy: 'Leave its column out, with EXCLUDE_COLUMNS of the source.',
  });
}
