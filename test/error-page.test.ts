import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { buildErrorPage } from './error-page.ts';

test('docs/errors.md says what the table of codes says', () => {
  expect(readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')).toBe(buildErrorPage());
});
