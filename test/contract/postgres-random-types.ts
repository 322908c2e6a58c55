import fc from 'fast-check';

/** A type of PostgreSQL with random values of it, as expressions of SQL. */
export interface RandomType {
  readonly type: string;
  readonly values: fc.Arbitrary<string>;
  /** What has to be installed for it. */
  readonly extension?: string;
}

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
/** PostgreSQL's text has no NUL, and UTF-8 no lone surrogates. */
const anyText = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => text.replaceAll('\0', '').replaceAll(/[\ud800-\udfff]/gu, '?'));
const hex = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const digits = (most: number) => fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: most }).map((list) => list.join(''));
const sign = fc.constantFrom('', '-');
const orSpecial = (values: fc.Arbitrary<string>, ...specials: readonly string[]) =>
  fc.oneof({ weight: 4, arbitrary: values }, { weight: 1, arbitrary: fc.constantFrom(...specials.map(quote)) });
const date = orSpecial(
  fc.integer({ min: -2_440_550, max: 2_145_042_905 }).map((days) => `'1970-01-01'::date + (${days})`),
  'infinity',
  '-infinity',
  '4713-01-01 BC',
  '5874897-12-31',
  '0001-12-31 BC',
);
const micros = fc.bigInt({ min: -210_863_520_000_000_000n, max: 9_224_286_307_199_999_999n - 1_000_000_000_000_000n });
const timestamp = (zone: string) =>
  orSpecial(
    micros.map(
      (value) =>
        `'1970-01-01${zone}'::timestamp${zone === '' ? '' : 'tz'} + ${value / 1_000_000n} * interval '1 second' + ${value % 1_000_000n} * interval '1 microsecond'`,
    ),
    'infinity',
    '-infinity',
    `4713-01-01 00:00:00${zone} BC`,
    `294246-12-31 23:59:59.999999${zone}`,
    `1883-11-18 12:03:57.5${zone}`,
  );
const numeric = orSpecial(
  fc.tuple(sign, digits(300), digits(200)).map(([minus, whole, rest]) => `${minus}${whole}.${rest}`),
  'NaN',
  'Infinity',
  '-Infinity',
  '0',
  '1e-300',
  '0.000',
  '1e400',
);
const json = fc
  .tuple(fc.jsonValue({ maxDepth: 3 }), digits(40))
  .map(([value, number]) => quote(`{"v": ${JSON.stringify(value).replaceAll('\\u0000', '')} , "n": ${number.replace(/^0+(?=\d)/, '')}.10}`))
  .filter((text) => !/\\u[dD][89a-fA-F]/.test(text));
const arrayOf = (type: string, element: fc.Arbitrary<string>, maxLength = 5) =>
  fc
    .array(fc.option(element, { freq: 4 }), { maxLength })
    .map((items) => `ARRAY[${items.map((item) => (item === null ? 'NULL' : `(${item})::${type}`)).join(', ')}]::${type}[]`);
const int = fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }).map((value) => `(${value})`);
const bigint = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => `'${value}'`);
const bound = fc.integer({ min: -1e6, max: 1e6 });
const range = (type: string) =>
  fc.tuple(bound, fc.nat(1000), fc.constantFrom('[]', '[)', '(]', '()'), fc.nat(4)).map(([low, size, ends, open]) => {
    const [from, to] = [open === 1 ? 'NULL' : low, open === 2 ? 'NULL' : low + size];
    return open === 3 ? `'empty'::${type}` : `${type}(${from}, ${to}, '${ends}')`;
  });
const bits = fc.array(fc.constantFrom('0', '1'), { maxLength: 70 }).map((list) => `B'${list.join('')}'`);
const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }).map(String);

/** Types that are read in binary form, where there are no others. */
export const READ_IN_BINARY: ReadonlySet<string> = new Set(
  [
    ['boolean', 'smallint', 'integer', 'bigint', 'oid', 'real', 'double precision'],
    ['numeric', 'numeric(10,2)', 'numeric(38,10)', 'numeric(100,40)', 'numeric(5,-2)', 'numeric(6,-3)', 'numeric(3,5)', 'numeric(3,6)', 'price'],
    ['text', 'varchar(10)', 'varchar(80)', 'char(5)', 'char(7)', 'name', 'citext', 'mood', 'bytea', 'json', 'jsonb', 'uuid'],
    ['date', 'time', 'time(0)', 'timestamp', 'timestamptz'],
    [
      'mood[]',
      'integer[]',
      'bigint[]',
      'double precision[]',
      'numeric[]',
      'prices',
      'text[]',
      'bytea[]',
      'timestamptz[]',
      'date[]',
      'uuid[]',
      'jsonb[]',
      'boolean[]',
    ],
    ['integer[][]', 'text[][]', 'numeric[][]'],
  ].flat(),
);

/** Every type that the source carries, and composite ones as text. */
export const RANDOM_TYPES: readonly RandomType[] = [
  { type: 'boolean', values: fc.constantFrom('true', 'false') },
  { type: 'smallint', values: fc.integer({ min: -32_768, max: 32_767 }).map((value) => `(${value})`) },
  { type: 'integer', values: int },
  { type: 'bigint', values: bigint },
  { type: 'oid', values: fc.nat(4_294_967_295).map((value) => `'${value}'`) },
  {
    type: 'real',
    values: orSpecial(
      fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => `'${value}'`),
      'NaN',
      'Infinity',
      '-Infinity',
      '-0',
    ),
  },
  {
    type: 'double precision',
    values: orSpecial(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `'${value}'`),
      'NaN',
      'Infinity',
      '-Infinity',
      '-0',
    ),
  },
  { type: 'numeric', values: numeric },
  { type: 'numeric(100,40)', values: fc.tuple(sign, digits(60), digits(40)).map(([minus, whole, rest]) => `${minus}${whole}.${rest}`) },
  { type: 'numeric(6,-3)', values: fc.integer({ min: -999_000_000, max: 999_000_000 }).map((value) => `(${value})`) },
  { type: 'numeric(3,6)', values: fc.integer({ min: -999, max: 999 }).map((value) => `(${value} / 1000000.0)`) },
  { type: 'price', values: fc.integer({ min: -999_999_999, max: 999_999_999 }).map((value) => `(${value} / 100.0)`) },
  {
    type: 'prices',
    values: arrayOf(
      'price',
      fc.integer({ min: -9999, max: 9999 }).map((value) => `(${value} / 100.0)`),
    ),
  },
  { type: 'text', values: anyText.map(quote) },
  { type: 'varchar(80)', values: anyText.map((text) => `left(${quote(text)}, 80)`) },
  { type: 'char(7)', values: anyText.map((text) => `left(${quote(text)}, 7)`) },
  { type: '"char"', values: fc.constantFrom("'x'", "''", "'\\'") },
  { type: 'bytea', values: hex.map((text) => `decode('${text}', 'hex')`) },
  { type: 'json', values: json },
  { type: 'jsonb', values: json },
  { type: 'uuid', values: fc.uuid().map(quote) },
  { type: 'date', values: date },
  {
    type: 'time',
    values: orSpecial(
      fc.nat(86_399_999_999).map((value) => `'00:00'::time + ${value} * interval '1 microsecond'`),
      '24:00:00',
    ),
  },
  {
    type: 'timetz',
    values: fc
      .tuple(fc.nat(86_399), fc.integer({ min: -15, max: 15 }))
      .map(([seconds, zone]) => `('00:00'::time + ${seconds} * interval '1 second')::text || '${zone < 0 ? zone : `+${zone}`}'`),
  },
  { type: 'timestamp', values: timestamp('') },
  { type: 'timestamptz', values: timestamp('+00') },
  {
    type: 'interval',
    values: fc
      .tuple(bound, bound, fc.integer({ min: -1e9, max: 1e9 }))
      .map(([months, days, seconds]) => `${months} * interval '1 month' + ${days} * interval '1 day' + ${seconds} * interval '0.001 s'`),
  },
  { type: 'mood', values: fc.constantFrom("'sad'", `'it''s "fine"'`) },
  { type: 'mood[]', values: arrayOf('mood', fc.constantFrom("'sad'", `'it''s "fine"'`)) },
  { type: 'money', values: fc.integer({ min: -1e9, max: 1e9 }).map((value) => `'${value / 100}'`) },
  { type: 'inet', values: fc.oneof(fc.ipV4(), fc.ipV6()).map(quote) },
  { type: 'macaddr8', values: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => quote(value.toString(16).padStart(16, '0'))) },
  { type: 'bit varying(70)', values: bits },
  { type: 'point', values: fc.tuple(number, number).map(([x, y]) => `point(${x}, ${y})`) },
  { type: 'box', values: fc.tuple(number, number).map(([x, y]) => `box(point(${x}, ${y}), point(${y}, ${x}))`) },
  { type: 'circle', values: number.map((x) => `circle(point(${x}, 1), 2)`) },
  { type: 'tsvector', values: anyText.map((text) => `to_tsvector('simple', ${quote(text)})`) },
  { type: 'int4range', values: range('int4range') },
  { type: 'numrange', values: range('numrange') },
  { type: 'int4multirange', values: fc.tuple(range('int4range'), range('int4range')).map(([a, b]) => `int4multirange(${a}, ${b})`) },
  {
    type: 'daterange',
    values: fc
      .tuple(bound, fc.nat(500))
      .map(([low, size]) => `daterange('2000-01-01'::date + (${Math.trunc(low / 2)}), '2000-01-01'::date + (${Math.trunc(low / 2) + size}))`),
  },
  {
    type: 'integer[]',
    values: fc.oneof(
      arrayOf('integer', int),
      fc.tuple(bound, fc.integer({ min: -5, max: 5 })).map(([value, low]) => `'[${low}:${low + 1}]={${value},NULL}'`),
    ),
  },
  { type: 'bigint[]', values: arrayOf('bigint', bigint) },
  { type: 'double precision[]', values: arrayOf('double precision', number) },
  { type: 'numeric[]', values: arrayOf('numeric', numeric) },
  { type: 'text[]', values: arrayOf('text', anyText.map(quote)) },
  {
    type: 'bytea[]',
    values: arrayOf(
      'bytea',
      hex.map((text) => `decode('${text}', 'hex')`),
    ),
  },
  { type: 'timestamptz[]', values: arrayOf('timestamptz', timestamp('+00')) },
  { type: 'date[]', values: arrayOf('date', date) },
  { type: 'uuid[]', values: arrayOf('uuid', fc.uuid().map(quote)) },
  { type: 'jsonb[]', values: arrayOf('jsonb', json) },
  { type: 'boolean[]', values: arrayOf('boolean', fc.constantFrom('true', 'false')) },
  { type: 'integer[][]', values: fc.tuple(bound, bound).map(([a, b]) => `'{{${a},NULL},{${b},1}}'`) },
  { type: 'text[][]', values: fc.tuple(anyText, anyText).map(([a, b]) => `ARRAY[[${quote(a)}, NULL], [${quote(b)}, 'x']]`) },
  { type: 'numeric[][]', values: fc.tuple(numeric, numeric).map(([a, b]) => `ARRAY[[(${a})::numeric], [(${b})::numeric]]`) },
  { type: 'pair', values: fc.tuple(bound, anyText).map(([a, b]) => `ROW(${a}, ${quote(b)})::pair`) },
  {
    type: 'pair[]',
    values: arrayOf(
      'pair',
      fc.tuple(bound, anyText).map(([a, b]) => `ROW(${a}, ${quote(b)})::pair`),
    ),
  },
  { type: 'hstore', extension: 'hstore', values: fc.tuple(anyText, anyText).map(([key, value]) => `hstore(${quote(key)}, ${quote(value)})`) },
  { type: 'ltree', extension: 'ltree', values: fc.tuple(digits(9), digits(9)).map(([a, b]) => `'a${a}.b${b}'`) },
  { type: 'citext', extension: 'citext', values: anyText.map(quote) },
];
