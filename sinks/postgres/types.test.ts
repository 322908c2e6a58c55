import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { stagingSqlOf, targetSqlOf } from './types.ts';

const micros = { unit: 'micros' } as const;
const column = (dataType: DataType, nativeType: string) => ({ name: 'c', dataType, nullable: true, nativeType });

describe('a new column has', () => {
  const cases: readonly (readonly [dataType: DataType, nativeType: string, expected: string])[] = [
    [{ kind: 'boolean' }, 'boolean', 'boolean'],
    [{ kind: 'int16' }, 'smallint', 'smallint'],
    [{ kind: 'int32' }, 'int unsigned', 'integer'],
    [{ kind: 'int64' }, 'bigint', 'bigint'],
    [{ kind: 'uint64' }, 'bigint unsigned', 'numeric(20,0)'],
    [{ kind: 'float32' }, 'real', 'real'],
    [{ kind: 'float64' }, 'double precision', 'double precision'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, 'numeric(12,2)', 'numeric(12,2)'],
    [{ kind: 'decimal', precision: 7, scale: 0 }, 'numeric(5,-2)', 'numeric(7,0)'],
    [{ kind: 'numeric' }, 'numeric', 'numeric'],
    [{ kind: 'numeric' }, 'numeric(12,2)', 'numeric(12,2)'],
    [{ kind: 'numeric' }, 'numeric(5,-2)', 'numeric'],
    [{ kind: 'numeric' }, 'decimal(70,2)', 'numeric'],
    [{ kind: 'string' }, 'character varying(40)', 'character varying(40)'],
    [{ kind: 'string' }, 'varchar(40)', 'character varying(40)'],
    [{ kind: 'string' }, 'character varying', 'character varying'],
    [{ kind: 'string' }, 'character(3)', 'character(3)'],
    [{ kind: 'string' }, 'char(3)', 'text'],
    [{ kind: 'string' }, 'bpchar', 'bpchar'],
    [{ kind: 'string' }, 'interval', 'interval'],
    [{ kind: 'string' }, 'interval(3)', 'interval(3)'],
    [{ kind: 'string' }, 'interval day to second', 'text'],
    [{ kind: 'string' }, 'inet', 'inet'],
    [{ kind: 'string' }, 'bit varying(8)', 'bit varying(8)'],
    [{ kind: 'string' }, 'time(2) with time zone', 'time(2) with time zone'],
    [{ kind: 'string' }, '"char"', 'text'],
    [{ kind: 'string' }, 'money', 'text'],
    [{ kind: 'string' }, 'time', 'text'],
    [{ kind: 'string' }, 'public.citext', 'text'],
    [{ kind: 'string' }, '', 'text'],
    [{ kind: 'text' }, 'text', 'text'],
    [{ kind: 'enum', values: ['a'] }, 'mood', 'text'],
    [{ kind: 'bytes' }, 'bytea', 'bytea'],
    [{ kind: 'json' }, 'json', 'json'],
    [{ kind: 'jsonb' }, 'jsonb', 'jsonb'],
    [{ kind: 'uuid' }, 'uuid', 'uuid'],
    [{ kind: 'date' }, 'date', 'date'],
    [{ kind: 'time', ...micros }, 'time(3) without time zone', 'time(3) without time zone'],
    [{ kind: 'time', ...micros }, 'time', 'time without time zone'],
    [{ kind: 'timestamp', ...micros }, 'timestamp without time zone', 'timestamp without time zone'],
    [{ kind: 'timestamp', ...micros }, 'datetime(6)', 'timestamp without time zone'],
    [{ kind: 'timestamp', ...micros }, 'datetime(3)', 'timestamp(3) without time zone'],
    [{ kind: 'timestampTz', ...micros }, 'timestamp(0) with time zone', 'timestamp(0) with time zone'],
    [{ kind: 'timestampTz', ...micros }, 'timestamptz', 'timestamp with time zone'],
    [{ kind: 'timestampTz', ...micros }, 'timestamp(3)', 'timestamp with time zone'],
    [{ kind: 'array', element: { kind: 'int32' } }, 'integer[]', 'integer[]'],
    [{ kind: 'array', element: { kind: 'string' } }, 'character varying(9)[]', 'character varying(9)[]'],
    [{ kind: 'array', element: { kind: 'timestampTz', ...micros } }, 'timestamp(3) with time zone[]', 'timestamp(3) with time zone[]'],
  ];

  test.each(cases)('for %o declared %s the type %s', (dataType, nativeType, expected) => {
    expect(targetSqlOf(column(dataType, nativeType))).toBe(expected);
  });
});

test('values of an array are staged as an array of their type', () => {
  expect(stagingSqlOf({ kind: 'array', element: { kind: 'numeric' } })).toBe('text[]');
  expect(stagingSqlOf({ kind: 'array', element: { kind: 'date' } })).toBe('date[]');
});

test('an array of arrays is refused', () => {
  const nested: DataType = { kind: 'array', element: { kind: 'array', element: { kind: 'int32' } } };
  expect(() => targetSqlOf(column(nested, 'integer[]'))).toThrow(expect.objectContaining({ code: 'TYPE_UNSUPPORTED' }));
});
