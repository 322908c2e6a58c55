import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMMON_OPTIONS } from '../shared/config/common-options.ts';

const text = readFileSync(new URL('README.md', import.meta.url), 'utf8');

test('the page has every setting of broker and registry, as it is', () => {
  const rows = Object.entries(COMMON_OPTIONS)
    .filter(([name]) => /^(KAFKA|SCHEMA_REGISTRY)_/.test(name))
    .map(([name, { description, defaultText = 'required' }]) => `| \`${name}\` | ${description} | ${defaultText} |`);
  const section = /## Connecting\n([\s\S]*?)\n## /.exec(text)?.[1] ?? '';
  expect(section.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
});
