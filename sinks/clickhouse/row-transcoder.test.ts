import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCdcError } from '../../shared/errors/cdc-error.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { packRecords } from '../../shared/record/pack-records.ts';
import type { RowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { Value } from '../../shared/record/value.ts';
import { tableOf } from '../../test/contract/records.ts';
import { randomTables } from '../../test/random-rows.ts';
import type { FoundColumn, FoundTable } from './found-table.ts';
import { encodeChanges, encodeRows, type OutgoingRow } from './outgoing.ts';
import { buildPlan, type TablePlan } from './plan.ts';
import { RowBinaryWriter } from './row-binary.ts';
import { RowTranscoder } from './row-transcoder.ts';
import { META_COLUMN_TYPES } from './statements.ts';
import { DOCUMENTED_RANGE, WIDE_RANGE } from './time-range.ts';
import { columnTypeFor, parseColumnType } from './types.ts';

const UUID = fc
  .uuid()
  .chain((text) => fc.constantFrom(text, text.toUpperCase(), text.replaceAll('-', ''), `${text}0`, text.replace('-', '0'), `${text.slice(1)}g`));

/** What the target has of the source's columns: all of them, some of another type, some not at all. */
interface Target {
  readonly lacks: readonly string[];
  readonly isNullable: boolean;
  readonly isOld: boolean;
}

function planOf(schema: TableSchema, { lacks, isNullable, isOld }: Target): TablePlan {
  const column = (type: string): FoundColumn => ({ type: parseColumnType(type), hasDefault: false });
  const columns = new Map(META_COLUMN_TYPES.map(({ name, type }) => [name, column(type)]));
  for (const [index, { name, dataType }] of schema.columns.entries()) {
    const isKey = schema.key.includes(index);
    if (isKey || !lacks.includes(name)) columns.set(name, column(columnTypeFor(dataType, { isKey, isNullable })));
  }
  const found: FoundTable = { name: 'rows', engine: '', comment: '', keepsHighestVersion: true, hidesDeleted: true, sortingKey: [], columns };
  return buildPlan({ schema, names: { database: 'shop', rows: 'rows', view: 'view' }, found, range: isOld ? DOCUMENTED_RANGE : WIDE_RANGE });
}

/** Bytes, or the code of the error. */
function encoded(plan: TablePlan, rows: readonly OutgoingRow[]): string {
  try {
    return encodeRows(plan, rows).body.toString('hex');
  } catch (error) {
    if (isCdcError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

function rowsOf(schema: TableSchema, rows: readonly (readonly Value[])[]): readonly OutgoingRow[] {
  const writer = new RowWriter(1024);
  return rows.map((values, index) => {
    const image = writer.row(schema, values);
    return { kind: 'update', version: 2 ** 40 + index, isDeleted: false, image, isKeyOnly: false, fetched: null, rowId: null };
  });
}

function expectSame(plan: TablePlan, rows: readonly OutgoingRow[]): void {
  const generally = { ...plan, transcoder: { write: () => false } };
  expect(encoded(plan, rows)).toBe(encoded(generally, rows));
}

const targets = (names: readonly string[]): fc.Arbitrary<Target> =>
  fc.record({ lacks: fc.subarray([...names]), isNullable: fc.boolean(), isOld: fc.boolean() });

test('whole rows and single cells give the same bytes, or the same error', () => {
  const cases = randomTables().chain(({ table, rows }) => targets(table.columns.map(({ name }) => name)).map((target) => ({ table, rows, target })));
  fc.assert(
    fc.property(cases, ({ table, rows, target }) => {
      const plan = planOf(table, target);
      expectSame(plan, rowsOf(table, rows));
      for (const row of rowsOf(table, rows)) expectSame(plan, [row]);
    }),
    { numRuns: 1000 },
  );
});

describe('at the borders of the quick way of a kind the bytes are the same', () => {
  const usual: readonly (readonly [DataType, fc.Arbitrary<Value>])[] = [
    [{ kind: 'uuid' }, UUID],
    [{ kind: 'date' }, fc.integer({ min: -1_000_000, max: 3_000_000 })],
    [{ kind: 'timestampTz', unit: 'micros' }, fc.integer({ min: -9e15, max: 9e15 })],
    [
      { kind: 'timestamp', unit: 'micros' },
      fc.bigInt({ min: -63n * 10n ** 15n, max: 254n * 10n ** 15n }).map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value)),
    ],
    [{ kind: 'text' }, fc.string({ unit: 'binary', maxLength: 300 })],
  ];
  test.each(usual)('%j', (type, values) => {
    const table = tableOf({ name: 't', columns: { id: 'int64', value: { type } }, key: ['id'] });
    fc.assert(
      fc.property(values, fc.boolean(), (value, isOld) => {
        expectSame(planOf(table, { lacks: [], isNullable: true, isOld }), rowsOf(table, [[1, value]]));
      }),
      { numRuns: 500 },
    );
  });
});

test('an array of any length leaves room for the cells behind it', () => {
  const table = tableOf({ name: 't', columns: { id: 'int64', many: 'array', text: 'text', amount: 'decimal' }, key: ['id'] });
  const many = Array.from({ length: 100_000 }, (_, index) => (index % 3 === 0 ? null : index));
  expectSame(planOf(table, { lacks: [], isNullable: true, isOld: false }), rowsOf(table, [[1, many, 'x'.repeat(70_000), '1.50']]));
});

test('a null that the target cannot hold is refused as the general way refuses it', () => {
  const table = tableOf({ name: 't', columns: { id: 'int64', text: 'text' }, key: ['id'] });
  const plan = planOf(table, { lacks: [], isNullable: false, isOld: false });
  expect(encoded(plan, rowsOf(table, [[1, null]]))).toContain('RECORD_REJECTED');
});

test.each<[DataType, Value]>([
  [{ kind: 'uuid' }, '0b9c4f3e-1111-4222-8333-444455556666'],
  [{ kind: 'date' }, 1],
  [{ kind: 'timestampTz', unit: 'micros' }, 1],
  [{ kind: 'text' }, 'x'],
  [{ kind: 'decimal', precision: 10, scale: 2 }, '1.50'],
  [{ kind: 'boolean' }, true],
])('%j needs no writer of its column', (type, value) => {
  const table = tableOf({ name: 't', columns: { id: 'int64', value: { type } }, key: ['id'] });
  const plan = planOf(table, { lacks: [], isNullable: true, isOld: false });
  const columns = plan.columns.map((column) => column && { ...column, write: () => expect.unreachable('the general way') });
  const { image } = rowsOf(table, [[1, value]])[0] as OutgoingRow;
  const transcoder = new RowTranscoder({ schema: table, columns, range: WIDE_RANGE });
  expect(transcoder.write(new RowBinaryWriter(1024), image.bytes, image.start, image.end)).toBe(true);
});

/** The body of an insert of changes that are all the last of their rows. */
function bodyOf(table: TableSchema, changes: readonly Pick<RowRecord, 'kind' | 'before' | 'after'>[]) {
  const packed = packRecords(changes.map((change) => ({ ...change, table, position: { transaction: 'a', ordinal: 1 }, committedAtMicros: 1, version: 1 })));
  const last = { changes: packed, isLast: new Uint8Array(packed.length).fill(1), count: packed.length };
  return encodeChanges(planOf(table, { lacks: [], isNullable: true, isOld: false }), last, { fromVersion: 0 });
}

describe('a body asks for no more memory than it fills', () => {
  const table = tableOf({ name: 't', columns: { id: 'int64', text: 'text' }, key: ['id'] });
  const image = (id: number, text: string) => rowsOf(table, [[id, text]])[0]?.image as Row;
  const insert = (id: number, text: string) => ({ kind: 'insert', before: null, after: image(id, text) }) as const;

  test('with one long row among many short ones', () => {
    const short = insert(2, 'y');
    const { body, versions } = bodyOf(table, [insert(1, 'x'.repeat(1_000_000)), ...Array.from({ length: 10_000 }, () => short)]);
    expect(versions.length).toBe(10_001);
    expect(body.buffer.byteLength).toBeLessThan(2 * body.length);
  });

  test('with deletes that come far behind the beginning of their memory', () => {
    const deleted = { kind: 'delete', before: image(2, 'y'), after: null } as const;
    const { body, versions } = bodyOf(table, [insert(1, 'x'.repeat(1_000_000)), ...Array.from({ length: 1000 }, () => deleted)]);
    expect(versions.length).toBe(1001);
    expect(body.buffer.byteLength).toBeLessThan(2 * body.length);
  });
});
