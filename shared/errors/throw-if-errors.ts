import type { Finding } from '../connector/finding.ts';
import { CdcError } from './cdc-error.ts';

/** Turns the findings that are errors into one error that says them all; its code is the first one's. */
export function throwIfErrors(findings: readonly Finding[]): void {
  const errors = findings.filter((finding) => finding.severity === 'error');
  const [first] = errors;
  if (first === undefined) return;
  if (errors.length === 1) throw new CdcError(first.code, first.message, { remedy: first.remedy });
  const lines = errors.map(({ message, remedy }) => `- ${message} ${remedy}`);
  throw new CdcError(first.code, `${errors.length} prerequisites are missing:\n${lines.join('\n')}`, {
    remedy: 'Put them right in any order, then start again.',
  });
}
