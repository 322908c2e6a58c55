import { formatCount } from '../terminal.ts';
import type { Difference } from './compare-rows.ts';
import type { TableReport, VerifyReport } from './verify.ts';

/** One line a table, and under it the first differences. */
export function describeTable(report: TableReport): string {
  const { table, rows, targetRows, checksum, differences, problem } = report;
  const outcome =
    problem ?? (differences === 0 ? `equal, checksum ${checksum}` : `${formatCount(differences)} ${differences === 1 ? 'difference' : 'differences'}`);
  const counts = rows === targetRows ? `${formatCount(rows)} rows` : `${formatCount(rows)} rows, ${formatCount(targetRows)} in the target`;
  const lines = [`${differences === 0 ? '✓' : '✗'} ${table}: ${counts}, ${outcome}`, ...report.examples.map((example) => `    ${describeDifference(example)}`)];
  const unnamed = differences - report.examples.length;
  if (report.examples.length > 0 && unnamed > 0) lines.push(`    and ${formatCount(unnamed)} more`);
  return lines.join('\n');
}

function describeDifference({ kind, key, columns }: Difference): string {
  switch (kind) {
    case 'missing':
      return `${key} is missing in the target`;
    case 'extra':
      return `${key} is in the target only`;
    case 'different':
      return `${key} differs in ${columns.join(', ')}`;
  }
}

/** The closing line of the contract. */
export function describeVerdict({ target, tables, rows, differences }: VerifyReport): string {
  return `verified ${target}: ${tables.length} tables, ${rows} rows, ${differences} differences`;
}
