/** Exit code 3: a prerequisite of the machine is missing, or a service that was named cannot be reached. */
export const EXIT_PREREQUISITE = 3;

/** A failure of the stack that is told to the user in its own words, without a stack trace. */
export class StackError extends Error {
  readonly exitCode: number;

  constructor(message: string, options: { readonly exitCode?: number; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'StackError';
    this.exitCode = options.exitCode ?? 1;
  }
}

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
