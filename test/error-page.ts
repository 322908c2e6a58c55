import { writeFileSync } from 'node:fs';
import { CODES } from '../shared/errors/codes.ts';

const ACTIONS = { retry: 'tries again, with back-off', setAside: 'stops the table, or sets the record aside', stop: 'stops the process' } as const;

/** The text of docs/errors.md; `node test/error-page.ts` writes it. */
export function buildErrorPage(): string {
  const rows = Object.entries(CODES).map(
    ([code, { meaning, remedy, action, exitCode }]) => `| \`${code}\` | ${meaning} | ${remedy} | ${ACTIONS[action]} | ${exitCode} |`,
  );
  return `# Errors

Every error has a code, a sentence that says what failed and where, and a remedy. This page is written from
\`shared/errors/codes.ts\` by \`node test/error-page.ts\`; a test fails when it is out of date.

Exit codes: 0 stopped as asked; 1 anything that trying again did not mend; 2 configuration; 3 prerequisite or access;
4 history lost; 70 a bug of ours.

| code | what it means | what to do | what we do | exit code |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

if (import.meta.main) writeFileSync(new URL('../docs/errors.md', import.meta.url), buildErrorPage());
