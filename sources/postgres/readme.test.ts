import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SOURCE_OPTIONS } from '../../shared/config/source-options.ts';
import { CODES, type ErrorCode } from '../../shared/errors/codes.ts';
import { POSTGRES_OPTIONS } from './config.ts';
import { TEXT_FORM } from './types.ts';

const text = readFileSync(new URL('README.md', import.meta.url), 'utf8');
const section = (title: string) => new RegExp(`## ${title}\n([\\s\\S]*?)(?=\n## |$)`).exec(text)?.[1] ?? '';

test('the page has the eleven sections of every connector, and no other', () => {
  const titles = [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
  expect(titles).toEqual([
    'Overview',
    'Features',
    'Prerequisites',
    'Configuration',
    'Architecture',
    'Type Mappings',
    'Usage',
    'Error Handling',
    'Performance',
    'Limitations',
    'References',
  ]);
});

test('the table of settings is that of the options', () => {
  const options = { ...SOURCE_OPTIONS, ...POSTGRES_OPTIONS };
  const rows = Object.entries(options).map(([name, { description, defaultText = 'required' }]) => `| \`${name}\` | ${description} | ${defaultText} |`);
  const found = section('Configuration')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(found).toEqual(['| `SOURCE_TYPE` | `postgres` or `postgresql` | required |', ...rows]);
});

test('every type that travels as text is in the table of types', () => {
  const named = new Set([...section('Type Mappings').matchAll(/`"?([a-z0-9_]+)"?(?:\([a-z,]+\))?(?:\[\])*`/g)].map(([, name]) => name));
  const other: Readonly<Record<string, string>> = { bpchar: 'char' };
  expect([...TEXT_FORM].map((name) => other[name] ?? name).filter((name) => !named.has(name))).toEqual([]);
});

describe('every code that the connector uses', () => {
  const files = [
    'findings',
    'column-findings',
    'publication',
    'publication-findings',
    'setup',
    'table-versions',
    'source',
    'client',
    'catalog',
    'relation',
    'change-reader',
    'parser',
    'text-values',
    'replication',
    'copy-text',
  ];
  const used = files.flatMap((file) =>
    [...readFileSync(new URL(`${file}.ts`, import.meta.url), 'utf8').matchAll(/'([A-Z]+_[A-Z_]+)'/g)].map(([, code]) => code ?? ''),
  );
  const codes = [...new Set(used)].filter((code): code is ErrorCode => code in CODES && code !== 'INVARIANT_BROKEN');

  test('was found', () => {
    expect(codes.length).toBeGreaterThan(12);
  });

  test.each(codes)('%s has its remedy on the page', (code) => {
    expect(section('Error Handling')).toContain(`\`${code}\``);
  });
});
