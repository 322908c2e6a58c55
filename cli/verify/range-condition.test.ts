import { describe, expect, test } from 'vitest';
import { buildRangeCondition, keyText } from './range-condition.ts';
import type { ColumnDef } from '../../shared/record/table-schema.ts';

const column = (name: string, dataType: ColumnDef['dataType']): ColumnDef => ({ name, dataType, nullable: false, nativeType: '' });

test.each<[ColumnDef['dataType'], string, string | undefined]>([
  [{ kind: 'int32' }, '-7', '-7'],
  [{ kind: 'bytes' }, '00ff', '\\x00ff'],
  [{ kind: 'date' }, '0', 'J2440588'],
  [{ kind: 'date' }, '-infinity', '-infinity'],
  [{ kind: 'timestamp', unit: 'micros' }, '-1', 'J2440587 23:59:59.999999'],
  [{ kind: 'timestampTz', unit: 'micros' }, '86400000001', 'J2440589 00:00:00.000001+00'],
  [{ kind: 'array', element: { kind: 'int32' } }, '[1]', undefined],
])('a key of %j is told as PostgreSQL reads it', (dataType, cell, text) => {
  expect(keyText(column('k', dataType), cell)).toBe(text);
});

describe('a condition', () => {
  test('goes by value for numbers, and by bytes for texts, as rows are compared', () => {
    const key = [column('a', { kind: 'int64' }), column('it"s', { kind: 'text' })];
    expect(buildRangeCondition(key, [{ first: ['1', "x'"], last: ['2', 'y'] }])).toBe(
      `("a", "it""s"::text COLLATE "C") >= ('1'::bigint, 'x''' COLLATE "C") AND ("a", "it""s"::text COLLATE "C") <= ('2'::bigint, 'y' COLLATE "C")`,
    );
  });

  test('takes in all times that were cut to the same millisecond', () => {
    const key = [column('at', { kind: 'timestamp', unit: 'millis' })];
    expect(buildRangeCondition(key, [{ first: ['1000'], last: ['1000'] }])).toBe(
      `"at" >= 'J2440588 00:00:00.001000'::timestamp AND "at" <= 'J2440588 00:00:00.001999'::timestamp`,
    );
  });
});
