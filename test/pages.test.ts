import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

/** What the pages say of the project must be so. */
const ROOT = join(import.meta.dirname, '..');
const pages = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md') && !/(^|\/)(node_modules|dist|\.git)\//.test(path))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
const readme = pages.find(({ path }) => path === 'README.md')?.text ?? '';

test('the pages were found', () => {
  expect(pages.length).toBeGreaterThan(5);
  expect(readme).not.toBe('');
});

test('links within the project lead somewhere', () => {
  const broken = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target]) => target ?? '')
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(path), target)))
      .map((target) => `${path}: ${target}`),
  );
  expect(broken).toEqual([]);
});

test('the README names every dependency, and no other', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  const section = /## Dependencies[\s\S]*?(?=\n## )/.exec(readme)?.[0] ?? '';
  const named = [...section.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ''));
  expect(named.toSorted()).toEqual(Object.keys(dependencies).toSorted());
});

test('every command that the README shows exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/npm (?:run )?(?:--silent )?(demo|test|source|sink|stack|bench|check|[a-z]+)\b/g)]
    .map(([, name]) => name ?? '')
    .filter((name) => !['install', 'ci', 'run', 'scripts'].includes(name));
  expect(named.length).toBeGreaterThan(8);
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  const commands = [...readme.matchAll(/npm run dbmazz -- ([a-z]+)/g)].map(([, name]) => name ?? '');
  expect(commands.filter((name) => !existsSync(join(ROOT, 'cli', 'commands', `${name}.ts`)))).toEqual([]);
});
