import { type ColumnKind, LARGE_KINDS, type Random } from './column-kinds.ts';

/** How a table tells its rows apart: the columns of its key, and the key of row number `n`. */
interface KeyShape {
  readonly declaration: string;
  readonly columns: readonly string[];
  /** Expressions, in the order of `columns`. */
  readonly values: (n: number) => readonly string[];
  /** Behind the columns in CREATE TABLE. */
  readonly constraint: string;
}

export interface RandomColumn {
  readonly name: string;
  readonly kind: ColumnKind;
}

export interface RandomTable {
  readonly name: string;
  readonly key: KeyShape;
  /** Columns beside the key; DDL changes them while the load runs. */
  columns: RandomColumn[];
  readonly after: string;
  /** Rows may be equal, and are found by their first column. */
  readonly isKeyless: boolean;
}

const int: KeyShape = { declaration: 'id int', columns: ['id'], values: (n) => [String(n)], constraint: 'PRIMARY KEY (id)' };
const text = (n: number) => `'k\\''"' || chr(9) || '${n}'`.replace("\\''", "\\' || chr(39) || '");

/** A table of each shape that a source has to cope with, with columns of random kinds. */
const SHAPES: readonly { readonly name: string; readonly key: KeyShape; readonly large?: number; readonly wide?: boolean; readonly after?: string }[] = [
  { name: 'ints', key: int },
  { name: 'uuids', key: { ...int, declaration: 'id uuid', values: (n) => [`md5('${n}')::uuid`] }, large: 1 },
  { name: 'texts', key: { ...int, declaration: 'id text', values: (n) => [text(n)] }, large: 1 },
  {
    name: 'pairs',
    key: { declaration: 'b text, a int', columns: ['a', 'b'], values: (n) => [String(n % 7), `'x${n}'`], constraint: 'PRIMARY KEY (a, b)' },
    large: 1,
  },
  { name: 'fully', key: int, large: 2, after: 'ALTER TABLE fully REPLICA IDENTITY FULL' },
  { name: 'keyless', key: { ...int, constraint: 'CHECK (true)' }, large: 1, after: 'ALTER TABLE keyless REPLICA IDENTITY FULL' },
  {
    name: 'indexed',
    key: {
      declaration: 'serial int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code timestamptz NOT NULL',
      columns: ['code'],
      values: (n) => [`'1960-01-01 00:00:00.000001+00'::timestamptz + ${n} * interval '25 hours'`],
      constraint: 'CONSTRAINT indexed_code UNIQUE (code)',
    },
    large: 1,
    after: 'ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_code',
  },
  { name: 'wide', key: { ...int, declaration: 'id bigint' }, wide: true },
  { name: 'toasted', key: { ...int, declaration: 'id numeric(12,3)', values: (n) => [`${n} / 8.0`] }, large: 3 },
  {
    name: 'parted',
    key: {
      declaration: 'id int, region int',
      columns: ['id', 'region'],
      values: (n) => [String(n), String(n % 3)],
      constraint: 'PRIMARY KEY (id, region)) PARTITION BY LIST (region',
    },
    large: 1,
    after: [0, 1, 2].map((region) => `CREATE TABLE parts.parted${region} PARTITION OF parted FOR VALUES IN (${region})`).join('; '),
  },
];

export function randomTables(random: Random, kinds: readonly ColumnKind[]): RandomTable[] {
  return SHAPES.map(({ name, key, large = 0, wide = false, after = '' }) => {
    const small = wide ? Array.from({ length: 60 }, (_, index) => kinds[index % 5] as ColumnKind) : drawn(random, kinds, 3 + random(6));
    const columns = [...small, ...drawn(random, LARGE_KINDS, large)].map((kind, index) => ({ name: `c${index}`, kind }));
    return { name, key, columns, after, isKeyless: name === 'keyless' };
  });
}

function drawn(random: Random, kinds: readonly ColumnKind[], count: number): ColumnKind[] {
  return Array.from({ length: count }, (_, index) => kinds[(random(kinds.length) + index) % kinds.length] as ColumnKind);
}

export function buildCreate({ name, key, columns, after }: RandomTable): string {
  const declared = columns.map((column) => `${column.name} ${column.kind.type}`);
  const external = columns.filter(({ kind }) => kind.isLarge === true && kind.type !== 'jsonb').map((column) => `ALTER ${column.name} SET STORAGE EXTERNAL`);
  const storage = external.length === 0 ? '' : `; ALTER TABLE ${name} ${external.join(', ')}`;
  return `CREATE TABLE ${name} (${[key.declaration, ...declared, key.constraint].join(', ')}); ${after}${storage}`;
}

export function buildInsert(table: RandomTable, numbers: readonly number[], random: Random): string {
  const { name, key, columns, isKeyless } = table;
  const names = [...key.columns, ...columns.map((column) => column.name)];
  const rows = numbers.map((n) => `(${[...key.values(n), ...columns.map(({ kind }) => literal(kind, random))].join(', ')})`);
  return `INSERT INTO ${name} (${names.join(', ')}) VALUES ${rows.join(', ')}${isKeyless ? '' : ' ON CONFLICT DO NOTHING'}`;
}

/** Some columns of the rows with these numbers. */
export function buildUpdate(table: RandomTable, numbers: readonly number[], random: Random): string {
  const some = table.columns.filter(() => random(3) === 0);
  const chosen = some.length === 0 ? table.columns.slice(0, 1) : some;
  return `UPDATE ${table.name} SET ${chosen.map(({ name, kind }) => `${name} = ${literal(kind, random)}`).join(', ')} WHERE ${isOneOf(table, numbers)}`;
}

export function buildMove(table: RandomTable, from: number, to: number): string {
  const values = table.key.values(to);
  return `UPDATE ${table.name} SET ${table.key.columns.map((column, place) => `${column} = ${values[place]}`).join(', ')} WHERE ${isOneOf(table, [from])}`;
}

export function buildDelete(table: RandomTable, numbers: readonly number[]): string {
  return `DELETE FROM ${table.name} WHERE ${isOneOf(table, numbers)}`;
}

/** The rows as they are, as texts to be compared; the key columns first. */
export function buildTexts({ name, key, columns }: RandomTable): string {
  const texts = [...key.columns.map((column) => keyText(name, column)), ...columns.map((column) => column.kind.sqlText(column.name))];
  return `SELECT ARRAY[${texts.join(', ')}]::text[] AS texts FROM ${name}`;
}

/** Key columns are of kinds whose text is the same on both sides, but for these. */
function keyText(table: string, column: string): string {
  return table === 'indexed' ? `trunc(extract(epoch FROM ${column}) * 1000000)::text` : `${column}::text`;
}

function isOneOf({ key }: RandomTable, numbers: readonly number[]): string {
  return `(${key.columns.join(', ')}) IN (${numbers.map((n) => `(${key.values(n).join(', ')})`).join(', ')})`;
}

export function literal(kind: ColumnKind, random: Random): string {
  return random(8) === 0 ? 'NULL' : `(${kind.literal(random)})::${kind.type}`;
}
