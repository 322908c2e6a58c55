import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

/**
 * Who may import whom (design, "Layout"): `shared ◀ topics ◀ sources/runner, sinks/runner ◀ main.ts ◀ cli`. A connector
 * knows `shared` and its driver alone, a source also `sources/snapshot`. Tests may use `test` and `stack` besides.
 */
interface SourceFile {
  /** From the root of the project, with `/`. */
  readonly path: string;
  readonly imports: readonly string[];
}

const ROOT = join(import.meta.dirname, '..');
const AREAS = ['shared', 'topics', 'sources', 'sinks', 'cli', 'ui', 'stack', 'test', 'bench', 'examples'] as const;
const IMPORT = /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/g;

/** What an area may import beside itself; prefixes of paths. The first line that fits a path holds. */
const ALLOWED: readonly (readonly [area: RegExp, own: RegExp, others: readonly string[]])[] = [
  [/^shared\//, /^shared\//, []],
  [/^topics\//, /^topics\//, ['shared/']],
  [/^sources\/snapshot\//, /^sources\/snapshot\//, ['shared/']],
  [/^sources\/runner\//, /^sources\/runner\//, ['shared/', 'topics/', 'sources/snapshot/']],
  [/^sinks\/runner\//, /^sinks\/runner\//, ['shared/', 'topics/']],
  [/^sources\/[^/]+\.ts$/, /^sources\//, ['shared/', 'topics/']],
  [/^sinks\/[^/]+\.ts$/, /^sinks\//, ['shared/', 'topics/']],
  [/^sources\/[^/]+\//, /^$/, ['shared/', 'sources/snapshot/']],
  [/^sinks\/[^/]+\//, /^$/, ['shared/']],
  [/^stack\//, /^stack\//, ['shared/errors/']],
  [/^ui\//, /^ui\//, ['shared/', 'topics/']],
  [/^cli\//, /^cli\//, ['shared/', 'topics/', 'sources/', 'sinks/', 'stack/', 'ui/']],
  [/^examples\//, /^examples\//, []],
  [/^test\//, /^test\//, ['shared/', 'topics/', 'sources/', 'sinks/', 'stack/', 'ui/', 'cli/', 'examples/']],
  [/^bench\//, /^bench\//, ['shared/', 'topics/', 'sources/', 'sinks/', 'stack/', 'ui/', 'cli/', 'test/']],
];

/** Where a driver or client may be imported, beside tests. */
const POSTGRES_PLACES = /^(sources\/postgres|sinks\/postgres|stack|cli|bench|test)\//;
const DRIVERS: Readonly<Record<string, RegExp>> = {
  kafkajs: /^(topics\/kafka|stack|bench|examples)\//,
  '@kafkajs/confluent-schema-registry': /^(topics\/avro|examples)\//,
  avsc: /^(topics\/avro|examples)\//,
  pg: POSTGRES_PLACES,
  'pg-cursor': POSTGRES_PLACES,
  'pg-copy-streams': POSTGRES_PLACES,
  'pg-logical-replication': POSTGRES_PLACES,
  '@clickhouse/client': /^(sinks\/clickhouse|stack|cli|bench|test)\//,
  mysql2: /^(sources\/mysql|sinks\/starrocks|stack|cli|bench|test)\//,
};

const files = AREAS.flatMap((area) => readArea(area));
const production = files.filter(({ path }) => !isTest(path));

test('the files and their imports were found', () => {
  expect(production.length).toBeGreaterThan(60);
  expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(200);
  expect(files.find(({ path }) => path === 'topics/kafka/connection.ts')?.imports).toContain('shared/errors/cdc-error.ts');
});

test('every file lies in an area that has a rule', () => {
  expect(files.filter(({ path }) => ruleOf(path) === undefined).map(({ path }) => path)).toEqual([]);
});

test('imports go one way', () => {
  expect(breaches(production, mayImport)).toEqual([]);
});

test('a test imports what its folder may import, and the means of testing', () => {
  const tests = files.filter(({ path }) => isTest(path));
  expect(breaches(tests, (from, to) => mayImport(from, to) || /^(test|stack)\//.test(to))).toEqual([]);
});

test('drivers and clients are imported where they belong', () => {
  const isFine = (from: string, to: string): boolean => DRIVERS[packageOf(to)]?.test(from) ?? true;
  expect(breaches(production, isFine)).toEqual([]);
});

test('no file imports itself in a circle', () => {
  expect(findCycles(production)).toEqual([]);
});

function mayImport(from: string, to: string): boolean {
  const rule = ruleOf(from);
  if (rule === undefined || !AREAS.some((area) => to.startsWith(`${area}/`))) return true;
  const [, own, others] = rule;
  return own.test(to) || sharesConnector(from, to) || others.some((prefix) => to.startsWith(prefix));
}

/** `sources/postgres/x.ts` and `sources/postgres/y/z.ts` belong to one connector. */
function sharesConnector(from: string, to: string): boolean {
  const [area, connector, rest] = from.split('/');
  return rest !== undefined && (area === 'sources' || area === 'sinks') && to.startsWith(`${area}/${connector}/`);
}

function ruleOf(path: string): (typeof ALLOWED)[number] | undefined {
  return ALLOWED.find(([area]) => area.test(path));
}

function breaches(of: readonly SourceFile[], isFine: (from: string, to: string) => boolean): string[] {
  return of.flatMap(({ path, imports }) => imports.filter((to) => !isFine(path, to)).map((to) => `${path} imports ${to}`));
}

/** Each circle once, as the path that leads back to its first file. */
function findCycles(of: readonly SourceFile[]): string[] {
  const importsOf = new Map(of.map(({ path, imports }) => [path, imports]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const next of importsOf.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of of) visit(path, []);
  return cycles;
}

function readArea(area: string): SourceFile[] {
  const folder = join(ROOT, area);
  let entries: string[];
  try {
    entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
  return entries.filter((entry) => entry.endsWith('.ts') && !entry.includes('node_modules')).map((entry) => readSource(join(folder, entry)));
}

function readSource(file: string): SourceFile {
  const found = readFileSync(file, 'utf8').matchAll(IMPORT);
  const imports = [...found].map(([, plain, dynamic]) => plain ?? dynamic ?? '');
  return { path: toPath(file), imports: imports.map((name) => (name.startsWith('.') ? toPath(join(dirname(file), name)) : name)) };
}

function toPath(file: string): string {
  return relative(ROOT, file).replaceAll('\\', '/');
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

function isTest(path: string): boolean {
  return path.startsWith('test/') || path.endsWith('.test.ts') || path.endsWith('.bench.ts');
}
