import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { readOptions } from '../../shared/config/options.ts';
import { SOURCE_OPTIONS } from '../../shared/config/source-options.ts';
import { catalogTable } from '../../test/contract/postgres-tables.ts';
import type { CatalogTable, PublishedShape } from './catalog.ts';
import { POSTGRES_OPTIONS, toConfig } from './config.ts';
import { filterProblems } from './publication.ts';
import { type PlanInput, planPublication, type PublicationState } from './publication-plan.ts';

const T = catalogTable([
  { name: 'id', type: 'int4', primaryPlace: 1 },
  { name: 'secret', type: 'text' },
  { name: 'stored', type: 'int4', isGenerated: true, isStored: true },
  { name: 'virtual', type: 'int4', isGenerated: true },
  { name: 'note', type: 'text' },
]);

function publicationOf(shape: PublishedShape | undefined, more: Partial<PublicationState> = {}): PublicationState {
  return {
    id: '1',
    server_version: 180_000,
    all_tables: shape === undefined,
    has_changes: true,
    has_truncates: true,
    via_root: true,
    has_generated: false,
    is_owner: true,
    tables: ['public.t'],
    shapes: new Map(shape === undefined ? [] : [['public.t', shape]]),
    ...more,
  };
}

const EXCLUDED = { EXCLUDE_COLUMNS: 'public.t.secret' };
const FILTERED = { ROW_FILTER: 'public.t: id > 1' };
const NAMED = { SOURCE_PUBLICATION_NAME: 'by hand' };

function plan(settings: Readonly<Record<string, string>>, input: Partial<PlanInput> & { readonly table?: CatalogTable } = {}) {
  const given = { SOURCE_NAME: 'shop', SOURCE_URL: 'postgres://localhost/shop', TABLES: 'public.*', ...settings };
  const config = toConfig(readOptions({ ...SOURCE_OPTIONS, ...POSTGRES_OPTIONS }, given).settings);
  const tables = [input.table ?? T];
  const [found] = planPublication({ config, version: 180_000, publication: undefined, fullPartitions: new Set(), ...input, tables });
  return found;
}

test('an older server has no row filters, which is found without asking it', async () => {
  const config = toConfig(
    readOptions({ ...SOURCE_OPTIONS, ...POSTGRES_OPTIONS }, { SOURCE_NAME: 'shop', SOURCE_URL: 'postgres://h/d', TABLES: 'public.*', ...FILTERED }).settings,
  );
  const findings = await filterProblems(new Client(), { config, version: 140_000, tables: [T], publication: undefined });
  expect(findings).toMatchObject([{ severity: 'error', code: 'CONFIG_INVALID', message: expect.stringContaining('PostgreSQL 15') as string }]);
});

describe('a new publication', () => {
  test('lists the columns that are not left out, generated ones with them where the server can send them', () => {
    expect(plan(EXCLUDED)).toMatchObject({ change: 'add', shape: { columns: ['id', 'stored', 'note'], filter: null }, leaks: [] });
    expect(plan(EXCLUDED, { version: 170_000 })?.shape.columns).toEqual(['id', 'note']);
  });

  test('has no list where nothing is left out, and the condition of its rows', () => {
    expect(plan(FILTERED)?.shape).toEqual({ columns: null, filter: 'id > 1' });
  });

  test.each([
    ['an old server', { version: 140_000 }],
    ['REPLICA IDENTITY FULL', { table: { ...T, replicaIdentity: 'f' } }],
    ['REPLICA IDENTITY FULL of a partition', { fullPartitions: new Set(['public.t']) }],
  ])('has no list with %s: PostgreSQL would not have it, or refuse updates', (_, input) => {
    expect(plan(EXCLUDED, input)).toMatchObject({ shape: { columns: null }, leaks: ['secret'] });
  });

  test('has no list where it would lack a column of the replica identity', () => {
    expect(plan({ EXCLUDE_COLUMNS: 'public.t.id' })?.shape.columns).toBeNull();
  });
});

describe('a publication of ours', () => {
  test.each([
    ['stays as it is', {}, { columns: null, filter: null }, 'none', false],
    ['gets a list', EXCLUDED, { columns: null, filter: null }, 'set', false],
    ['keeps its list', EXCLUDED, { columns: ['note', 'id'], filter: null }, 'none', false],
    ['gets a column that was added', EXCLUDED, { columns: ['id'], filter: null }, 'set', true],
    ['loses a list that nobody asks for', {}, { columns: ['id', 'note'], filter: null }, 'set', true],
    ['loses a condition that nobody asks for', {}, { columns: null, filter: '(id > 1)' }, 'set', false],
    ['gets a condition', FILTERED, { columns: null, filter: null }, 'set', false],
  ] as const)('%s', (_, settings, now, change, isWider) => {
    expect(plan(settings, { publication: publicationOf(now) })).toMatchObject({ change, isWider, leftOut: [] });
  });
});

test('a publication of ours stays as it is while a column to be left out is not found: it may have another name now', () => {
  const now = { columns: ['id', 'note'], filter: null };
  const settings = { EXCLUDE_COLUMNS: 'public.t.secret,public.t.hidden' };
  expect(plan(settings, { publication: publicationOf({ columns: ['id'], filter: null }) })).toMatchObject({ change: 'none' });
  expect(plan({ EXCLUDE_COLUMNS: 'public.t.hidden' }, { publication: publicationOf(now) })).toMatchObject({ change: 'none', shape: now });
});

describe('a publication that was made by hand', () => {
  test('is never widened: what it leaves out is told', () => {
    const input = { publication: publicationOf({ columns: ['id'], filter: '(id > 1)' }) };
    expect(plan(NAMED, input)).toMatchObject({ change: 'none', shape: { columns: ['id'], filter: '(id > 1)' }, leftOut: ['secret', 'note'] });
    expect(plan({ ...NAMED, ...EXCLUDED }, input)).toMatchObject({ change: 'none', leftOut: ['note'] });
  });

  test('is not changed, and what of it leaks is told; nor is one that we may not change', () => {
    const now = { columns: ['id', 'secret'], filter: null };
    const expected = { change: 'none', shape: now, wanted: { columns: ['id', 'note'] }, leaks: ['secret'] };
    expect(plan({ ...NAMED, ...EXCLUDED }, { publication: publicationOf(now) })).toMatchObject(expected);
    expect(plan(EXCLUDED, { publication: publicationOf(now, { is_owner: false }) })).toMatchObject(expected);
  });

  test('gets the tables that it lacks, each with its list', () => {
    const input = { publication: publicationOf({ columns: null, filter: null }, { tables: ['public.other'] }) };
    expect(plan({ ...NAMED, ...EXCLUDED, ...FILTERED }, input)).toMatchObject({ change: 'add', shape: { columns: ['id', 'note'], filter: 'id > 1' } });
  });

  test('of all tables, or of a schema, has neither lists nor conditions', () => {
    const input = { publication: publicationOf(undefined) };
    expect(plan({ ...EXCLUDED, ...FILTERED }, input)).toMatchObject({ change: 'none', shape: { columns: null, filter: null }, leaks: ['secret'] });
  });
});
