import { expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { fitOf, type Fit } from './type-fit.ts';

const widen = (to: string, isSilent = false): Fit => ({ verdict: 'widen', to, isSilent });
const fits: Fit = { verdict: 'fits' };
const checked: Fit = { verdict: 'checked' };
const no: Fit = { verdict: 'no' };

const int32: DataType = { kind: 'int32' };
const int64: DataType = { kind: 'int64' };
const string: DataType = { kind: 'string' };
const text: DataType = { kind: 'text' };
const amount: DataType = { kind: 'decimal', precision: 12, scale: 2 };
const timestamp: DataType = { kind: 'timestamp', unit: 'micros' };
const timestampTz: DataType = { kind: 'timestampTz', unit: 'micros' };

/** Category as pg_type has it. */
const CATEGORIES: Readonly<Record<string, string>> = { boolean: 'B', date: 'D', inet: 'I', uuid: 'U', bytea: 'U', json: 'U', jsonb: 'U', interval: 'T' };

function categoryOf(type: string): string {
  if (type.endsWith('[]')) return 'A';
  if (/^(text|char|bpchar)/.test(type)) return 'S';
  if (type.startsWith('time')) return 'D';
  return CATEGORIES[type] ?? 'N';
}

const cases: readonly (readonly [source: DataType, declared: string, target: string, expected: Fit])[] = [
  [int32, 'integer', 'integer', fits],
  [int32, 'integer', 'bigint', fits],
  [int32, 'integer', 'numeric', fits],
  [int32, 'integer', 'numeric(10,0)', fits],
  [int32, 'integer', 'smallint', widen('integer')],
  [int64, 'bigint', 'integer', widen('bigint')],
  [int64, 'bigint', 'numeric(10,2)', widen('numeric')],
  [int64, 'bigint', 'double precision', no],
  [int64, 'bigint', 'text', no],
  [int64, 'bigint', 'boolean', no],
  [{ kind: 'uint64' }, 'bigint unsigned', 'bigint', widen('numeric(20,0)')],
  [amount, 'numeric(12,2)', 'numeric(14,4)', fits],
  [amount, 'numeric(12,2)', 'numeric', fits],
  [amount, 'numeric(12,2)', 'numeric(12,4)', widen('numeric(14,4)')],
  [amount, 'numeric(12,2)', 'numeric(20,1)', widen('numeric(21,2)', true)],
  [amount, 'numeric(12,2)', 'integer', widen('numeric(12,2)', true)],
  [amount, 'numeric(12,2)', 'real', no],
  [{ kind: 'numeric' }, 'numeric', 'numeric(10,2)', widen('numeric', true)],
  [{ kind: 'float32' }, 'real', 'double precision', fits],
  [{ kind: 'float64' }, 'double precision', 'real', widen('double precision', true)],
  [{ kind: 'float64' }, 'double precision', 'numeric', no],
  [string, 'character varying(40)', 'text', fits],
  [string, 'character varying(40)', 'character varying(50)', fits],
  [string, 'character varying(40)', 'character varying(20)', widen('character varying(40)')],
  [string, 'character varying', 'character varying(20)', widen('character varying')],
  [text, 'text', 'character varying(20)', widen('text')],
  [text, 'text', 'character(20)', checked],
  [string, 'character(3)', 'character(5)', fits],
  [text, 'text', 'integer', widen('text')],
  [text, 'text', 'date', widen('text')],
  [text, 'text', 'inet', checked],
  [string, 'inet', 'inet', fits],
  [string, 'inet', 'text', fits],
  [string, 'interval', 'bigint', checked],
  [string, 'time with time zone', 'text', fits],
  [{ kind: 'uuid' }, 'uuid', 'text', fits],
  [{ kind: 'uuid' }, 'uuid', 'character varying(10)', checked],
  [{ kind: 'uuid' }, 'uuid', 'bytea', no],
  [{ kind: 'boolean' }, 'boolean', 'text', no],
  [{ kind: 'bytes' }, 'bytea', 'text', no],
  [{ kind: 'json' }, 'json', 'jsonb', fits],
  [{ kind: 'jsonb' }, 'jsonb', 'json', fits],
  [{ kind: 'jsonb' }, 'jsonb', 'text', fits],
  [{ kind: 'date' }, 'date', 'timestamp without time zone', fits],
  [{ kind: 'date' }, 'date', 'time without time zone', no],
  [timestamp, 'timestamp without time zone', 'date', widen('timestamp without time zone', true)],
  [timestamp, 'timestamp without time zone', 'timestamp(3) without time zone', widen('timestamp without time zone', true)],
  [timestamp, 'timestamp(3) without time zone', 'timestamp(6) without time zone', fits],
  [timestamp, 'timestamp without time zone', 'timestamp with time zone', fits],
  [timestampTz, 'timestamp with time zone', 'time without time zone', no],
  [{ kind: 'time', unit: 'micros' }, 'time without time zone', 'time(0) without time zone', widen('time without time zone', true)],
  [{ kind: 'array', element: int32 }, 'integer[]', 'bigint[]', fits],
  [{ kind: 'array', element: int64 }, 'bigint[]', 'integer[]', widen('bigint[]')],
  [{ kind: 'array', element: amount }, 'numeric(12,2)[]', 'numeric(5,3)[]', widen('numeric(13,3)[]')],
  [{ kind: 'array', element: int32 }, 'integer[]', 'integer', no],
  [{ kind: 'array', element: string }, 'inet[]', 'inet[]', fits],
  [{ kind: 'array', element: string }, 'text[]', 'inet[]', checked],
];

test.each(cases)('%o declared %s into %s', (dataType, nativeType, type, expected) => {
  const target = { name: 'c', type, baseType: type.replace(/\(.*?\)/, ''), category: categoryOf(type), isGenerated: false, isIdentityAlways: false };
  expect(fitOf({ name: 'c', dataType, nullable: true, nativeType }, target)).toEqual(expected);
});
