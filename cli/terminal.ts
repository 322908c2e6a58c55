import Table from 'cli-table3';
import { toCdcError } from '../shared/errors/cdc-error.ts';
import { EXIT } from '../shared/errors/codes.ts';
import { describeFailure } from '../shared/process/run-process.ts';
import { StackError } from '../stack/stack-error.ts';

/** What a command prints for its caller; everything else goes to standard error. */
export function print(text = ''): void {
  process.stdout.write(`${text}\n`);
}

export function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Columns under their heads, without lines. */
export function plainTable(head: readonly string[], rows: readonly (readonly (string | number)[])[], rightAligned: readonly number[] = []): string {
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  };
  const colAligns = head.map((_, place) => (rightAligned.includes(place) ? 'right' : 'left'));
  const table = new Table({ head: [...head], chars: none, colAligns, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } });
  for (const row of rows) table.push(row.map(String));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** A failure that is told in its own words, without a code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
}

/** Runs a command's work and sets the exit code of the contract; an error is said in a sentence with its remedy. */
export async function exitWith(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const { text, exitCode } = describe(error);
    progress(text);
    process.exitCode = exitCode;
  }
}

function describe(error: unknown): { readonly text: string; readonly exitCode: number } {
  if (error instanceof CommandFailure) return { text: error.message, exitCode: EXIT.failed };
  if (error instanceof StackError) return { text: error.message, exitCode: error.exitCode };
  const failure = toCdcError(error);
  return { text: describeFailure(failure), exitCode: failure.exitCode };
}
