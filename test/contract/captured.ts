import { readFileSync } from 'node:fs';

/** Messages of pgoutput as a server sent them (sources/postgres/fixtures/README.md). */
export function capturedMessages(): Buffer[] {
  const text = readFileSync(new URL('../../sources/postgres/fixtures/pgoutput.txt', import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => Buffer.from(line, 'hex'));
}
