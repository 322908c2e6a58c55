import type { randomNumbers } from '../contract/random-history.ts';
import { showValue } from '../acceptance/topic-replay.ts';

export type Random = ReturnType<typeof randomNumbers>;

/** A kind of column: how random tables declare it and fill it, and how its value is written on both sides to be compared. */
export interface ColumnKind {
  readonly type: string;
  /** A random value, as an expression of SQL. */
  readonly literal: (random: Random) => string;
  /** The value in the table as text; null for NULL. */
  readonly sqlText: (column: string) => string;
  /** The same text from the value that travelled. */
  readonly show: (value: unknown) => string;
  /** A type to which the column may be widened. */
  readonly wider?: string;
  /** May be stored apart from its row, and then be left out of an update. */
  readonly isLarge?: boolean;
}

const plain = (column: string) => `${column}::text`;
const micros = (column: string) => `trunc(extract(epoch FROM ${column}) * 1000000)::text`;
const pick = <T>(random: Random, choices: readonly T[]): T => choices[random(choices.length)] as T;
const digits = (random: Random, count: number) => Array.from({ length: count }, () => random(10)).join('');
/** Text of any characters that trouble somebody: quotes, escapes, tabs, several bytes. */
const oddText = (random: Random, length: number) =>
  quote(Array.from({ length: random(length) }, () => pick(random, ["'", '"', '\\', '\t', '\n', ',', '{', '}', 'a', 'é', '🐎', ' ', 'N', '\\N', '%'])).join(''));
const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
/** Not to be compressed below the limit of TOAST; now and then short enough to stay in its row. */
const large = (random: Random) => `left(repeat(md5('${random(1e9)}'), ${pick(random, [1, 20, 90, 250])}), ${40 + random(8000)})`;

function special(random: Random, specials: readonly string[], usual: string): string {
  return random(5) === 0 ? `'${pick(random, specials)}'` : usual;
}

function decimal(scale: number): (value: unknown) => string {
  return (value) => {
    const bytes = value as Buffer;
    const unscaled = bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
    const text = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
    return `${unscaled < 0n ? '-' : ''}${text.slice(0, -scale)}.${text.slice(-scale)}`;
  };
}

function floatHex(bytes: 4 | 8): (value: unknown) => string {
  return (value) => {
    const buffer = Buffer.alloc(bytes);
    if (bytes === 4) buffer.writeFloatBE(Number(value));
    else buffer.writeDoubleBE(Number(value));
    return buffer.toString('hex');
  };
}

/** ±infinity travels as the largest and smallest value of the Avro type. */
function withInfinity(expression: (column: string) => string, bits: 32n | 64n): (column: string) => string {
  const [smallest, largest] = [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
  return (column) => `CASE ${column}::text WHEN 'infinity' THEN '${largest}' WHEN '-infinity' THEN '${smallest}' ELSE ${expression(column)} END`;
}

export const SMALL_KINDS: readonly ColumnKind[] = [
  { type: 'boolean', literal: (random) => pick(random, ['true', 'false']), sqlText: plain, show: showValue },
  { type: 'smallint', literal: (random) => String(random(65_536) - 32_768), sqlText: plain, show: showValue, wider: 'integer' },
  { type: 'integer', literal: (random) => String(random(2 ** 32) - 2 ** 31), sqlText: plain, show: showValue, wider: 'bigint' },
  {
    type: 'bigint',
    literal: (random) => special(random, ['9223372036854775807', '-9223372036854775808', '9007199254740993'], `${random(2 ** 32)}::bigint << ${random(30)}`),
    sqlText: plain,
    show: showValue,
  },
  {
    type: 'real',
    literal: (random) => special(random, ['NaN', 'Infinity', '-Infinity', '-0', '1e-45'], `${random(1e9)} / 7.0`),
    sqlText: (column) => `encode(float4send(${column}), 'hex')`,
    show: floatHex(4),
  },
  {
    type: 'double precision',
    literal: (random) => special(random, ['NaN', 'Infinity', '-Infinity', '-0', '5e-324', '1.7976931348623157e308'], `${random(1e9)} / 7.0::float8`),
    sqlText: (column) => `encode(float8send(${column}), 'hex')`,
    show: floatHex(8),
  },
  {
    type: 'numeric(12,3)',
    literal: (random) => `${random(1e9) - 5e8}.${digits(random, 3)}`,
    sqlText: plain,
    show: decimal(3),
  },
  {
    type: 'numeric',
    literal: (random) => special(random, ['NaN', '1e50', `-${'7'.repeat(60)}.${'3'.repeat(40)}`], `${random(1e9)}.${digits(random, random(9) + 1)}`),
    sqlText: plain,
    show: showValue,
  },
  { type: 'varchar(40)', literal: (random) => oddText(random, 12), sqlText: plain, show: showValue, wider: 'varchar(80)' },
  { type: 'char(5)', literal: (random) => quote(digits(random, random(5))), sqlText: (column) => `rpad(${column}::text, 5)`, show: showValue },
  { type: 'text', literal: (random) => oddText(random, 40), sqlText: plain, show: showValue },
  {
    type: 'date',
    literal: (random) => special(random, ['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31'], `'1970-01-01'::date + ${random(60_000) - 30_000}`),
    sqlText: withInfinity((column) => `(${column} - '1970-01-01'::date)::text`, 32n),
    show: showValue,
  },
  {
    type: 'time',
    literal: (random) => special(random, ['24:00:00', '00:00:00', '23:59:59.999999'], `'00:00:00'::time + ${random(1e9)} * interval '1 microsecond'`),
    sqlText: micros,
    show: showValue,
  },
  {
    type: 'timestamp',
    literal: (random) => special(random, ['infinity', '-infinity', '4713-01-01 BC', '294246-12-31 23:59:59.999999'], timestamp(random)),
    sqlText: withInfinity(micros, 64n),
    show: showValue,
  },
  {
    type: 'timestamptz',
    literal: (random) => special(random, ['infinity', '-infinity', '0044-03-15 12:00:00.5+00 BC', '1883-11-18 12:03:57+00'], timestamp(random)),
    sqlText: withInfinity(micros, 64n),
    show: showValue,
  },
  { type: 'uuid', literal: (random) => `md5('${random(1e9)}')::uuid`, sqlText: plain, show: showValue },
  { type: 'bytea', literal: (random) => `decode('5c00ff0a09${digits(random, random(10) * 2)}', 'hex')`, sqlText: plain, show: showValue },
  { type: 'mood', literal: (random) => `'${pick(random, ['sad', "it''s", 'fine'])}'`, sqlText: plain, show: showValue },
  {
    type: 'integer[]',
    literal: (random) => `'{${Array.from({ length: random(6) }, () => pick(random, ['NULL', String(random(1e6))])).join(',')}}'`,
    sqlText: (column) => `'[' || array_to_string(${column}, ',', 'null') || ']'`,
    show: showValue,
  },
  {
    type: 'text[]',
    literal: (random) => `ARRAY[${Array.from({ length: random(4) }, () => pick(random, ['NULL', oddText(random, 6)])).join(',')}]::text[]`,
    sqlText: (column) => `'[' || array_to_string(${column}, ',', 'null') || ']'`,
    show: showValue,
  },
  { type: 'jsonb', literal: (random) => `'{"b": ${random(100)}.50, "a": [9007199254740993, null, "\\u00e9"]}'`, sqlText: plain, show: showValue },
  { type: 'json', literal: (random) => `'{"b" : ${random(100)}.50,  "b":12345678901234567890}'`, sqlText: plain, show: showValue },
  { type: 'int4range', literal: (random) => `int4range(${random(100)}, ${100 + random(100)})`, sqlText: plain, show: showValue },
  { type: 'interval', literal: (random) => `${random(1e9)} * interval '1 second' + ${random(40)} * interval '1 month'`, sqlText: plain, show: showValue },
  { type: 'inet', literal: (random) => `'10.${random(256)}.0.${random(256)}/24'`, sqlText: plain, show: showValue },
];

/** Without those that are read as text: a log that has one of them comes as text altogether. */
export const BINARY_KINDS: readonly ColumnKind[] = SMALL_KINDS.filter(({ type }) => !['int4range', 'interval', 'inet'].includes(type));

/** Ends of what PostgreSQL can tell, and near them: beyond the range of dates that other targets hold. */
const BEYOND_TARGETS = / BC|\+00 BC|5874897|294246/;

/** The same kinds, with values that every target holds. */
export const TARGET_KINDS: readonly ColumnKind[] = SMALL_KINDS.map((kind) => ({
  ...kind,
  literal: (random) => {
    for (;;) {
      const value = kind.literal(random);
      if (!BEYOND_TARGETS.test(value)) return value;
    }
  },
}));

export const LARGE_KINDS: readonly ColumnKind[] = [
  { type: 'text', literal: large, sqlText: plain, show: showValue, isLarge: true },
  { type: 'jsonb', literal: (random) => `to_jsonb(${large(random)})`, sqlText: plain, show: showValue, isLarge: true },
  { type: 'bytea', literal: (random) => `convert_to(${large(random)}, 'UTF8')`, sqlText: plain, show: showValue, isLarge: true },
];

function timestamp(random: Random): string {
  return `'1970-01-01'::timestamp + ${random(4e9)} * interval '1 second' + ${random(1e6)} * interval '1 microsecond'`;
}
