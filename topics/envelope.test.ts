import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataType } from '../shared/record/data-type.ts';
import { decimalText, type RandomTable, randomTables } from '../test/random-rows.ts';
import type { RowRecord } from '../shared/record/record.ts';
import type { Row } from '../shared/record/row.ts';
import { RowWriter } from '../shared/record/row-writer.ts';
import { TableSchema } from '../shared/record/table-schema.ts';
import { UNCHANGED, type Value } from '../shared/record/value.ts';
import { buildEnvelopeSchema, buildKeySchema, fieldNames, parseTableSchema } from './avro/table-schemas.ts';
import { EnvelopeDecoder } from './envelope-decoder.ts';
import { EnvelopeEncoder, type EnvelopeFields, type EnvelopeScope } from './envelope-encoder.ts';

const TOPIC = 'shop.public.things';

/** 64-bit integers as bigint: avsc by itself refuses those beyond 2^53. */
const LONG = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => Number(a - b),
});

function avroOf(schema: unknown): avsc.Type {
  const isLong = (part: unknown) => part === 'long' || (part as { type?: unknown }).type === 'long';
  return avsc.Type.forSchema(schema as avsc.Schema, { registry: {}, typeHook: (part) => (isLong(part) ? LONG : undefined) as unknown as avsc.Type });
}

/** A value as avsc gives it, from the value that we give: told anew here, so that both ways are held against it. */
function toAvro(type: DataType, value: Value): unknown {
  if (value === null) return null;
  switch (type.kind) {
    case 'int64':
      return BigInt(value as number | bigint);
    case 'time':
      return type.unit === 'millis' ? Number(value) / 1000 : BigInt(value as number);
    case 'timestamp':
    case 'timestampTz':
      return type.unit === 'millis' ? BigInt(value as number | bigint) / 1000n : BigInt(value as number | bigint);
    case 'decimal':
    case 'uint64':
      return unscaledBytes(BigInt((value as string).replace('.', '')));
    case 'float32':
      return Math.fround(value as number);
    case 'array':
      return (value as readonly Value[]).map((item) => toAvro(type.element, item));
    default:
      return value;
  }
}

/** Big-endian two's complement, the shortest that keeps the sign. */
function unscaledBytes(unscaled: bigint): Buffer {
  let bits = 8;
  while (BigInt.asIntN(bits, unscaled) !== unscaled) bits += 8;
  return Buffer.from(
    BigInt.asUintN(bits, unscaled)
      .toString(16)
      .padStart(bits / 4, '0'),
    'hex',
  );
}

function toAvroRow(table: TableSchema, values: readonly Value[]): Record<string, unknown> {
  const names = fieldNames(table);
  return Object.fromEntries(
    table.columns.map(({ dataType }, index) => [names[index], toAvro(dataType, values[index] === UNCHANGED ? null : (values[index] ?? null))]),
  );
}

const SCOPE: EnvelopeScope = {
  xid: '777',
  isSnapshot: false,
  committedAtMicros: 1_700_000_000_123_456,
  positionPrefix: '00000000/0A0B0C0D',
  transactionId: '777:00000000/0A0B0C0D',
};

function encoderOf(table: TableSchema): EnvelopeEncoder {
  return new EnvelopeEncoder({ table, keySchemaId: 11, valueSchemaId: 0x01020304, connector: 'postgresql', sourceName: 'shop', version: '0.1.0' });
}

function fieldsOf(op: EnvelopeFields['op'], before: Row | null, after: Row | null): EnvelopeFields {
  return { op, before, after, ordinal: 12, handledAtMs: 1_700_000_000_999, rowVersion: 1_700_000_001_000_001, totalOrder: 9, collectionOrder: 4 };
}

/** What a record written with `SCOPE` and `fieldsOf` says beside its rows. */
const COMMON = {
  source: {
    version: '0.1.0',
    connector: 'postgresql',
    name: 'shop',
    ts_ms: 1_700_000_000_123n,
    ts_us: 1_700_000_000_123_456n,
    snapshot: 'false',
    db: 'shop',
    schema: 'public',
    table: 'things',
    txId: '777',
    position: '00000000/0A0B0C0D#12',
  },
  ts_ms: 1_700_000_000_999n,
  transaction: { id: '777:00000000/0A0B0C0D', total_order: 9n, data_collection_order: 4n },
  row_version: 1_700_000_001_000_001n,
};

function plain(record: unknown): unknown {
  return structuredClone(record, {});
}

function bytesOf({ bytes, start, end }: { bytes: Buffer | null; start: number; end: number }): Buffer {
  return Buffer.from((bytes ?? Buffer.alloc(0)).subarray(start, end));
}

function forRandomTables(check: (random: RandomTable) => void): void {
  fc.assert(fc.property(randomTables(), check), { numRuns: 100 });
}

describe('what we write, avsc reads', () => {
  test('the same values, and the same bytes as its own', () => {
    forRandomTables(({ table, rows }) => {
      const avro = avroOf(buildEnvelopeSchema(table, TOPIC));
      const encoder = encoderOf(table);
      const writer = new RowWriter();
      for (const values of rows) {
        const row = writer.row(table, values);
        const bytes = bytesOf(encoder.value(SCOPE, fieldsOf('u', row, row)));
        const expected = { before: toAvroRow(table, values), after: toAvroRow(table, values), op: 'u', ...COMMON, unchanged: null };
        expect(bytes.subarray(0, 5)).toEqual(Buffer.from([0, 1, 2, 3, 4]));
        expect(plain(avro.fromBuffer(bytes.subarray(5)))).toEqual(plain(expected));
        expect(bytes.subarray(5)).toEqual(avro.toBuffer(expected));
      }
    });
  });

  test('keys, in the order of the key', () => {
    forRandomTables(({ table, rows }) => {
      fc.pre(table.key.length > 0);
      const avro = avroOf(buildKeySchema(table, TOPIC));
      const values = rows[0] ?? [];
      const bytes = bytesOf(encoderOf(table).key(new RowWriter().row(table, values)));
      const names = fieldNames(table);
      const expected = Object.fromEntries(table.key.map((index) => [names[index], toAvro(table.column(index).dataType, values[index] ?? null)]));
      expect(bytes.readInt32BE(1)).toBe(11);
      expect(plain(avro.fromBuffer(bytes.subarray(5)))).toEqual(plain(expected));
    });
  });
});

test('what avsc writes, we read', () => {
  forRandomTables(({ table, rows }) => {
    const schema = buildEnvelopeSchema(table, TOPIC);
    const avro = avroOf(schema);
    const decoder = new EnvelopeDecoder(parseTableSchema(JSON.parse(JSON.stringify(schema)), TOPIC), TOPIC);
    for (const values of rows) {
      const bytes = avro.toBuffer({ before: null, after: toAvroRow(table, values), op: 'c', ...COMMON, unchanged: null });
      const record = decoder.decode(bytes, 0) as RowRecord;
      expect(record.after?.values()).toEqual(
        values.map((value, index) => (table.column(index).dataType.kind === 'float32' && value !== null ? Math.fround(value as number) : value)),
      );
      expect([record.kind, record.before, record.version, record.committedAtMicros]).toEqual(['insert', null, 1_700_000_001_000_001, 1_700_000_000_123_456]);
      expect(record.position).toEqual({ transaction: '00000000/0A0B0C0D', ordinal: 12 });
    }
  });
});

test('a table comes back from its schema in the registry', () => {
  forRandomTables(({ table }) => {
    const parsed = parseTableSchema(JSON.parse(JSON.stringify(buildEnvelopeSchema(table, TOPIC))), TOPIC);
    expect(parsed.fingerprint).toBe(table.fingerprint);
  });
});

describe('fields of the envelope', () => {
  const columns = [
    { name: 'id', dataType: { kind: 'int64' }, nullable: false, nativeType: 'bigint' },
    { name: 'größe', dataType: { kind: 'text' }, nullable: true, nativeType: 'text' },
    { name: 'gr__e', dataType: { kind: 'text' }, nullable: true, nativeType: 'text' },
  ] as const;
  const table = new TableSchema({ database: 'shop', schema: 'public', name: 'things', columns, key: [0] });
  const avro = avroOf(buildEnvelopeSchema(table, TOPIC));
  const encoder = encoderOf(table);
  const decoder = new EnvelopeDecoder(table, TOPIC);
  const rowOf = (...values: readonly Value[]) => new RowWriter().row(table, values);
  const encode = (scope: EnvelopeScope, fields: EnvelopeFields) => bytesOf(encoder.value(scope, fields)).subarray(5);

  test('an unchanged value is null in the row, and named beside it by its field', () => {
    const bytes = encode(SCOPE, fieldsOf('u', null, rowOf(1, 'a', UNCHANGED)));
    expect(plain(avro.fromBuffer(bytes))).toMatchObject({ after: { id: 1n, gr__e: 'a', gr__e_: null }, unchanged: ['gr__e_'] });
    expect((decoder.decode(bytes, 0) as RowRecord).after?.values()).toEqual([1, 'a', UNCHANGED]);
  });

  test('a delete has its key, a truncate no row', () => {
    const deletion = encode(SCOPE, fieldsOf('d', rowOf(1, null, null), null));
    expect(plain(avro.fromBuffer(deletion))).toMatchObject({ before: { id: 1n, gr__e: null }, after: null, op: 'd' });
    const truncate = encode(SCOPE, fieldsOf('t', null, null));
    expect(plain(avro.fromBuffer(truncate))).toMatchObject({ before: null, after: null, op: 't' });
    expect(decoder.decode(truncate, 0)).toEqual({
      kind: 'truncate',
      table,
      position: { transaction: '00000000/0A0B0C0D', ordinal: 12 },
      committedAtMicros: 1_700_000_000_123_456,
      version: 1_700_000_001_000_001,
    });
  });

  test('what belongs to no transaction says so', () => {
    const scope = { ...SCOPE, xid: null, isSnapshot: true, transactionId: null };
    const bytes = encode(scope, fieldsOf('r', null, rowOf(1, 'a', 'b')));
    expect(plain(avro.fromBuffer(bytes))).toMatchObject({ op: 'r', source: { snapshot: 'true', txId: null }, transaction: null });
    expect(decoder.decode(bytes, 0)).toMatchObject({ kind: 'read', version: 1_700_000_001_000_001 });
  });

  test('rows that a snapshot reads are marked so, also after a truncate of the same snapshot', () => {
    const scope = { ...SCOPE, xid: null, isSnapshot: true, transactionId: null };
    encode(scope, fieldsOf('t', null, null));
    expect(plain(avro.fromBuffer(encode(scope, fieldsOf('r', null, rowOf(1, 'a', 'b')))))).toMatchObject({ source: { snapshot: 'true' } });
  });

  test('numbers of any size come back', () => {
    const numbers = [0, 9, 10, 99, 100, 63, 64, 8191, 8192, 2 ** 30 - 1, 2 ** 30, 2 ** 31, 2 ** 32, 2 ** 44, 2 ** 52 - 1];
    for (const number of numbers) {
      const scope = { ...SCOPE, committedAtMicros: number };
      const bytes = encode(scope, {
        ...fieldsOf('c', null, rowOf(1, 'a', 'b')),
        ordinal: number,
        handledAtMs: number,
        rowVersion: number,
        totalOrder: number,
        collectionOrder: number,
      });
      const big = BigInt(number);
      expect(plain(avro.fromBuffer(bytes))).toMatchObject({
        source: { ts_ms: big / 1000n, ts_us: big, position: `00000000/0A0B0C0D#${number}` },
        ts_ms: big,
        transaction: { total_order: big, data_collection_order: big },
        row_version: big,
      });
    }
  });

  test('a row of megabytes is carried whole, and the next one is fine', () => {
    const large = 'ü'.repeat(3_000_000);
    expect((decoder.decode(encode(SCOPE, fieldsOf('c', null, rowOf(1, large, 'b'))), 0) as RowRecord).after?.values()).toEqual([1, large, 'b']);
    expect((decoder.decode(encode(SCOPE, fieldsOf('c', null, rowOf(2, 'a', 'b'))), 0) as RowRecord).after?.values()).toEqual([2, 'a', 'b']);
    const held = () => encoder.value(SCOPE, fieldsOf('c', null, rowOf(3, 'a', 'b'))).bytes?.length ?? 0;
    expect(held()).toBeGreaterThan(6_000_000);
    EnvelopeEncoder.forgetLarge();
    expect(held()).toBeLessThan(100_000);
  });

  test('its rows are not kept', () => {
    const fields = fieldsOf('u', rowOf(1, 'a', 'b'), rowOf(1, 'b', 'b'));
    encoder.value(SCOPE, fields);
    expect([fields.before, fields.after]).toEqual([null, null]);
  });
});

test('the decimals of this test are written as they should be', () => {
  expect([decimalText(-5n, 2), decimalText(5n, 0), decimalText(123n, 2)]).toEqual(['-0.05', '5', '1.23']);
  expect([unscaledBytes(-1n), unscaledBytes(128n), unscaledBytes(0n)]).toEqual([Buffer.from([255]), Buffer.from([0, 128]), Buffer.from([0])]);
});
