import type { DataType } from '../../shared/record/data-type.ts';
import type { Value } from '../../shared/record/value.ts';

export interface ValueCase {
  readonly label: string;
  readonly type: DataType;
  readonly values: readonly Value[];
}

const NOON = 1_700_049_600_123_456;

/** Values of every type that a sink must give back as they were sent. */
export const VALUE_CASES: readonly ValueCase[] = [
  { label: 'booleans', type: { kind: 'boolean' }, values: [true, false] },
  { label: 'int16', type: { kind: 'int16' }, values: [0, 1, -1, 32_767, -32_768] },
  { label: 'int32', type: { kind: 'int32' }, values: [0, 2_147_483_647, -2_147_483_648] },
  {
    label: 'int64',
    type: { kind: 'int64' },
    values: [0, -1, 4_294_967_296, Number.MAX_SAFE_INTEGER, -9_007_199_254_740_991, 9_223_372_036_854_775_807n, -9_223_372_036_854_775_808n],
  },
  { label: 'uint64', type: { kind: 'uint64' }, values: ['0', '9223372036854775808', '18446744073709551615'] },
  { label: 'float32', type: { kind: 'float32' }, values: [0, 1.5, -0.25, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] },
  { label: 'float64', type: { kind: 'float64' }, values: [0, 0.1, -1e300, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] },
  { label: 'decimal(12,2)', type: { kind: 'decimal', precision: 12, scale: 2 }, values: ['0.00', '0.01', '-0.01', '1234567890.12', '-9999999999.99'] },
  { label: 'decimal(5,0)', type: { kind: 'decimal', precision: 5, scale: 0 }, values: ['0', '99999', '-99999'] },
  { label: 'decimal(38,10)', type: { kind: 'decimal', precision: 38, scale: 10 }, values: ['1234567890123456789012345678.0123456789', '-0.0000000001'] },
  {
    label: 'decimal(76,20)',
    type: { kind: 'decimal', precision: 76, scale: 20 },
    values: [`${'9'.repeat(56)}.${'9'.repeat(20)}`, `-${'9'.repeat(56)}.${'9'.repeat(20)}`],
  },
  { label: 'decimal(100,10)', type: { kind: 'decimal', precision: 100, scale: 10 }, values: [`${'9'.repeat(90)}.0123456789`] },
  { label: 'numeric', type: { kind: 'numeric' }, values: ['1.50', 'NaN', 'Infinity', '-Infinity', `${'1234567890'.repeat(20)}.5`] },
  { label: 'strings', type: { kind: 'string' }, values: ['', 'a', "it's", '{"x":1}', 'NULL', '\\N', 'tab\tline\nreturn\r', 'größe 大 🎈'] },
  { label: 'texts', type: { kind: 'text' }, values: ['x'.repeat(100_000), 'ü'.repeat(200), ' '] },
  { label: 'enums', type: { kind: 'enum', values: ['new', 'paid'] }, values: ['new', 'paid'] },
  { label: 'bytes', type: { kind: 'bytes' }, values: [Buffer.from([0, 1, 2, 255, 10, 92]), Buffer.alloc(0), Buffer.alloc(1000, 7)] },
  { label: 'json', type: { kind: 'json' }, values: ['{"b":1,"a":[1,2.5,"x",null,true]}', '"text"', 'null', '[]'] },
  { label: 'jsonb', type: { kind: 'jsonb' }, values: ['{"a": {"b": "ü\\" "}}', '12345678901234567890', 'false'] },
  {
    label: 'uuids',
    type: { kind: 'uuid' },
    values: ['6f1c2a3e-1234-4567-89ab-0123456789ab', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  },
  { label: 'dates', type: { kind: 'date' }, values: [0, 19_676, -25_567, 120_529] },
  { label: 'times', type: { kind: 'time', unit: 'micros' }, values: [0, 45_296_000_000, 86_399_999_999] },
  { label: 'times in milliseconds', type: { kind: 'time', unit: 'millis' }, values: [45_296_123_000] },
  { label: 'timestamps', type: { kind: 'timestamp', unit: 'micros' }, values: [0, NOON, -1, -2_208_988_800_000_000, 10_413_791_999_999_999n] },
  { label: 'timestamps in milliseconds', type: { kind: 'timestamp', unit: 'millis' }, values: [1_700_049_600_123_000] },
  { label: 'timestamps with time zone', type: { kind: 'timestampTz', unit: 'micros' }, values: [NOON, NOON + 1] },
  { label: 'arrays of int32', type: { kind: 'array', element: { kind: 'int32' } }, values: [[], [1, null, -3]] },
  { label: 'arrays of text', type: { kind: 'array', element: { kind: 'text' } }, values: [['a', null, '', 'NULL', '{}"\\,\'']] },
  { label: 'arrays of decimal(12,2)', type: { kind: 'array', element: { kind: 'decimal', precision: 12, scale: 2 } }, values: [['1.50', '-2.00', null]] },
  { label: 'arrays of timestamps', type: { kind: 'array', element: { kind: 'timestampTz', unit: 'micros' } }, values: [[NOON, null]] },
  { label: 'arrays of uuids', type: { kind: 'array', element: { kind: 'uuid' } }, values: [['6f1c2a3e-1234-4567-89ab-0123456789ab']] },
  { label: 'arrays of booleans', type: { kind: 'array', element: { kind: 'boolean' } }, values: [[true, false, null]] },
];

const KEY_LABELS = [
  'booleans',
  'int16',
  'int32',
  'int64',
  'uint64',
  'decimal(12,2)',
  'decimal(38,10)',
  'strings',
  'enums',
  'bytes',
  'uuids',
  'dates',
  'times',
  'timestamps',
  'timestamps with time zone',
];
export const KEY_CASES: readonly ValueCase[] = VALUE_CASES.filter(({ label }) => KEY_LABELS.includes(label));
