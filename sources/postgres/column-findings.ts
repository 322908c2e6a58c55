import type { Finding } from '../../shared/connector/finding.ts';
import { carriedColumns, type CatalogColumn, type CatalogTable, columnPath, keyOf, type SchemaRules, topicKeyOf } from './catalog.ts';
import type { PostgresSourceConfig } from './config.ts';
import { quoteTable } from './statements.ts';
import pg from 'pg';

/** Sets of columns that are unique among a table's rows, by `schema.table`. */
export type UniqueKeys = ReadonlyMap<string, readonly (readonly string[])[]>;

/** What is wrong with the columns that settings name, in all tables together. */
export function namedColumnProblems(tables: readonly CatalogTable[], config: PostgresSourceConfig): Finding[] {
  const columns = new Set(tables.flatMap((table) => table.columns.map(({ name }) => columnPath(table.ref, name))));
  const keyPaths = [...config.keys].flatMap(([table, names]) => names.map((name) => `${table}.${name}`));
  return [
    ...missing('EXCLUDE_COLUMNS', config.excluded, columns, 'Check the spelling: a column that is not excluded would be published.'),
    ...missing('MASK_COLUMNS', config.masks.keys(), columns, 'Check the spelling: a column that is not masked would be published as it is.'),
    ...missing('MESSAGE_KEY_COLUMNS', keyPaths, columns, 'Check the spelling, and that TABLES has the table.'),
    ...unkeyedHashes(config),
  ];
}

function missing(setting: string, paths: Iterable<string>, known: ReadonlySet<string>, remedy: string): Finding[] {
  return [...paths]
    .filter((path) => !known.has(path))
    .map((path) => {
      const message = `${setting} has ${path}, but no table of TABLES has such a column.`;
      return { severity: 'error', code: 'TABLE_NOT_FOUND', message, remedy, table: path.split('.').slice(0, 2).join('.') };
    });
}

function unkeyedHashes({ masks, settings }: PostgresSourceConfig): Finding[] {
  const hashed = [...masks].filter(([, { kind }]) => kind === 'hash').map(([path]) => path);
  if (hashed.length === 0 || settings.MASK_SECRET !== undefined) return [];
  return [
    {
      severity: 'warning',
      code: 'CONFIG_INVALID',
      message: `MASK_COLUMNS hashes ${hashed.join(', ')} without a key: whoever tries the likely values finds them out.`,
      remedy: 'Set MASK_SECRET (or MASK_SECRET_FILE) to a long random text, the same for every source whose hashes are to be compared.',
    },
  ];
}

/** What is wrong with the masks and the key of one table. */
export function columnProblems(table: CatalogTable, rules: SchemaRules, uniqueKeys: UniqueKeys): Finding[] {
  return [...maskProblems(table, rules), ...protectedKeyProblems(table, rules), ...namedKeyProblems(table, rules, uniqueKeys)];
}

function maskProblems({ ref, columns }: CatalogTable, rules: SchemaRules): Finding[] {
  const paths = columns.filter(({ native }) => native.isArray).map(({ name }) => columnPath(ref, name));
  return paths
    .filter((path) => rules.masks.get(path)?.kind === 'hash')
    .map((path) => ({
      severity: 'error',
      code: 'CONFIG_INVALID',
      message: `MASK_COLUMNS hashes ${path}, which is an array: its elements cannot be hashed one by one.`,
      remedy: `Set ${path}:redact or ${path}:null, or take it out of the topics with EXCLUDE_COLUMNS.`,
    }));
}

/** Without its key a row cannot be found; and how far a snapshot is, is written down by key. */
function protectedKeyProblems(table: CatalogTable, rules: SchemaRules): Finding[] {
  const key = topicKeyOf(table, rules);
  const name = `${table.ref.schema}.${table.ref.name}`;
  const excluded = key.filter((column) => rules.excluded.has(columnPath(table.ref, column)));
  const masked = key.filter((column) => rules.masks.has(columnPath(table.ref, column)));
  const said = [
    ['EXCLUDE_COLUMNS', 'leaves out', excluded],
    ['MASK_COLUMNS', 'masks', masked],
  ] as const;
  return said
    .filter(([, , columns]) => columns.length > 0)
    .map(([setting, does, columns]) => ({
      severity: 'error',
      code: 'CONFIG_INVALID',
      message: `${setting} ${does} ${columns.join(', ')} of ${name}, which is part of its key.`,
      remedy: `Take it out of ${setting}, or name other columns for the key with MESSAGE_KEY_COLUMNS.`,
    }));
}

function namedKeyProblems(table: CatalogTable, rules: SchemaRules, uniqueKeys: UniqueKeys): Finding[] {
  const name = `${table.ref.schema}.${table.ref.name}`;
  const named = rules.keys.get(name);
  const columns = named?.map((column) => table.columns.find((known) => known.name === column));
  if (named === undefined || columns === undefined || columns.includes(undefined)) return [];
  const unsent = unsentProblems(table, named, rules);
  if (unsent.length > 0) return unsent;
  return [...nullableProblems(table, columns as readonly CatalogColumn[]), ...identityProblems(table, named), ...uniqueProblems(table, named, uniqueKeys)];
}

function unsentProblems(table: CatalogTable, named: readonly string[], rules: SchemaRules): Finding[] {
  const carried = new Set(carriedColumns(table, rules).map(({ name }) => name));
  const unsent = named.filter((column) => !carried.has(column) && !rules.excluded.has(columnPath(table.ref, column)));
  if (unsent.length === 0) return [];
  return [
    {
      severity: 'error',
      code: 'CONFIG_INVALID',
      message: `MESSAGE_KEY_COLUMNS names ${unsent.join(', ')} of ${table.ref.schema}.${table.ref.name}, which PostgreSQL does not send: a generated column, or one that the publication leaves out.`,
      remedy: 'Name other columns in MESSAGE_KEY_COLUMNS.',
    },
  ];
}

function nullableProblems({ ref }: CatalogTable, columns: readonly CatalogColumn[]): Finding[] {
  const nullable = columns.filter(({ notNull }) => !notNull).map(({ name }) => name);
  if (nullable.length === 0) return [];
  const changes = nullable.map((column) => `ALTER COLUMN ${pg.escapeIdentifier(column)} SET NOT NULL`);
  return [keyFinding(ref, `may be null in ${nullable.join(', ')}`, `ALTER TABLE ${quoteTable(ref)} ${changes.join(', ')};`)];
}

/** Deletes have to carry the key, and so have updates that change it. */
function identityProblems(table: CatalogTable, named: readonly string[]): Finding[] {
  const identity = keyOf(table);
  const lacking = table.replicaIdentity === 'f' ? [] : named.filter((column) => !identity.includes(column));
  if (lacking.length === 0) return [];
  return [
    keyFinding(
      table.ref,
      `has ${lacking.join(', ')}, which the log does not tell of rows that are deleted`,
      `ALTER TABLE ${quoteTable(table.ref)} REPLICA IDENTITY FULL;`,
    ),
  ];
}

function uniqueProblems({ ref }: CatalogTable, named: readonly string[], uniqueKeys: UniqueKeys): Finding[] {
  const isUnique = uniqueKeys.get(`${ref.schema}.${ref.name}`)?.some((columns) => columns.every((column) => named.includes(column))) === true;
  if (isUnique) return [];
  const columns = named.map((column) => pg.escapeIdentifier(column)).join(', ');
  return [
    keyFinding(
      ref,
      'is unique by no index, so that rows would be taken for one another',
      `CREATE UNIQUE INDEX CONCURRENTLY ON ${quoteTable(ref)} (${columns});`,
    ),
  ];
}

function keyFinding(ref: CatalogTable['ref'], what: string, statement: string): Finding {
  return {
    severity: 'error',
    code: 'REPLICA_IDENTITY',
    message: `The key that MESSAGE_KEY_COLUMNS names for ${ref.schema}.${ref.name} ${what}.`,
    remedy: `${statement} Or name other columns in MESSAGE_KEY_COLUMNS.`,
  };
}
