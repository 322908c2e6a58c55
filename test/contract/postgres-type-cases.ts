import { DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, type Value } from '../../shared/record/value.ts';

const DAY = 86_400_000_000;

export interface TypeCase {
  readonly type: string;
  readonly kind: string;
  /** SQL expressions and the values that they must become. */
  readonly values: readonly (readonly [sql: string, value: Value])[];
}

const long = '7'.repeat(250) + '.' + '3'.repeat(50);

/** Types of PostgreSQL with their edge values: what each must become, by snapshot and by stream. */
export const POSTGRES_TYPE_CASES: readonly TypeCase[] = [
  {
    type: 'boolean',
    kind: 'boolean',
    values: [
      ['true', true],
      ['false', false],
    ],
  },
  {
    type: 'smallint',
    kind: 'int16',
    values: [
      ['-32768', -32768],
      ['32767', 32767],
    ],
  },
  {
    type: 'integer',
    kind: 'int32',
    values: [
      ['-2147483648', -2147483648],
      ['2147483647', 2147483647],
      ['0', 0],
    ],
  },
  {
    type: 'bigint',
    kind: 'int64',
    values: [
      ['9223372036854775807', 9223372036854775807n],
      ['-9223372036854775808', -9223372036854775808n],
      ['9007199254740991', 9007199254740991],
      ['9007199254740993', 9007199254740993n],
      ['-1', -1],
    ],
  },
  { type: 'oid', kind: 'int64', values: [['4294967295', 4294967295]] },
  {
    type: 'real',
    kind: 'float32',
    values: [
      ["'NaN'", NaN],
      ["'Infinity'", Infinity],
      ["'-Infinity'", -Infinity],
      ['3.4028235e38', Math.fround(3.4028235e38)],
      ['1e-45', Math.fround(1e-45)],
      ['0.1', Math.fround(0.1)],
    ],
  },
  {
    type: 'double precision',
    kind: 'float64',
    values: [
      ["'NaN'", NaN],
      ["'Infinity'", Infinity],
      ["'-Infinity'", -Infinity],
      ['1.7976931348623157e308', 1.7976931348623157e308],
      ['5e-324', 5e-324],
      ['0.1', 0.1],
      ["'-0'", -0],
      ['0.30000000000000004', 0.30000000000000004],
    ],
  },
  {
    type: 'numeric(10,2)',
    kind: 'decimal',
    values: [
      ['-99999999.99', '-99999999.99'],
      ['0.5', '0.50'],
      ['0', '0.00'],
      ['-0.01', '-0.01'],
    ],
  },
  { type: 'numeric(38,10)', kind: 'decimal', values: [['1234567890123456789012345678.0123456789', '1234567890123456789012345678.0123456789']] },
  {
    type: 'numeric(5,-2)',
    kind: 'decimal',
    values: [
      ['1234567', '1234600'],
      ['-9999900', '-9999900'],
    ],
  },
  {
    type: 'numeric(3,5)',
    kind: 'decimal',
    values: [
      ['0.00123', '0.00123'],
      ['-0.00999', '-0.00999'],
    ],
  },
  {
    type: 'numeric',
    kind: 'numeric',
    values: [
      [long, long],
      [`-${long}`, `-${long}`],
      ["'NaN'", 'NaN'],
      ["'Infinity'", 'Infinity'],
      ["'-Infinity'", '-Infinity'],
      ['1.500', '1.500'],
    ],
  },
  {
    type: 'text',
    kind: 'text',
    values: [
      ["''", ''],
      ["E'tab\\t newline\\n return\\r backslash\\\\ quote\\' \\\\N \\\\.'", "tab\t newline\n return\r backslash\\ quote' \\N \\."],
      ["'žluťoučký 🐎'", 'žluťoučký 🐎'],
      ["repeat('x', 100000)", 'x'.repeat(100_000)],
    ],
  },
  { type: 'varchar(10)', kind: 'string', values: [["'abc'", 'abc']] },
  { type: 'char(5)', kind: 'string', values: [["'ab'", 'ab   ']] },
  { type: '"char"', kind: 'string', values: [["'x'", 'x']] },
  { type: 'name', kind: 'string', values: [["'n'", 'n']] },
  {
    type: 'bytea',
    kind: 'bytes',
    values: [
      ["'\\x'", Buffer.alloc(0)],
      ["'\\x00ff5c0a09'", Buffer.from('00ff5c0a09', 'hex')],
    ],
  },
  {
    type: 'json',
    kind: 'json',
    values: [
      [`' {"b":1,  "a":[1,2], "b":2} '`, ' {"b":1,  "a":[1,2], "b":2} '],
      [`'"\\u00e9\\n"'`, '"\\u00e9\\n"'],
    ],
  },
  {
    type: 'jsonb',
    kind: 'jsonb',
    values: [
      [`'{"b":1,"a":1.50}'`, '{"a": 1.50, "b": 1}'],
      ["'null'", 'null'],
    ],
  },
  { type: 'uuid', kind: 'uuid', values: [["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']] },
  {
    type: 'date',
    kind: 'date',
    values: [
      ["'1970-01-01'", 0],
      ["'infinity'", DATE_INFINITY],
      ["'-infinity'", DATE_MINUS_INFINITY],
      ["'4713-01-01 BC'", -2_440_550],
      ["'5874897-12-31'", 2145042905],
      ["'0001-12-31 BC'", -719163],
      ["'0001-01-01'", -719162],
      ["'2000-02-29'", 11016],
    ],
  },
  {
    type: 'time',
    kind: 'time',
    values: [
      ["'00:00'", 0],
      ["'24:00:00'", DAY],
      ["'23:59:59.999999'", DAY - 1],
      ["'12:34:56.7'", 45296_700_000],
    ],
  },
  { type: 'time(0)', kind: 'time', values: [["'12:34:56.7'", 45297_000_000]] },
  {
    type: 'timestamp',
    kind: 'timestamp',
    values: [
      ["'1970-01-01'", 0],
      ["'infinity'", TIMESTAMP_INFINITY],
      ["'-infinity'", TIMESTAMP_MINUS_INFINITY],
      ["'294246-12-31 23:59:59.999999'", 9223371244799999999n],
      ["'4713-01-01 00:00:00 BC'", -210_863_520_000_000_000n],
      ["'1969-12-31 23:59:59.999999'", -1],
      ["'0044-03-15 12:00:00.5 BC'", -63_517_780_799_500_000n],
      ["'12024-06-01 01:02:03.000004'", 317286723723000004n],
    ],
  },
  {
    type: 'timestamptz',
    kind: 'timestampTz',
    values: [
      ["'2024-02-29 12:00:00.123456+05:30'", 1709188200123456],
      ["'infinity'", TIMESTAMP_INFINITY],
      ["'-infinity'", TIMESTAMP_MINUS_INFINITY],
      ["'0001-01-01 00:00:00+00 BC'", -62_167_219_200_000_000n],
    ],
  },
  { type: 'timetz', kind: 'string', values: [["'12:34:56.7+02'", '12:34:56.7+02']] },
  {
    type: 'interval',
    kind: 'string',
    values: [
      ["'1 year 2 mons 3 days 04:05:06.7'", '1 year 2 mons 3 days 04:05:06.7'],
      ["'-1 day +00:00:01'", '-1 days +00:00:01'],
    ],
  },
  {
    type: 'mood',
    kind: 'enum',
    values: [
      ["'sad'", 'sad'],
      ["'it''s \"fine\"'", 'it\'s "fine"'],
    ],
  },
  { type: 'price', kind: 'decimal', values: [['12.5', '12.50']] },
  { type: 'inet', kind: 'string', values: [["'192.168.0.1/24'", '192.168.0.1/24']] },
  { type: 'cidr', kind: 'string', values: [["'10.0.0.0/8'", '10.0.0.0/8']] },
  { type: 'macaddr', kind: 'string', values: [["'08:00:2b:01:02:03'", '08:00:2b:01:02:03']] },
  { type: 'bit varying(8)', kind: 'string', values: [["B'1010'", '1010']] },
  { type: 'point', kind: 'string', values: [["'(1.5,2)'", '(1.5,2)']] },
  { type: 'xml', kind: 'string', values: [["'<a>1 &amp; 2</a>'", '<a>1 &amp; 2</a>']] },
  { type: 'tsvector', kind: 'string', values: [["'a fat cat'", "'a' 'cat' 'fat'"]] },
  { type: 'pg_lsn', kind: 'string', values: [["'16/B374D848'", '16/B374D848']] },
  {
    type: 'int4range',
    kind: 'string',
    values: [
      ["'[1,10)'", '[1,10)'],
      ["'empty'", 'empty'],
    ],
  },
  { type: 'tstzrange', kind: 'string', values: [["'[2024-01-01 00:00+01,)'", '["2023-12-31 23:00:00+00",)']] },
  { type: 'int4multirange', kind: 'string', values: [["'{[1,3),[5,7)}'", '{[1,3),[5,7)}']] },
  {
    type: 'int[]',
    kind: 'array',
    values: [
      ["'{}'", []],
      ["'{1,NULL,-3}'", [1, null, -3]],
      ["'[2:3]={7,8}'", [7, 8]],
    ],
  },
  { type: 'bigint[]', kind: 'array', values: [["'{9223372036854775807,1}'", [9223372036854775807n, 1]]] },
  { type: 'boolean[]', kind: 'array', values: [["'{t,f,NULL}'", [true, false, null]]] },
  { type: 'float8[]', kind: 'array', values: [["'{NaN,Infinity,0.1}'", [NaN, Infinity, 0.1]]] },
  { type: 'numeric(8,3)[]', kind: 'array', values: [["'{1,-2.5}'", ['1.000', '-2.500']]] },
  {
    type: 'text[]',
    kind: 'array',
    values: [[`ARRAY['', 'NULL', NULL, 'a,b', '{x}', E'q"u\\\\o', E'new\\nline', ' ']`, ['', 'NULL', null, 'a,b', '{x}', 'q"u\\o', 'new\nline', ' ']]],
  },
  { type: 'bytea[]', kind: 'array', values: [["ARRAY['\\x00ff'::bytea, '']", [Buffer.from('00ff', 'hex'), Buffer.alloc(0)]]] },
  { type: 'uuid[]', kind: 'array', values: [["'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']]] },
  { type: 'jsonb[]', kind: 'array', values: [[`ARRAY['{"a": "x,y"}'::jsonb]`, ['{"a": "x,y"}']]] },
  { type: 'date[]', kind: 'array', values: [["'{1970-01-02,infinity}'", [1, DATE_INFINITY]]] },
  { type: 'timestamptz[]', kind: 'array', values: [["ARRAY['1970-01-01 00:00:01+00'::timestamptz, '-infinity']", [1_000_000, TIMESTAMP_MINUS_INFINITY]]] },
  { type: 'time[]', kind: 'array', values: [["'{00:00:01}'", [1_000_000]]] },
  { type: 'mood[]', kind: 'array', values: [["ARRAY['sad', 'it''s \"fine\"']::mood[]", ['sad', 'it\'s "fine"']]] },
  { type: 'price[]', kind: 'array', values: [["'{1.5}'", ['1.50']]] },
  { type: 'int4range[]', kind: 'array', values: [[`'{"[1,3)",empty}'`, ['[1,3)', 'empty']]] },
  { type: 'box[]', kind: 'array', values: [["ARRAY[box '(1,1),(0,0)', '(3,3),(2,2)']", ['(1,1),(0,0)', '(3,3),(2,2)']]] },
  {
    type: 'int[][]',
    kind: 'json',
    values: [
      ["'{{1,2},{3,NULL}}'", '[[1,2],[3,null]]'],
      ["'{}'", '[]'],
    ],
  },
  { type: 'text[][]', kind: 'json', values: [['\'{{"a",b}}\'', '[["a","b"]]']] },
  { type: 'boolean[][]', kind: 'json', values: [["'{{t,f}}'", '[[true,false]]']] },
];
